"""Batches of windows of logged steps."""

import jax

from jaxrl.core.check import positive
from jaxrl.core.types import Dataset, Source
from jaxrl.data import subsequences as windows


def subsequences(dataset: Dataset, batch: int, *, window: int = 20, whole: bool = False) -> Source:
    """Windows of `window` steps, [B, K, ...], from steps that are drawn evenly (so episodes by their lengths).

    Extras: "time" since the episode's start, "to_go" (undiscounted return from here to the episode's end), "valid" (0
    on the left of windows that the episode's end cuts short). Returns to go are computed once, when the feed begins.
    whole: windows that would be cut short are moved back, so only short episodes have padded ones.
    Source: Decision Transformer (arXiv:2106.01345, appendix A).
    """
    positive("window", window)

    def next(key, to_go, policy):
        start = jax.random.randint(key, (batch,), 0, dataset.last.shape[0])
        start = windows.moved_back(dataset, start, window) if whole else start
        return to_go, windows.rows(dataset, windows.starting(dataset, start, window), to_go=to_go)

    return Source(lambda key: windows.to_go(dataset), next)
