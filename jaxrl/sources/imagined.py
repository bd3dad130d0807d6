"""Batches of which a share is logged and the rest imagined: short rollouts of the learning policy in a model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Policy, Source, Transition, first_steps
from jaxrl.data import samplers
from jaxrl.sources import ring
from jaxrl.sources.logged import logged


class Feed(NamedTuple):
    """Where the source stands.

    step: batches drawn. ring: imagined steps, whose weight is 0 where the rollout had ended before. places: of the
    others in the ring, the first `count` of them.
    """

    step: Any
    ring: ring.Ring
    places: Any
    count: Any


def imagined(
    dataset: Dataset,
    batch: int,
    imagine: Callable,
    *,
    real: int,
    horizon: int = 5,
    starts: int = 50_000,
    kept: int = 5,
    every: int = 1000,
) -> Source:
    """`real` logged steps in each batch and otherwise steps from a ring of rollouts in a model (MBPO, MOPO).

    imagine: (key, obs [N, D], action [N, A]) -> Transition [N, ...]. On every `every`-th batch, the first included,
    the exploring policy is rolled out for up to `horizon` steps from `starts` logged states; the last `kept` such
    rounds are kept. A rollout's last state is bootstrapped from like any other. Raises InputError for a share of
    logged steps that is no share.
    """
    if not 0 <= real <= batch:
        raise InputError(f"{real} logged steps in a batch of {batch}; choose a real_share from 0 to 1")
    if real == batch:
        return logged(dataset, samplers.uniform(batch))
    columns = kept * horizon

    def init(key):
        row = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), dataset.steps._replace(extras={}))
        zero = jnp.zeros((), jnp.int32)
        return Feed(zero, ring.blank(row, columns, starts), jnp.zeros(columns * starts, jnp.int32), zero)

    def next(key, feed, policy):
        k_fill, k_real, k_rest = jax.random.split(key, 3)
        renew = lambda feed: renewed(k_fill, feed, dataset, imagine, policy, horizon)
        feed = jax.lax.cond(feed.step % every == 0, renew, lambda same: same, feed)
        place = feed.places[jax.random.randint(k_rest, (batch - real,), 0, feed.count)]
        rest = jax.tree.map(lambda x: x[place // starts, place % starts], feed.ring.rows)
        both = samplers.uniform(real)(k_real, dataset)._replace(extras={}), rest
        return feed._replace(step=feed.step + 1), jax.tree.map(lambda *x: jnp.concatenate(x), *both)

    return Source(init, next)


def renewed(key, feed: Feed, dataset: Dataset, imagine: Callable, policy: Policy, horizon: int) -> Feed:
    """The feed with one more round of rollouts in place of the oldest."""
    k_start, k_roll = jax.random.split(key)
    columns, starts = feed.ring.rows.reward.shape
    obs = take(dataset.steps.obs, jax.random.randint(k_start, (starts,), 0, dataset.last.shape[0]))
    rows = rollout(k_roll, imagine, policy, obs, horizon)
    store, _ = jax.lax.scan(lambda store, row: (ring.write(store, row), None), feed.ring, rows)
    alive = store.rows.weight.reshape(-1) > 0
    places = jnp.nonzero(alive, size=columns * starts, fill_value=0)[0].astype(jnp.int32)
    return feed._replace(ring=store, places=places, count=alive.sum(dtype=jnp.int32))


def rollout(key, imagine: Callable, policy: Policy, obs, horizon: int) -> Transition:
    """`horizon` steps of a policy in a model from obs [N, D]; leaves [T, N, ...], no extras.

    The weight is 1, and 0 for steps after an end. The model's last step is not marked as one that ends.
    """

    def one(carry, time):
        obs, alive = carry
        k_act, k_step = jax.random.split(jax.random.fold_in(key, time))
        action, _ = policy.act(k_act, first_steps(obs), ())
        step = imagine(k_step, obs, action)._replace(weight=alive, extras={})
        # What follows an end counts nothing; standing still keeps it finite.
        after = jnp.where((alive * (1 - step.terminated) > 0)[:, None], step.next_obs, obs)
        return (after, alive * (1 - step.terminated)), step

    return jax.lax.scan(one, (obs, jnp.ones(obs.shape[0])), jnp.arange(horizon))[1]
