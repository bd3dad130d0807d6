"""What an inverse model sees of logged steps: the states around each, and whose actions it may learn from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Dataset
from jaxrl.data import subsequences


class Split(NamedTuple):
    """Steps with known actions. rows: indices to learn from [N], of which the first `count` count; held: indices to
    check on [H]."""

    rows: Any
    count: Any
    held: Any


def around(dataset: Dataset, index, history: int):
    """States `history` steps before each step up to the one after it, side by side; [B] -> [B, (history + 2) D].

    Zeros stand for states before the episode's first.
    """
    places = subsequences.ending(dataset, index, history + 1)
    before = jnp.where(places.valid[..., None], dataset.steps.obs[places.row], 0.0)
    states = jnp.concatenate([before, dataset.steps.next_obs[index][:, None]], 1)
    return states.reshape(index.shape[0], -1)


def split(key, dataset: Dataset, labels, share: float, checks: int) -> Split:
    """The steps with labels [N] above 0, without `share` of their episodes (at least one), of which `checks` steps
    are drawn to check on. Where a single episode is labelled it serves for both.
    """
    k_order, k_held = jax.random.split(key)
    index = jnp.arange(labels.shape[0], dtype=jnp.int32)
    number = jax.random.uniform(k_order, index.shape)
    own = number[dataset.last]
    ends = jnp.where((index == dataset.last) & (labels > 0), number, jnp.inf)
    episodes = jnp.isfinite(ends).sum()
    out = jnp.maximum((share * episodes).astype(jnp.int32), 1)
    held = (labels > 0) & (own <= jnp.sort(ends)[out - 1])
    learned = (labels > 0) & (~held | (episodes < 2))
    rows, count = packed(learned)
    return Split(rows, count, drawn(k_held, *packed(held), size=checks))


def packed(mask):
    """(indices of the true entries first [N], how many there are)."""
    rows = jnp.nonzero(mask, size=mask.shape[0], fill_value=0)[0].astype(jnp.int32)
    return rows, mask.sum(dtype=jnp.int32)


def drawn(key, rows, count, size: int):
    """`size` random ones of the first `count` rows, with replacement; [size]."""
    return rows[jax.random.randint(key, (size,), 0, count)]
