"""The circling point mass: a step by hand, what the reward pays, and an expert that keeps any speed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs import tracking
from jaxrl.envs.control import State
from jaxrl.evaluation import rollout

ENV = tracking.point_mass_speed()
POLICY = tracking.expert()


def test_a_step_by_hand_and_the_time_limit():
    state = State(jnp.array([1.0, 0.0, 0.0, 0.5, 0.8]), jnp.int32(58))
    state, timestep = ENV.step(jax.random.key(0), ENV.params, state, jnp.array([-2.0, 0.25]))
    # Action clipped to (-1, 0.25): velocity (0 - 0.4, 0.5 + 0.1 (1 - 0.25)), position (1 - 0.04, 0.0575).
    np.testing.assert_allclose(timestep.obs, [0.96, 0.0575, -0.4, 0.575, 0.8], rtol=1e-6)
    radius = np.hypot(0.96, 0.0575)
    asked = 0.8 * np.array([-0.0575, 0.96]) / radius
    expected = 1 - np.hypot(-0.4 - asked[0], 0.575 - asked[1]) / 0.8 - abs(radius - 1)
    assert timestep.reward == pytest.approx(expected, rel=1e-5)
    assert timestep.truncated == 0
    assert ENV.step(jax.random.key(0), ENV.params, state, jnp.zeros(2))[1].truncated == 1


def test_reward_is_one_on_the_circle_at_the_speed_and_never_below_nought():
    def reward(position, velocity):
        still = ENV.params._replace(dt=0.0, targets=(0.5,))
        values = jnp.array([*position, *velocity, 0.5])
        return float(ENV.step(jax.random.key(0), still, State(values, jnp.int32(0)), jnp.zeros(2))[1].reward)

    assert reward((0.0, 1.0), (-0.5, 0.0)) == pytest.approx(1, abs=1e-6)
    assert reward((0.0, 1.0), (0.5, 0.0)) == 0, "the wrong way round"
    assert reward((0.0, 0.9), (-0.5, 0.0)) == pytest.approx(0.9, abs=1e-6)
    assert reward((0.0, 1.0), (-0.25, 0.0)) == pytest.approx(0.5, abs=1e-6)


def test_expert_keeps_speeds_inside_and_outside_of_the_defaults():
    run = jax.jit(jax.vmap(lambda params: rollout.evaluate(jax.random.key(0), ENV._replace(params=params), POLICY, 64)))
    speeds = np.array([0.2, 0.6, 1.0, 1.4], np.float32)
    rest = {name: np.full(4, getattr(ENV.params, name), np.float32) for name in ("force", "drag", "spread", "dt")}
    found = np.asarray(run(ENV.params._replace(targets=speeds[:, None], **rest))).mean(-1)
    assert (found > 0.75 * ENV.spec.horizon).all()


def test_the_speed_asked_for_is_one_of_the_targets_and_stays():
    keys = jax.random.split(jax.random.key(0), 400)

    @jax.jit
    @jax.vmap
    def two(key):
        state, first = ENV.reset(key, ENV.params)
        return first, ENV.step(key, ENV.params, state, jnp.ones(2))[1]

    first, after = two(keys)
    speeds, counts = np.unique(first.obs[:, tracking.TARGET], return_counts=True)
    np.testing.assert_allclose(speeds, ENV.params.targets)
    assert counts.min() > 70
    radius = np.linalg.norm(first.obs[:, :2], axis=-1)
    assert np.abs(radius - 1).max() <= ENV.params.spread + 1e-6
    np.testing.assert_array_equal(after.obs[:, tracking.TARGET], first.obs[:, tracking.TARGET])
