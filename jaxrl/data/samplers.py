"""Samplers: closures over static sizes, (key, dataset) -> batch of leaves [B, ...]."""

import jax
import jax.numpy as jnp

from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Transition


def uniform(size: int):
    """Every step equally likely, with replacement; the weights stay on the batch. Adds no extras."""

    def sample(key, dataset: Dataset) -> Transition:
        return take(dataset.steps, jax.random.randint(key, (size,), 0, dataset.last.shape[0]))

    return sample


def weighted(size: int):
    """Steps drawn in proportion to their weight; the batch then counts each draw once. Adds no extras."""

    def sample(key, dataset: Dataset) -> Transition:
        total = jnp.cumsum(dataset.steps.weight)
        draw = jax.random.uniform(key, (size,), maxval=total[-1])
        index = jnp.searchsorted(total, draw, side="right").clip(max=total.shape[0] - 1)
        batch = take(dataset.steps, index)
        return batch._replace(weight=jnp.ones_like(batch.weight))

    return sample
