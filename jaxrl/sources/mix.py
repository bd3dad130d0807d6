"""Batches of which a fixed share is logged data and the rest the learner's own experience."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.types import Buffer, Dataset, Env, Source, Transition
from jaxrl.data import samplers
from jaxrl.sources import ring
from jaxrl.sources.replay import replay


def mix(
    env: Env, dataset: Dataset | None, batch: int, *, share: float = 0.5, parts: int = 1,
    kind: Callable[..., Buffer] = ring.uniform, **options,
) -> Source:  # fmt: skip
    """A replay of `env` whose batches hold `share` of logged steps (RLPD, arXiv:2302.02948, section 4.1).

    A batch consists of `parts` equal parts, each with its own share, for learners that split it. The mixing is the
    buffer's, so environments on the host can be walked in too. dataset: None where only costs are asked for.
    options: those of `replay`. Raises InputError where a part has no whole number of logged rows.
    """
    chosen = beside(dataset, split(batch // parts, share)[0], parts, kind)
    return replay(env, batch, kind=chosen, **options)


def split(rows: int, share: float) -> tuple[int, int]:
    """(logged, own) rows of a part; InputError for a share outside [0, 1) or one that is no whole number of rows."""
    logged = round(share * rows)
    if not 0 <= logged < rows or abs(logged - share * rows) > 1e-6 * rows:
        raise InputError(f"share={share:g} of {rows} rows is no number from 0 to {rows - 1}; change batch or share")
    return logged, rows - logged


def beside(dataset: Dataset | None, logged: int, parts: int, kind: Callable[..., Buffer]) -> Callable[..., Buffer]:
    """`kind` of buffer, with even draws of `logged` steps of the data before its own rows in each part of a batch.

    Draws that depend on errors stay those of the buffer: it is told the errors of its own rows alone.
    """

    def mixed(batch: int, **options) -> Buffer:
        own = kind(batch - logged * parts, **options)
        sample = samplers.uniform(logged * parts)

        def draw(key, store):
            k_own, k_logged = jax.random.split(key)
            store, fresh = own.draw(k_own, store)
            return store, together(sample(k_logged, dataset), fresh, parts) if logged else fresh

        def observe(store, priority):
            return own.observe(store, priority.reshape(parts, -1)[:, logged:].reshape(-1))

        return Buffer(own.init, own.add, draw, observe if own.observe else None)

    return mixed


def together(first: Transition, second: Transition, parts: int) -> Transition:
    """Part by part the rows of `first`, then of `second`; leaves [B, ...]. Extras that only one has are left out."""
    shared = first.extras.keys() & second.extras.keys()
    both = (x._replace(extras={name: x.extras[name] for name in sorted(shared)}) for x in (first, second))

    def joined(a, b):
        cut = [x.reshape(parts, -1, *x.shape[1:]) for x in (a, b)]
        return jnp.concatenate(cut, 1).reshape(-1, *a.shape[1:])

    return jax.tree.map(joined, *both)
