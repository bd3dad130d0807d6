"""Datasets made of episodes of several others, and datasets whose actions are partly hidden."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset
from jaxrl.data import transforms
from jaxrl.data.dataset import episode_ends

LABELLED = "labelled"
"""Extra of a dataset's steps [steps]: 1 where the action was logged, 0 where it is hidden."""


def joined(*datasets: Dataset) -> Dataset:
    """The episodes of all datasets, one dataset after the other; InputError where their shapes do not fit."""
    shapes = [jax.tree.map(lambda x: (x.shape[1:], x.dtype), dataset.steps) for dataset in datasets]
    if any(shape != shapes[0] for shape in shapes):
        raise InputError("datasets to join differ in their observations, actions or extras; join those of one kind")
    before = np.cumsum([0, *(len(dataset.last) for dataset in datasets[:-1])])
    last = [np.asarray(dataset.last) + shift for dataset, shift in zip(datasets, before, strict=True)]
    steps = jax.tree.map(lambda *x: jnp.concatenate(x), *(dataset.steps for dataset in datasets))
    return Dataset(steps, jnp.asarray(np.concatenate(last).astype(np.int32)))


def mixture(good: Dataset, level: float, draw, poor: Dataset) -> Dataset:
    """As many episodes as there are, of which the share `level` is from `good` and the rest from `poor`; the good
    first. At least one of each, where the level is below 1 (Hong et al., arXiv:2306.13085, section 5)."""
    counts = [len(episode_ends(dataset)) for dataset in (good, poor)]
    if level == 1:
        return good
    total = min(counts[0] / level, counts[1] / (1 - level))
    wanted = [max(1, round(total * share)) for share in (level, 1 - level)]
    return joined(*(some(one, count, draw) for one, count in zip((good, poor), wanted, strict=True)))


def some(dataset: Dataset, count: int, draw) -> Dataset:
    """`count` random episodes, in their order."""
    return transforms.keep_episodes(dataset, chosen(len(episode_ends(dataset)), count, draw))


def chosen(episodes: int, count: int, draw) -> np.ndarray:
    """Which of the episodes are the `count` random ones, [episodes] bool."""
    keep = np.zeros(episodes, bool)
    keep[draw.permutation(episodes)[:count]] = True
    return keep


def unlabelled(dataset: Dataset, level: float, draw) -> Dataset:
    """The dataset with the extra "labelled", 0 in the share `level` of the episodes, whose actions are to be hidden.

    The episodes that keep their actions, at least one, are drawn from the half with the lower returns (SS-ORL,
    arXiv:2210.06518, section 4), or where those are too few they are the episodes with the lowest returns. Actions
    are kept, for measurements; learners that do not know the extra see all of them.
    """
    returns = transforms.discounted_returns(dataset)
    count = max(1, round((1 - level) * len(returns)))
    low = np.argsort(returns, kind="stable")[: max(count, len(returns) // 2)]
    keep = np.zeros(len(returns), bool)
    keep[low[draw.permutation(len(low))[:count]]] = True
    lengths = np.diff(episode_ends(dataset), prepend=-1)
    labelled = jnp.asarray(np.repeat(keep, lengths).astype(np.float32))
    return dataset._replace(steps=dataset.steps._replace(extras={**dataset.steps.extras, LABELLED: labelled}))


def labelled_only(dataset: Dataset) -> Dataset:
    """The episodes whose actions were not hidden; InputError for a dataset without the extra "labelled"."""
    mask = labels(dataset)
    return transforms.keep_episodes(dataset, np.asarray(mask)[episode_ends(dataset)] > 0)


def labels(dataset: Dataset):
    """Which steps have actions, [steps]; InputError for a dataset without the extra "labelled"."""
    if LABELLED not in dataset.steps.extras:
        raise InputError(
            f"the dataset lacks the extra {LABELLED!r}, which says what actions are known; hide some of them by "
            "DATASET+unlabelled:0.9"
        )
    return dataset.steps.extras[LABELLED]
