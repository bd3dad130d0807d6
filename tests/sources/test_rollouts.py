"""Batches of fresh experience: their shape, that they go on where the last one ended, their price."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import reactive
from jaxrl.envs import suites
from jaxrl.sources.rollouts import rollouts
from tests.sources.walking import always, check_steps, counting


def gathered(source, policy, batches=2):
    feed, found = source.init(jax.random.key(0)), []
    take = jax.jit(lambda key, feed: source.next(key, feed, policy))
    for i in range(batches):
        feed, batch = take(jax.random.key(i + 1), feed)
        found.append(batch)
    return found


def test_a_batch_holds_every_environment_s_steps_in_order():
    (batch,) = gathered(rollouts(counting(), envs=5, length=7), always(0), 1)
    assert batch.obs.shape == (7, 5, 1) and batch.reward.shape == (7, 5)
    check_steps(batch)


def test_the_next_batch_goes_on_where_the_last_one_ended():
    batches = gathered(rollouts(counting(), envs=5, length=4), always(0), 3)
    check_steps(jax.tree.map(lambda *x: jnp.concatenate(x), *batches))


def test_steps_are_paid_for_and_nothing_is_before_the_first():
    source = rollouts(counting(), envs=5, length=7)
    assert (source.cost, source.before) == (35, 0)


def test_densities_are_added_on_demand():
    policy = reactive(lambda key, obs: jnp.zeros((*obs.shape[:-1], 1)), lambda obs, action: 2.0 + obs[..., 0])
    (batch,) = gathered(
        rollouts(suites.environment("ProbeObservation-v0"), envs=3, length=2, densities=True), policy, 1
    )
    np.testing.assert_allclose(batch.extras["log_prob"], 2 + batch.obs[..., 0])


def test_the_key_alone_decides():
    source, policy = rollouts(counting(), envs=5, length=9), always(0)
    one, again = gathered(source, policy), gathered(source, policy)
    assert all(bool((x == y).all()) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(again), strict=True))
