"""Statistics of scores [runs, tasks]; NaN stands for a run that is not there. Point values in NumPy's float64.

Each takes weights as well, how often a run counts (by default once): that is what `evaluation.bootstrap` varies. They
are written for NumPy's and JAX's arrays alike.

Source: Agarwal et al., arXiv 2108.13264 (interquartile mean, optimality gap, profiles, probability of improvement).
"""

from collections.abc import Sequence

import numpy as np

from jaxrl.core.check import InputError


def matrix(columns: Sequence[Sequence[float]]) -> np.ndarray:
    """Scores of each task's runs -> [runs, tasks], short columns filled with NaN."""
    rows = max((len(column) for column in columns), default=0)
    out = np.full((rows, len(columns)), np.nan)
    for task, column in enumerate(columns):
        out[: len(column), task] = column
    return out


def counts(scores, axis: int = -2):
    """Runs that are there."""
    return _space(scores).isfinite(scores).sum(axis)


def run_mean(scores, axis: int = -2, weights=None):
    """Mean over the runs that are there, NaN where there is none: [..., runs, tasks] -> [..., tasks]."""
    numbers, weights = _there(scores, weights)
    space, number = _space(numbers), weights.sum(axis)
    return space.where(number > 0, (numbers * weights).sum(axis) / space.maximum(number, 1), np.nan)


def mean(scores, weights=None):
    """Mean over tasks of the means over runs: [..., runs, tasks] -> [...]. A task without runs makes it NaN."""
    return run_mean(scores, -2, weights).mean(-1)


def median(scores, weights=None):
    """Median over tasks of the means over runs: [..., runs, tasks] -> [...]. A task without runs makes it NaN."""
    of_tasks = run_mean(scores, -2, weights)
    return _space(of_tasks).median(of_tasks, -1)


def standard_error(scores, axis: int = -2):
    """Sample standard deviation over runs / sqrt(runs); NaN for fewer than two. [..., runs, tasks] -> [..., tasks]."""
    number = counts(scores, axis)
    centred = scores - np.expand_dims(run_mean(scores, axis), axis)
    squares = np.where(np.isfinite(scores), centred, 0.0) ** 2
    variance = squares.sum(axis) / np.maximum(number - 1, 1)
    return np.where(number > 1, np.sqrt(variance / np.maximum(number, 1)), np.nan)


def interquartile_mean(scores, weights=None):
    """Mean of all runs of all tasks without the lowest and the highest quarter: [..., runs, tasks] -> [...].

    floor(n / 4) are cut on either side, as `scipy.stats.trim_mean(scores, 0.25, axis=None)`. Every run counts alike, so
    a task with more runs counts more. weights must be whole numbers.
    """
    numbers, weights = _there(scores, weights)
    space = _space(numbers)
    flat = space.reshape(numbers, (*numbers.shape[:-2], -1))
    order = space.argsort(flat, axis=-1)
    ranked = space.take_along_axis(flat, order, axis=-1)
    weights = space.reshape(weights, (*weights.shape[:-2], -1))
    weights = space.take_along_axis(weights, order, axis=-1)
    upto = space.cumulative_sum(weights, axis=-1)
    number = upto[..., -1:] if flat.shape[-1] else space.zeros((*flat.shape[:-1], 1))
    cut = number // 4
    kept = space.clip(upto, cut, number - cut) - space.clip(upto - weights, cut, number - cut)
    total = (ranked * kept).sum(-1) / space.maximum(number - 2 * cut, 1)[..., 0]
    return space.where(number[..., 0] > 0, total, np.nan)


def optimality_gap(scores, weights=None, *, threshold: float):
    """What runs lack to the threshold on average: [..., runs, tasks] -> [...]. More than the threshold does not help.

    threshold: the score that is enough, in the scores' units (1 or 100 for normalized ones). Tasks count alike.
    """
    numbers, weights = _there(scores, weights)
    return threshold - mean(_space(numbers).minimum(numbers, threshold), weights)


def profile(scores, weights=None, *, thresholds):
    """Share of runs that score more than each threshold (performance profile): [..., runs, tasks] -> [..., thresholds].

    Tasks count alike. A task without runs makes it NaN.
    """
    numbers, weights = _there(scores, weights)
    space = _space(numbers)
    levels = space.reshape(space.asarray(thresholds, dtype=numbers.dtype), (1,) * numbers.ndim + (-1,))
    weights = weights.astype(numbers.dtype)
    number = weights.sum(-2, keepdims=True)
    part = space.where(number > 0, weights / space.maximum(number, 1), np.nan) / max(scores.shape[-1], 1)
    above = (numbers[..., None] > levels).astype(numbers.dtype)
    return space.einsum("...rt,...rtk->...k", part, above)


def average_profile(scores, weights=None, *, thresholds):
    """Share of tasks whose mean over runs is more than each threshold: [..., runs, tasks] -> [..., thresholds]."""
    of_tasks = run_mean(scores, -2, weights)
    space = _space(of_tasks)
    levels = space.reshape(space.asarray(thresholds, dtype=of_tasks.dtype), (1,) * of_tasks.ndim + (-1,))
    above = (of_tasks[..., None] > levels).mean(-2)
    return space.where(space.isnan(of_tasks).any(-1, keepdims=True), np.nan, above)


def improvement(first, second, weights=None, weights_second=None):
    """Probability that a run of the first scores more than one of the second, averaged over tasks: -> [...].

    first: [..., runs, tasks]; second: [..., other runs, tasks]. Ties count one half (Mann and Whitney's U / (n m)). NaN
    where a task has no run on either side. Raises InputError for different numbers of tasks.
    """
    if first.shape[-1] != second.shape[-1]:
        raise InputError(
            f"first has {first.shape[-1]} tasks and second {second.shape[-1]}; give both the scores of the same tasks"
        )
    one, ones = _there(first, weights)
    two, twos = _there(second, weights_second)
    space = _space(one)
    a, b = one[..., :, None, :], two[..., None, :, :]
    better = (a > b).astype(one.dtype) + 0.5 * (a == b).astype(one.dtype)
    pairs = ones.sum(-2) * twos.sum(-2)
    won = (ones * space.einsum("...rst,...st->...rt", better, twos.astype(one.dtype))).sum(-2)
    return space.where(pairs > 0, won / space.maximum(pairs, 1), np.nan).mean(-1)


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Student's t interval of the mean over runs: [runs, ...] -> two of [...]; NaN for fewer than two runs.

    For the few runs of one task, where a bootstrap would be too narrow. Raises InputError for confidence out of range.
    """
    from scipy.special import stdtrit

    share("confidence", confidence)
    freedom = np.maximum(counts(values, 0) - 1, 1)
    middle = run_mean(values, 0)
    reach = stdtrit(freedom, (1 + confidence) / 2) * standard_error(values, 0)
    return middle - reach, middle + reach


def share(what: str, value: float) -> float:
    """`value` if it lies between 0 and 1; else an InputError."""
    if not 0 < value < 1:
        raise InputError(f"{what} is {value}; it must lie between 0 and 1")
    return value


def _space(array):
    """numpy or jax.numpy, whichever the array is of."""
    return array.__array_namespace__()


def _there(scores, weights):
    """(scores with 0 for what is not there, weights with 0 there)."""
    space = _space(scores)
    finite = space.isfinite(scores)
    numbers = space.where(finite, scores, 0.0)
    return numbers, finite.astype(numbers.dtype) if weights is None else space.where(finite, weights, 0)
