"""Off-policy experience: a few steps of the exploring policy, then a draw from the ring of recent ones."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.types import Buffer, Env, Experience, Policy, Source, Transition, blank_batch
from jaxrl.envs import scripted
from jaxrl.sources import ring, walk


class Feed(NamedTuple):
    """Where a replay source stands."""

    walkers: walk.Walkers
    ring: ring.Ring


def replay(
    env: Env, batch: int, *, capacity: int = 1_000_000, envs: int = 1, per: int = 1, warmup: int = 10_000,
    steps: int = 1, densities: bool = False, kind: Callable[..., Buffer] = ring.uniform,
    starter: Policy | None = None, **options,
) -> Source:  # fmt: skip
    """`per` steps in each of `envs` environments, then a batch from the last `capacity` steps.

    warmup: steps before the first batch, with uniformly random actions unless a `starter` takes them. steps: rows of a
    window, for n-step returns; batches are [B, ...] for one, else [B, n, ...]. kind: a Buffer of `sources.ring`, with
    its further options.
    Raises InputError where the ring is too small.
    """
    buffer = stored(batch, capacity=capacity, envs=envs, warmup=warmup, steps=steps, kind=kind, **options)
    first = max(-(-warmup // envs), 1)

    def walked(key, feed, policy, count):
        def one(time, feed):
            walkers, seen = walk.step(jax.random.fold_in(key, time), env, policy, feed.walkers, densities)
            return Feed(walkers, buffer.add(feed.ring, seen))

        return one(0, feed) if count == 1 else jax.lax.fori_loop(0, count, one, feed)

    def init(key):
        k_start, k_walk = jax.random.split(key)
        feed = Feed(walk.start(k_start, env, envs), buffer.init(row_of(env.spec, densities)))
        return walked(k_walk, feed, starter or scripted.random(env.spec), first)

    def next(key, feed, policy):
        k_walk, k_draw = jax.random.split(key)
        feed = walked(k_walk, feed, policy, per)
        drawn, found = buffer.draw(k_draw, feed.ring)
        return feed._replace(ring=drawn), found

    def observe(feed, priority):
        return feed._replace(ring=buffer.observe(feed.ring, priority))

    gathering = Experience(buffer, envs, per, first, densities)
    watch = observe if buffer.observe else None
    return Source(init, next, watch, cost=envs * per, before=first * envs, experience=gathering)


def stored(batch: int, *, capacity, envs, warmup, steps, kind, **options) -> Buffer:
    """The ring of a replay source; InputError where it cannot hold the warm-up, or a window."""
    if capacity < max(warmup, envs * steps):
        raise InputError(
            f"capacity={capacity} is less than warmup={warmup} or {steps} steps of {envs} environments; make it larger"
        )
    if warmup < envs * steps:
        raise InputError(f"warmup={warmup} is less than {steps} steps of {envs} environments; make it larger")
    return kind(batch, capacity=capacity, envs=envs, steps=steps, **options)


def row_of(spec, densities: bool) -> Transition:
    """One step of zeros, without a leading axis."""
    row = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), blank_batch(spec, 1))
    return row._replace(extras={"log_prob": jnp.zeros(())}) if densities else row
