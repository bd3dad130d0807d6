"""Small environments pay what their docstrings say, and the linear-quadratic optimum is one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs import small


def roll(env, act, key, params=None):
    """Rewards, terminations and truncations of one episode of horizon steps, and its first observation."""
    params = env.params if params is None else params
    state, first = env.reset(key, params)

    def one(carry, _):
        state, obs = carry
        state, timestep = env.step(key, params, state, act(obs))
        return (state, timestep.obs), timestep

    steps = jax.lax.scan(one, (state, first.obs), length=env.spec.horizon)[1]
    return steps, first.obs


@pytest.mark.parametrize("action", [-1.0, 0.3])
def test_probes_with_continuous_actions(action):
    act = lambda obs: jnp.full(1, action)
    for seed in range(4):
        key = jax.random.key(seed)
        steps, _ = roll(small.constant(), act, key)
        assert (steps.reward.tolist(), steps.terminated.tolist()) == ([1.0], [1.0])
        steps, obs = roll(small.by_observation(), act, key)
        assert steps.reward[0] == obs[0]
        assert abs(obs[0]) == 1
        steps, obs = roll(small.two_step(), act, key)
        assert (steps.reward.tolist(), steps.terminated.tolist()) == ([0.0, 1.0], [0.0, 1.0])
        assert obs[0] == 0
        assert steps.obs[0, 0] == 1
        steps, _ = roll(small.by_action(), act, key)
        assert steps.reward[0] == pytest.approx(1 - (action - 0.5) ** 2)


def test_probe_with_classes_pays_for_the_sign():
    env = small.by_class()
    for seed in range(6):
        right, _ = roll(env, lambda obs: (obs[0] > 0).astype(jnp.int32), jax.random.key(seed))
        wrong, _ = roll(env, lambda obs: (obs[0] <= 0).astype(jnp.int32), jax.random.key(seed))
        assert (right.reward[0], wrong.reward[0]) == (1, 0)


def test_bandit_has_a_low_bump_a_high_bump_and_a_valley():
    env = small.bandit()
    rewards = [
        float(roll(env, lambda obs, a=a: jnp.full(1, a), jax.random.key(0))[0].reward[0]) for a in (-0.5, 0.0, 0.5)
    ]
    np.testing.assert_allclose(rewards, [0.6, 1.6 * np.exp(-6.25), 1.0], atol=1e-4)


def test_point_mass_is_driven_to_the_goal():
    env = small.point_mass()
    driven = roll(env, lambda obs: jnp.clip(-3 * obs[:2] - 2 * obs[2:], -1, 1), jax.random.key(0))[0]
    idle = roll(env, lambda obs: jnp.zeros(2), jax.random.key(0))[0]
    assert driven.reward[-1] > -1e-3
    assert idle.reward[-1] == idle.reward[0] < -0.1
    assert driven.truncated.tolist() == [0.0] * 49 + [1.0]
    moved = roll(env, lambda obs: jnp.zeros(2), jax.random.key(0), env.params._replace(goal=jnp.ones(2)))[0]
    assert moved.reward[0] != idle.reward[0]


def test_riccati_gain_is_optimal_and_its_cost_exact():
    env = small.linear_quadratic()
    discount = 0.9
    gain, cost = small.riccati(env.params, discount)
    weights = discount ** jnp.arange(env.spec.horizon)

    def value(gain):
        steps, obs = roll(env, lambda obs: -gain @ obs / env.params.scale, jax.random.key(3))
        return (weights * steps.reward).sum(), obs

    best, obs = value(gain)
    assert best == pytest.approx(float(-obs @ cost @ obs), rel=1e-3)
    slope = jax.grad(lambda gain: value(gain)[0])(gain)
    assert jnp.abs(slope).max() < 1e-2 * abs(best)
    for factor in (0.7, 1.4):
        assert value(gain * factor)[0] < best
