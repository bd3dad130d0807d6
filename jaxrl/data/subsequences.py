"""Windows of consecutive logged steps inside one episode."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxrl import returns
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Transition


class Places(NamedTuple):
    """Where windows lie: the rows of their steps, time since the episode's first, and valid (false where padded);
    [B, K] each."""

    row: Any
    time: Any
    valid: Any


def first_of(dataset: Dataset, index):
    """Index of the first step of each step's episode, the shape of `index`."""
    return jnp.searchsorted(dataset.last, dataset.last[index], side="left").astype(jnp.int32)


def ending(dataset: Dataset, end, length: int, start=None) -> Places:
    """Windows of `length` rows whose last ones are `end` [B], padded on the left before `start` [B].

    start: the first row that may be seen; None for the episode's first.
    """
    first = first_of(dataset, end)
    start = first if start is None else start
    index = end[:, None] + jnp.arange(1 - length, 1, dtype=jnp.int32)[None]
    valid = index >= start[:, None]
    index = jnp.maximum(index, start[:, None])
    return Places(index, index - first[:, None], valid)


def starting(dataset: Dataset, start, length: int) -> Places:
    """Windows of `length` rows from `start` [B] on; shorter ones at an episode's end are padded on the left."""
    end = jnp.minimum(start + (length - 1), dataset.last[start])
    return ending(dataset, end, length, start)


def moved_back(dataset: Dataset, start, length: int):
    """Starts [B] of windows of `length` rows, moved back where the episode would end before and is long enough."""
    first, last = first_of(dataset, start), dataset.last[start]
    return jnp.clip(start, first, jnp.maximum(first, last - length + 1))


def to_go(dataset: Dataset):
    """Undiscounted return from each step to its episode's end, [steps]."""
    count = dataset.last.shape[0]
    return returns.to_go(dataset.steps.reward, dataset.last == jnp.arange(count))


def rows(dataset: Dataset, places: Places, **columns) -> Transition:
    """The steps of windows, leaves [B, K, ...], with the extras "time", "valid", and those of `columns` [steps, ...].

    Weights are 0 where padded and have mean one over the batch where all steps count the same.
    """
    found = take(dataset.steps, places.row)
    valid = places.valid.astype(jnp.float32)
    extras = {name: column[places.row] for name, column in columns.items()}
    extras |= {**found.extras, "time": places.time, "valid": valid}
    return found._replace(weight=found.weight * valid / valid.mean(), extras=extras)
