"""Statistics of scores [runs, tasks]; NaN stands for a run that is not there. NumPy in float64.

Source: Agarwal et al., arXiv 2108.13264 (interquartile mean, stratified bootstrap).
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxrl.core.check import InputError, positive

CHUNK = 2**20
"""Numbers held at once while resampling."""


def matrix(columns: Sequence[Sequence[float]]) -> np.ndarray:
    """Scores of each task's runs -> [runs, tasks], short columns filled with NaN."""
    rows = max((len(column) for column in columns), default=0)
    out = np.full((rows, len(columns)), np.nan)
    for task, column in enumerate(columns):
        out[: len(column), task] = column
    return out


def counts(scores: np.ndarray, axis: int = -2) -> np.ndarray:
    """Runs that are there."""
    return np.isfinite(scores).sum(axis)


def run_mean(scores: np.ndarray, axis: int = -2) -> np.ndarray:
    """Mean over the runs that are there, NaN where there is none: [..., runs, tasks] -> [..., tasks]."""
    number = counts(scores, axis)
    total = np.where(np.isfinite(scores), scores, 0.0).sum(axis)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def mean(scores: np.ndarray) -> np.ndarray:
    """Mean over tasks of the means over runs: [..., runs, tasks] -> [...]. A task without runs makes it NaN."""
    return run_mean(scores).mean(-1)


def standard_error(scores: np.ndarray, axis: int = -2) -> np.ndarray:
    """Sample standard deviation over runs / sqrt(runs); NaN for fewer than two. [..., runs, tasks] -> [..., tasks]."""
    number = counts(scores, axis)
    centred = scores - np.expand_dims(run_mean(scores, axis), axis)
    squares = np.where(np.isfinite(scores), centred, 0.0) ** 2
    variance = squares.sum(axis) / np.maximum(number - 1, 1)
    return np.where(number > 1, np.sqrt(variance / np.maximum(number, 1)), np.nan)


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean of all runs of all tasks without the lowest and the highest quarter: [..., runs, tasks] -> [...].

    floor(n / 4) are cut on either side, as `scipy.stats.trim_mean(scores, 0.25, axis=None)`.
    """
    flat = np.sort(np.reshape(scores, (*np.shape(scores)[:-2], -1)), axis=-1)
    number = np.isfinite(flat).sum(-1, keepdims=True)
    cut, index = number // 4, np.arange(flat.shape[-1])
    kept = (index >= cut) & (index < number - cut)
    total = np.where(kept, flat, 0.0).sum(-1)
    return np.where(number[..., 0] > 0, total / np.maximum(kept.sum(-1), 1), np.nan)


def bootstrap_interval(
    key,
    scores: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray] = interquartile_mean,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile interval of a statistic [..., runs, tasks] -> [...], runs drawn again within each task.

    None where a task has fewer than two runs: nothing can then be said about the spread. A function of (key, scores).
    """
    positive("resamples", resamples)
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must lie between 0 and 1")
    number = counts(scores)
    if scores.size == 0 or number.min() < 2:
        return None
    front = np.take_along_axis(scores, np.argsort(np.isnan(scores), axis=0, kind="stable"), axis=0)
    there = np.arange(len(scores))[:, None] < number
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    size = max(1, CHUNK // scores.size)
    values = []
    for start in range(0, resamples, size):
        draws = generator.random((min(size, resamples - start), *scores.shape))
        drawn = np.take_along_axis(front[None], (draws * number).astype(np.int64), axis=1)
        values.append(statistic(np.where(there, drawn, np.nan)))
    edge = 50 * (1 - confidence)
    low, high = np.percentile(np.concatenate(values), [edge, 100 - edge])
    return float(low), float(high)


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Student's t interval of the mean over runs: [runs, ...] -> two of [...]; NaN for fewer than two runs.

    For the few runs of one task, where a bootstrap would be too narrow.
    """
    from scipy.special import stdtrit

    freedom = np.maximum(counts(values, 0) - 1, 1)
    middle = run_mean(values, 0)
    reach = stdtrit(freedom, (1 + confidence) / 2) * standard_error(values, 0)
    return middle - reach, middle + reach
