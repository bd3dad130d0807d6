"""Discounted returns that logged steps are known to have had at least."""

import jax.numpy as jnp

from jaxrl import returns
from jaxrl.core.types import Dataset


def worst(dataset: Dataset, discount):
    """What comes after a cut episode at least: the smallest logged reward for ever."""
    return dataset.steps.reward.min() / (1 - discount)


def to_go(dataset: Dataset, discount):
    """Discounted return from each step on, [steps]; where the episode was cut, `worst` follows.

    For episodes that never meet a reward other than the smallest r this is r / (1 - discount), the rule of Cal-QL's
    code for sparse rewards (arXiv:2303.05479), at every step.
    """
    steps, last = dataset.steps, dataset.last == jnp.arange(dataset.last.shape[0])
    after = discount * worst(dataset, discount) * (1 - steps.terminated)
    return returns.to_go(steps.reward + jnp.where(last, after, 0.0), last, discount)


def labelled(dataset: Dataset, values) -> Dataset:
    """The dataset with `values` [steps] as the extra "to_go"."""
    steps = dataset.steps
    return dataset._replace(steps=steps._replace(extras={**steps.extras, "to_go": values}))
