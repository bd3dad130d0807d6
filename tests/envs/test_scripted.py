"""Scripted behaviours solve their tasks, act on batches, and noise is what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.types import first_steps, reactive
from jaxrl.envs import maze, scripted, suites


def returns(env, make, numbers, episodes: int) -> np.ndarray:
    """Undiscounted returns of the policies make(*numbers[i]); [len(numbers), episodes]."""

    def one(key, numbers):
        policy = make(*numbers)
        state, timestep = env.reset(key, env.params)

        def step(carry, index):
            state, timestep, memory = carry
            k_act, k_step = jax.random.split(jax.random.fold_in(key, index))
            action, memory = policy.act(k_act, timestep, memory)
            state, timestep = env.step(k_step, env.params, state, action)
            return (state, timestep, memory), timestep.reward

        return jax.lax.scan(step, (state, timestep, policy.start()), jnp.arange(env.spec.horizon))[1].sum()

    every = jax.vmap(jax.vmap(one, (0, None)), (None, 0))
    return np.asarray(jax.jit(every)(jax.random.split(jax.random.key(0), episodes), jnp.asarray(numbers)))


def test_swing_up_solves_the_pendulum_from_anywhere():
    strong, weak = returns(suites.environment("Pendulum-v1"), scripted.swing_up, [[1.0], [0.4]], 300)
    assert strong.mean() > -160  # -139 over 200 other episodes
    assert strong.min() > -420
    assert weak.mean() < -600


@pytest.mark.parametrize("name", maze.LAYOUTS)
def test_walker_reaches_the_goal_from_every_start_and_stays(name):
    env = suites.environment(name)

    def make(aim, leave, epsilon):
        return scripted.noisy(scripted.waypoint(name, aim=aim, leave=leave), env.spec, epsilon)

    expert, medium, random = returns(env, make, [[1.0, 0.0, 0.0], [0.4, 0.02, 0.0], [1.0, 0.0, 1.0]], 200)
    assert expert.min() > 0.7 * env.spec.horizon
    assert expert.max() == env.spec.horizon
    assert 0.15 * expert.mean() < medium.mean() < 0.6 * expert.mean()
    assert random.mean() < 0.25 * expert.mean()


def test_policies_act_on_any_leading_axes():
    timestep = first_steps(jnp.zeros((3, 5, 4)))
    spec = suites.environment("PointMaze-UMaze-v0").spec
    walker = scripted.noisy(scripted.waypoint("PointMaze-UMaze-v0", aim=0.5), spec, 0.1, 0.1, 3)
    action, memory = walker.act(jax.random.key(0), timestep, walker.start())
    again, _ = walker.act(jax.random.key(1), timestep, memory)
    assert action.shape == again.shape == (3, 5, 2)
    assert scripted.swing_up().act(jax.random.key(0), first_steps(jnp.zeros((7, 3))), ())[0].shape == (7, 1)
    assert scripted.random(spec).act(jax.random.key(0), timestep, ())[0].shape == (3, 5, 2)


def trail(policy, spec, steps: int) -> np.ndarray:
    """Actions of one policy at a constant observation."""
    timestep = first_steps(jnp.zeros(spec.obs))

    def one(memory, index):
        action, memory = policy.act(jax.random.fold_in(jax.random.key(0), index), timestep, memory)
        return memory, action

    return np.asarray(jax.lax.scan(one, policy.start(), jnp.arange(steps))[1])


def test_noise_has_its_share_its_hold_and_its_spread():
    spec = suites.environment("Pendulum-v1").spec
    still = reactive(lambda key, obs: jnp.full((*obs.shape[:-1], 1), 0.25))
    once = trail(scripted.noisy(still, spec, 0.3), spec, 4000)[:, 0]
    assert (once != 0.25).mean() == pytest.approx(0.3, abs=0.03)
    held = trail(scripted.noisy(still, spec, 0.1, hold=4), spec, 4000)[:, 0]
    changes = np.flatnonzero(np.diff(held, prepend=0.25, append=0.25))
    runs = np.diff(changes)[held[changes[:-1]] != 0.25]
    assert set(runs) <= {4}, "a random action is kept for exactly four steps"
    assert (held != 0.25).mean() == pytest.approx(4 * 0.1 / (0.9 + 4 * 0.1), abs=0.05)
    spread = trail(scripted.noisy(still, spec, 0.0, 0.1), spec, 4000)[:, 0]
    assert (spread.mean(), spread.std()) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.1, abs=0.01))
    wide = trail(scripted.noisy(still, spec, 0.0, 5.0), spec, 200)
    assert np.abs(wide).max() == 1


def test_random_and_noise_with_classes():
    spec = suites.environment("Acrobot-v1").spec
    counts = np.bincount(trail(scripted.random(spec), spec, 3000), minlength=3)
    assert np.abs(counts - 1000).max() < 120
    still = reactive(lambda key, obs: jnp.zeros(obs.shape[:-1], jnp.int32))
    assert (trail(scripted.noisy(still, spec, 0.6), spec, 3000) > 0).mean() == pytest.approx(0.4, abs=0.04)
