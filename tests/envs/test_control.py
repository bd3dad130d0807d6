"""Classic control beside Gymnasium: same state, same action -> same successor, reward and flags."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs import control

STATES = 300


def cases(name: str, source: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """States over the whole range, many of them next to termination, and actions."""
    spread = {"Pendulum-v1": (12.0, 8.0), "CartPole-v1": (2.6, 3.0, 0.23, 3.0), "Acrobot-v1": (3.1, 3.1, 12.0, 28.0)}
    states = source.uniform(-1, 1, (STATES, len(spread[name]))) * np.array(spread[name])
    if name == "Pendulum-v1":
        return states, source.uniform(-1, 1, (STATES, 1)).astype(np.float32)
    return states, source.integers(0, 2 if name == "CartPole-v1" else 3, STATES)


@pytest.mark.parametrize(
    ("make", "tolerance"),
    [(control.pendulum, 2e-5), (control.cartpole, 2e-6), (control.acrobot, 2e-4)],
    ids=["pendulum", "cartpole", "acrobot"],
)
def test_step_equals_gymnasium(make, tolerance):
    env = make()
    states, actions = cases(env.spec.name, np.random.default_rng(0))
    step = jax.vmap(env.step, (None, None, control.State(0, None), 0))
    ours = step(jax.random.key(0), env.params, control.State(jnp.asarray(states), jnp.int32(0)), jnp.asarray(actions))[
        1
    ]
    theirs = gymnasium.make(env.spec.name).unwrapped
    theirs.reset(seed=0)
    terminations = 0
    for i in range(STATES):
        theirs.state, theirs.steps_beyond_terminated = np.array(states[i]), None
        action = actions[i] if env.spec.discrete else actions[i] * env.spec.high[0]
        obs, reward, terminated, _, _ = theirs.step(action)
        np.testing.assert_allclose(ours.obs[i], obs, rtol=tolerance, atol=tolerance, err_msg=f"state {states[i]}")
        np.testing.assert_allclose(ours.reward[i], reward, rtol=1e-5, atol=1e-5)
        assert bool(ours.terminated[i]) == terminated
        terminations += terminated
    if env.spec.discrete:
        assert 20 < terminations < STATES - 20


@pytest.mark.parametrize("make", [control.pendulum, control.cartpole, control.acrobot])
def test_starts_and_sizes_as_in_gymnasium(make):
    env = make()
    theirs = gymnasium.make(env.spec.name)
    assert theirs.spec.max_episode_steps == env.spec.horizon
    assert theirs.observation_space.shape == (env.spec.obs,)
    ours = jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(0), 2000), env.params)[1].obs
    starts = np.stack([theirs.reset(seed=i)[0] for i in range(500)])
    np.testing.assert_allclose(ours.mean(axis=0), starts.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(ours.std(axis=0), starts.std(axis=0), rtol=0.1, atol=1e-4)
    np.testing.assert_allclose(ours.max(axis=0), starts.max(axis=0), atol=0.05)


def test_time_limit_truncates_and_step_never_resets():
    env = control.pendulum()
    state, _ = env.reset(jax.random.key(0), env.params)

    def one(state, _):
        state, timestep = env.step(jax.random.key(0), env.params, state, jnp.zeros(1))
        return state, (timestep.truncated, timestep.terminated)

    state, (truncated, terminated) = jax.lax.scan(one, state, length=203)
    assert truncated.tolist() == [0.0] * 199 + [1.0] * 4
    assert not terminated.any()
    assert state.time == 203


def test_params_are_traced():
    env = control.pendulum()
    gravities = jnp.array([0.0, 10.0])
    params = env.params._replace(gravity=gravities)
    axes = control.Pendulum(*([None] * 6))._replace(gravity=0)
    state = control.State(jnp.array([1.0, 0.0]), jnp.int32(0))
    speeds = jax.vmap(env.step, (None, axes, None, None))(jax.random.key(0), params, state, jnp.zeros(1))[1].obs[:, 2]
    np.testing.assert_allclose(speeds, 0.05 * 1.5 * gravities * np.sin(1.0), rtol=1e-5)
