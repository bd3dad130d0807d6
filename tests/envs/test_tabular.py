"""Finite processes: solvers agree with values by hand, with each other, and with sampled episodes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs import maze, tabular


def test_values_of_a_chain_by_hand():
    mdp = tabular.chain(4, discount=0.5)
    q = tabular.value_iteration(mdp)
    np.testing.assert_allclose(q[:, 1], [0.25, 0.5, 1.0, 2.0], rtol=1e-5)
    np.testing.assert_allclose(q[3, 0], 0.5, rtol=1e-5)


@pytest.mark.parametrize("slip", [0.0, 0.2])
def test_policy_evaluation_of_the_greedy_policy_is_value_iteration(slip):
    mdp = tabular.grid(maze.MEDIUM, slip=slip)
    np.testing.assert_allclose(np.asarray(mdp.transition).sum(axis=-1), 1, rtol=1e-5)
    q = tabular.value_iteration(mdp)
    v, again = tabular.evaluate(mdp, tabular.greedy(q))
    np.testing.assert_allclose(again, q, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(v, q.max(axis=1), rtol=1e-4, atol=1e-4)
    uniform = jnp.full(q.shape, 0.25)
    assert (tabular.evaluate(mdp, uniform)[0] <= v + 1e-4).all()


def test_grid_values_fall_by_the_discount_a_step():
    mdp = tabular.grid(maze.UMAZE, discount=0.9)
    v = np.asarray(tabular.value_iteration(mdp).max(axis=1))
    np.testing.assert_allclose(v, 10 * 0.9 ** np.array([0, 1, 2, 3, 6, 5, 4]), rtol=1e-4)
    assert mdp.start[0] == 0


def test_sampled_returns_match_the_exact_value():
    mdp = tabular.grid(maze.UMAZE, discount=0.8, slip=0.3)
    env = tabular.environment(mdp, horizon=60)
    uniform = jnp.full(mdp.reward.shape, 0.25)
    exact = float(mdp.start @ tabular.evaluate(mdp, uniform)[0])

    def episode(key):
        state, _ = env.reset(jax.random.fold_in(key, 1000), env.params)

        def one(carry, index):
            k_act, k_step = jax.random.split(jax.random.fold_in(key, index))
            state, timestep = env.step(k_step, env.params, carry, jax.random.randint(k_act, (), 0, 4))
            return state, (timestep.reward, timestep.obs.sum(), timestep.truncated)

        rewards, ones, truncated = jax.lax.scan(one, state, jnp.arange(60))[1]
        return (0.8 ** jnp.arange(60) * rewards).sum(), ones, truncated

    returns, ones, truncated = jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(0), 4000))
    error = float(returns.std()) / np.sqrt(4000)
    assert abs(float(returns.mean()) - exact) < 4 * error
    assert error < 0.1 * exact
    assert (ones == 1).all()
    assert truncated[0].tolist() == [0.0] * 59 + [1.0]
