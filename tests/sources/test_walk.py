"""One step of walkers: successors, new starts, flags, actions as proposed and as played."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs import suites
from jaxrl.sources import walk
from tests.sources.walking import CUT, STARTS, TERMINAL, always, check_steps, counting


def walked(env, policy, count, length, **options):
    walkers, rows = walk.start(jax.random.key(0), env, count), []
    step = jax.jit(lambda key, walkers: walk.step(key, env, policy, walkers, **options))
    for time in range(length):
        walkers, row = step(jax.random.key(time + 1), walkers)
        rows.append(row)
    return walkers, jax.tree.map(lambda *x: jnp.stack(x), *rows)


def test_successors_are_true_and_walkers_stand_at_new_starts():
    walkers, steps = walked(counting(), always(1), count=6, length=12)
    check_steps(steps)
    seen = set(np.unique(steps.next_obs))
    assert {TERMINAL, CUT} <= seen and not seen & set(STARTS)
    over = steps.terminated[-1] + steps.truncated[-1] > 0
    assert bool(jnp.where(over, jnp.isin(walkers.timestep.obs[:, 0], jnp.asarray(STARTS)), True).all())


def test_a_new_start_has_its_own_clock_and_walkers_start_differently():
    walkers, steps = walked(counting(), always(1), count=64, length=3)
    assert set(np.unique(steps.obs[0])) == set(STARTS)
    over = steps.terminated[-1] + steps.truncated[-1] > 0
    assert over.any() and bool((walkers.state.time[over] == 0).all()) and bool((walkers.state.time[~over] > 0).all())


def test_the_environment_plays_a_bounded_action_and_the_step_keeps_the_one_proposed():
    _, steps = walked(suites.environment("ProbeAction-v0"), always([3.0]), count=2, length=2)
    np.testing.assert_array_equal(steps.action, 3.0)
    np.testing.assert_array_equal(steps.next_action, 3.0)
    np.testing.assert_allclose(steps.reward, 1 - 0.5**2)


def test_densities_are_the_policy_s():
    policy = always(1)._replace(log_prob=lambda obs, action: obs[..., 0] - action)
    _, steps = walked(counting(), policy, count=4, length=3, densities=True)
    np.testing.assert_allclose(steps.extras["log_prob"], steps.obs[..., 0] - 1)
    _, without = walked(counting(), policy, count=4, length=3)
    assert not without.extras


def test_a_policy_without_density_is_refused_where_densities_are_asked_for():
    with pytest.raises(InputError, match="densities"):
        env = counting()
        policy = always(1)._replace(log_prob=None)
        walk.step(jax.random.key(0), env, policy, walk.start(jax.random.key(1), env, 2), densities=True)
