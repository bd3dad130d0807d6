"""Changes to logged data that studies make on purpose: `DATASET+NAME:LEVEL` wherever a dataset's id stands.

Draws depend on the variant's name and level only, so every seed of a study sees the same data.
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxrl.core.check import InputError, known
from jaxrl.core.types import Dataset
from jaxrl.data import corruption, mixtures, transforms
from jaxrl.data.dataset import episode_ends

Change = Callable[[Dataset, float, Any], Dataset]


def share(dataset: Dataset, level: float, draw) -> Dataset:
    """A random share of the episodes, at least one."""
    episodes = len(episode_ends(dataset))
    keep = np.zeros(episodes, bool)
    keep[draw.permutation(episodes)[: max(1, round(level * episodes))]] = True
    return transforms.keep_episodes(dataset, keep)


CHANGES: dict[str, Change] = {"share": share, "unlabelled": mixtures.unlabelled, **corruption.KINDS}
"""name: (dataset, level, generator of NumPy) -> Dataset. Levels are shares, above 0 and at most 1."""
MIXES: dict[str, Callable] = {"mixture": mixtures.mixture}
"""The same with a fourth argument: the dataset of random behaviour in the same environment."""


def changed(dataset: Dataset, change: str, random: Callable[[], Dataset] | None = None) -> Dataset:
    """The dataset after a change written NAME:LEVEL; InputError for an unknown name or a level that is no share.

    random: loads the dataset of random behaviour that belongs to this one, for changes that mix it in.
    """
    name, _, level = change.partition(":")
    known("variant of a dataset", name, {**CHANGES, **(MIXES if random else {})})
    try:
        number = float(level)
    except ValueError:
        number = np.nan
    if not 0 < number <= 1:
        raise InputError(f"variant {change!r} needs a level above 0 and at most 1, such as {name}:0.3")
    draw = np.random.default_rng(zlib.crc32(change.encode()))
    if name in MIXES and random:
        return MIXES[name](dataset, number, draw, random())
    return CHANGES[name](dataset, number, draw)
