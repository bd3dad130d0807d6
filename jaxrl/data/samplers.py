"""Samplers: closures over static sizes, (key, dataset) -> batch of leaves [B, ...]."""

import jax
import jax.numpy as jnp

from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Transition
from jaxrl.data.weighting import KEEP, OTHER


def uniform(size: int):
    """Every step equally likely, with replacement; the weights stay on the batch. Adds no extras."""

    def sample(key, dataset: Dataset) -> Transition:
        return take(dataset.steps, jax.random.randint(key, (size,), 0, dataset.last.shape[0]))

    return sample


def weighted(size: int):
    """Steps drawn in proportion to their weight, with replacement; the batch then counts each draw once.

    The dataset is one of `weighting.with_table`, whose extras the batch lacks.
    """

    def sample(key, dataset: Dataset) -> Transition:
        extras = dict(dataset.steps.extras)
        keep, other = extras.pop(KEEP), extras.pop(OTHER)
        k_cell, k_luck = jax.random.split(key)
        cell = jax.random.randint(k_cell, (size,), 0, keep.shape[0])
        index = jnp.where(jax.random.uniform(k_luck, (size,)) < keep[cell], cell, other[cell])
        batch = take(dataset.steps._replace(extras=extras), index)
        return batch._replace(weight=jnp.ones_like(batch.weight))

    return sample
