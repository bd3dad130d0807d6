"""Batches for an ensemble whose members each learn from their own draw of the data, with steps held out for checks."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Scaler, Source, Transition

HELD, AT_MOST = 5, 1000
"""One step in so many is held out, up to so many steps (MOPO's code)."""


class Draw(NamedTuple):
    """How a dataset is shared out.

    rows: the steps each member learns from [E, n], drawn with replacement. held_out: steps that none learns from, [H].
    scaler: of observation and action side by side, over the steps not held out.
    """

    rows: Any
    held_out: Transition
    scaler: Scaler


def shared_out(key, dataset: Dataset, members: int) -> Draw:
    """A random split and each member's bootstrap; InputError for less than two steps."""
    count = dataset.last.shape[0]
    if count < 2:
        raise InputError(f"the dataset has {count} step; a model needs two or more, one to be checked on")
    held = min(max(count // HELD, 1), AT_MOST)
    k_split, k_rows = jax.random.split(key)
    order = jax.random.permutation(k_split, count)
    rest = order[held:]
    rows = rest[jax.random.randint(k_rows, (members, count - held), 0, count - held)]
    inputs = jnp.concatenate([dataset.steps.obs, dataset.steps.action], -1)[rest]
    std = inputs.std(0)
    return Draw(rows, take(dataset.steps, order[:held]), Scaler(inputs.mean(0), jnp.where(std > 1e-12, std, 1.0)))


def resampled(dataset: Dataset, batch: int, draw: Draw) -> Source:
    """For each member `batch` of its own steps, leaves [E, B, ...]; extras "held_out" and "scaler" as in `Draw`."""

    def next(key, feed, policy):
        members, count = draw.rows.shape
        place = jax.random.randint(key, (members, batch), 0, count)
        steps = take(dataset.steps, jnp.take_along_axis(draw.rows, place, 1))
        return feed, steps._replace(extras={"held_out": draw.held_out, "scaler": draw.scaler})

    return Source(lambda key: (), next)
