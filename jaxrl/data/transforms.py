"""Dataset -> Dataset."""

import jax
import numpy as np

from jaxrl.core.types import Dataset
from jaxrl.data.dataset import episode_ends


def keep_episodes(dataset: Dataset, keep: np.ndarray) -> Dataset:
    """The episodes whose entry in `keep` [episodes] is true, in their order; weights are scaled to mean one again."""
    ends = episode_ends(dataset)
    lengths = np.diff(ends, prepend=-1)
    rows = np.flatnonzero(np.repeat(keep, lengths))
    last = np.cumsum(lengths[keep])[np.repeat(np.arange(keep.sum()), lengths[keep])] - 1
    steps = jax.tree.map(lambda x: x[rows], dataset.steps)
    steps = steps._replace(weight=steps.weight / steps.weight.mean())
    return Dataset(steps, jax.numpy.asarray(last.astype(np.int32)))


def discounted_returns(dataset: Dataset, discount: float = 1.0) -> np.ndarray:
    """Discounted return of each episode from its first step, on the host; [episodes]."""
    ends = episode_ends(dataset)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    time = np.arange(ends[-1] + 1) - np.repeat(starts, lengths)
    parts = np.asarray(dataset.steps.reward, np.float64) * np.float64(discount) ** time
    return np.add.reduceat(parts, starts)


def top_fraction(dataset: Dataset, fraction: float, discount: float = 1.0) -> Dataset:
    """The best `fraction` of episodes by discounted return, at least one (%BC, arXiv:2106.01345, section 5)."""
    returns = discounted_returns(dataset, discount)
    count = max(1, int(fraction * len(returns)))
    keep = np.zeros(len(returns), bool)
    keep[np.argsort(-returns, kind="stable")[:count]] = True
    return keep_episodes(dataset, keep)


def scale_rewards(dataset: Dataset, scale: float = 1.0, shift: float = 0.0) -> Dataset:
    """Rewards times `scale` plus `shift`. Scores are always of the environment's own rewards."""
    return dataset._replace(steps=dataset.steps._replace(reward=dataset.steps.reward * scale + shift))


def scale_return_range(dataset: Dataset, target: float) -> Dataset:
    """Rewards scaled so that the best and worst returns lie `target` apart (IQL's code); as they are if all agree."""
    returns = discounted_returns(dataset)
    spread = returns.max() - returns.min()
    return scale_rewards(dataset, float(target / spread)) if spread > 0 else dataset
