"""Batches of logged data."""

from collections.abc import Callable

from jaxrl.core.types import Dataset, Source


def logged(dataset: Dataset, sampler: Callable) -> Source:
    """`sampler(key, dataset)` at every step; ignores the learning policy and carries nothing."""
    return Source(lambda key: (), lambda key, feed, policy: (feed, sampler(key, dataset)))
