import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.effects import alp_gmm as cases
from jaxrl.algorithms.teachers import alp_gmm
from jaxrl.core.check import InputError
from jaxrl.losses.gaussian_mixture import Mixture


def teacher():
    """A small one, with its state."""
    made = alp_gmm.alp_gmm(1, memory=8, most=2, random=0.0, iterations=3)
    return made, made.init(jax.random.key(0))


def seen(state, count, tasks, returns):
    """The state after `count` episodes of which the last are given."""
    return state._replace(tasks=jnp.asarray(tasks)[:, None], returns=jnp.asarray(returns), count=jnp.int32(count))


def test_progress_is_the_change_since_the_nearest_task_the_latest_of_equals():
    made, state = teacher()
    state = seen(state, 6, [0.0, 0.9, 0.5, 0.5, 0.3, 0.3, 0.0, 0.0], [0.0, 0.2, 0.1, 0.7, 0.0, 0.0, 9.0, 9.0])
    tasks, returns = jnp.array([[0.5], [0.49], [0.95]]), jnp.array([1.0, 0.4, 1.0])
    after = made.observe(jax.random.key(1), state, tasks, returns)
    np.testing.assert_allclose(after.tasks[:, 0], [0.95, 0.9, 0.5, 0.5, 0.3, 0.3, 0.5, 0.49])
    assert after.count == 9 and after.fitted == 1
    mean = (after.mixture.weight[:, None] * after.mixture.mean).sum(axis=0)
    np.testing.assert_allclose(mean, [(0.5 + 0.49 + 0.95) / 3, (0.3 + 0.6 + 0.8) / 3], rtol=1e-3)


def test_tasks_are_even_before_the_first_fit_and_then_where_progress_is():
    made, state = teacher()
    even = made.propose(jax.random.key(0), state, 2000)
    np.testing.assert_allclose([even.mean(), even.std()], [0.5, 12**-0.5], atol=0.02)
    mean = jnp.array([[0.2, 0.9], [0.8, 0.1]])
    mixture = Mixture(jnp.array([0.1, 0.9]), mean, jnp.broadcast_to(0.01 * jnp.eye(2), (2, 2, 2)))
    drawn = made.propose(jax.random.key(0), state._replace(mixture=mixture, fitted=jnp.float32(1)), 2000)[:, 0]
    np.testing.assert_allclose((jnp.abs(drawn - 0.2) < 0.1).mean(), 0.9, atol=0.03)
    np.testing.assert_allclose((jnp.abs(drawn - 0.8) < 0.1).mean(), 0.1, atol=0.03)


def test_student_climbs_only_from_what_it_masters():
    skill, practise = alp_gmm.climber(3)
    corner, next_one = jnp.array([0.1, 0.1]), jnp.array([0.4, 0.4])
    tasks = jnp.concatenate([jnp.tile(next_one, (1, 1)), jnp.tile(corner, (75, 1)), jnp.tile(next_one, (2, 1))])
    skill, returns = practise(jax.random.key(0), skill, tasks)
    assert (skill[0, 0], skill[1, 1], skill.sum()) == (75, 2, 77)
    np.testing.assert_allclose(returns[jnp.array([0, 1, 75, 76, 77])], [0, 0.01, 0.75, 0.01, 0.02])


@pytest.mark.slow
def test_more_is_mastered_than_with_even_tasks():
    """Five seeds: 11.0 (9.8 to 12.8) per cent of the cubes, with even tasks none; two useless dimensions."""
    keys = jax.random.split(jax.random.key(0), 3)
    clever, even = (jax.jit(jax.vmap(lambda key, c=c: cases.mastered(key, 4, c)))(keys) for c in (True, False))
    assert (even < 1).all() and clever.mean() > 9


def test_bad_settings_are_named():
    with pytest.raises(InputError, match="share of random tasks"):
        alp_gmm.alp_gmm(2, random=1.5)
