"""Intervals by the stratified bootstrap: runs are drawn again within each task. In JAX, in float64.

A resample is not a matrix of scores but how often each run was drawn, so that scores are sorted and compared once.

Sources: Agarwal et al., arXiv 2108.13264 (strata); Efron 1987 (BCa), with the acceleration for several samples of
Davison and Hinkley 1997, section 5.3: every run of every task is left out in turn.
"""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxrl.core.check import InputError, known, positive
from jaxrl.evaluation import aggregate

CHUNK = 2**17
"""Numbers held at once while resampling: what fits into a processor's cache."""
RESAMPLES = 50_000
PACKED = 15
"""Runs whose counts fit into one word of 64 bits, four bits each."""

Statistic = Callable[..., jax.Array]
"""(*matrices, *weights) -> numbers, traceable: those of `evaluation.aggregate`, alone or in `functools.partial`."""


class Interval(NamedTuple):
    """Ends of an interval: numbers, or arrays for a statistic of several numbers."""

    low: float | np.ndarray
    high: float | np.ndarray


def withheld(*matrices: np.ndarray) -> str:
    """Why no interval is given for the statistic of these [runs, tasks], in a line; "" where one can be given."""
    for scores in matrices:
        number = aggregate.counts(scores)
        if not number.sum():
            return "no interval: there is no finite score"
        if scores.shape[-1] < 2:
            return "no interval: one task only, where resampling its runs is too narrow; see Student's t interval"
        if number.min() < 2:
            lacking = f"task {int(number.argmin()) + 1} of {scores.shape[-1]} has {['no run', '1 run'][number.min()]}"
            return f"no interval: {lacking}, which says nothing about the spread; run at least two seeds of each task"
    return ""


def interval(
    key,
    scores: np.ndarray | tuple[np.ndarray, ...],
    statistic: Statistic = aggregate.interquartile_mean,
    *,
    method: Literal["percentile", "bca"] = "percentile",
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    over_tasks: bool = False,
) -> Interval | None:
    """Interval of a statistic of one matrix [runs, tasks], or of several: `(first, second)` for the improvement.

    None where `withheld` says why. over_tasks: tasks are drawn again as well, for what another set of tasks would have
    given (percentile only). A function of (key, scores). Raises InputError for settings out of range.
    """
    known("method", method, ["percentile", "bca"])
    positive("resamples", resamples)
    aggregate.share("confidence", confidence)
    if over_tasks and method == "bca":
        raise InputError("method is 'bca' with tasks drawn again; take method='percentile' with over_tasks")
    matrices = scores if isinstance(scores, tuple) else (scores,)
    if withheld(*matrices):
        return None
    values = resampled(key, scores, statistic, resamples=resamples, over_tasks=over_tasks)
    edges = np.asarray([(1 - confidence) / 2, (1 + confidence) / 2])
    if method == "percentile":
        return _ends(*np.quantile(values, edges, axis=0))
    levels = accelerated(edges, values, *left_out(scores, statistic))
    flat, at = values.reshape(len(values), -1), levels.reshape(2, -1)
    ends = [np.quantile(flat[:, i], at[:, i]) for i in range(flat.shape[1])]
    return _ends(*np.stack(ends, 1).reshape(2, *values.shape[1:]))


def resampled(
    key,
    scores: np.ndarray | tuple[np.ndarray, ...],
    statistic: Statistic = aggregate.interquartile_mean,
    *,
    resamples: int = RESAMPLES,
    over_tasks: bool = False,
) -> np.ndarray:
    """The statistic in each resample: [resamples, ...]. Every task must have a run."""
    with jax.enable_x64(True):
        matrices = _matrices(scores)
        size = max(1, min(resamples, CHUNK // sum(one.size for one in matrices)))
        # Whole chunks: a smaller last one would be compiled apart.
        chunks = -(-resamples // size)
        return np.asarray(_resampled(key, matrices, _partial(statistic), chunks, size, over_tasks))[:resamples]


def left_out(scores: np.ndarray | tuple[np.ndarray, ...], statistic: Statistic) -> tuple[np.ndarray, np.ndarray]:
    """(the statistic, the acceleration of its BCa interval), by leaving out one run of one task after the other.

    A task, or a side, is a sample of its own, as in `scipy.stats.bootstrap` with several samples.
    """
    with jax.enable_x64(True):
        matrices = _matrices(scores)
        size = max(1, CHUNK // sum(one.size for one in matrices))
        point, without = _left_out(matrices, _partial(statistic), size)
        squares = cubes = np.zeros(np.shape(point))
        for one, values in zip(matrices, without, strict=True):
            there = np.isfinite(one).reshape(*one.shape, *(1,) * np.ndim(point))
            number = there.sum(0, keepdims=True)
            left = np.where(there, np.asarray(values).reshape(*one.shape, *np.shape(point)), 0.0)
            pull = np.where(there, (number - 1) * (left.sum(0, keepdims=True) / number - left), 0.0) / number
            squares, cubes = squares + (pull**2).sum((0, 1)), cubes + (pull**3).sum((0, 1))
    return np.asarray(point), np.where(squares > 0, cubes / (6 * np.where(squares > 0, squares, 1.0) ** 1.5), 0.0)


def accelerated(edges: np.ndarray, values: np.ndarray, point: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """Levels at which BCa reads the resamples off, in place of `edges` [2]: -> [2, ...]. values: [resamples, ...].

    Ties with the point value count one half. A point value outside the resamples counts as half a resample from an end.
    """
    from scipy.special import ndtr, ndtri

    below = ((values < point).mean(0) + (values <= point).mean(0)) / 2
    middle = ndtri(np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values)))
    shifted = middle + ndtri(edges).reshape(2, *(1,) * np.ndim(middle))
    return ndtr(middle + shifted / (1 - acceleration * shifted))


@functools.partial(jax.jit, static_argnames=("chunks", "size", "over_tasks"))
def _resampled(key, matrices, statistic, chunks: int, size: int, over_tasks: bool):
    """`size` resamples at a time. A resample's draws depend on the key and on its number only."""

    choose, *sides = jax.random.split(key, len(matrices) + 1)

    def one(number):
        chosen = matrices
        if over_tasks:
            tasks = matrices[0].shape[1]
            columns = jax.random.randint(jax.random.fold_in(choose, number), (tasks,), 0, tasks)
            chosen = tuple(scores[:, columns] for scores in matrices)
        weights = tuple(_drawn(jax.random.fold_in(side, number), one) for side, one in zip(sides, chosen, strict=True))
        return statistic(*chosen, *weights)

    return jax.lax.map(one, jnp.arange(chunks * size, dtype=jnp.uint32), batch_size=size)


def _drawn(key, scores: jax.Array) -> jax.Array:
    """How often each run is drawn, of a task's runs as many as there are. scores: [runs, tasks], those there first."""
    runs, tasks = scores.shape
    number = jnp.isfinite(scores).sum(0, dtype=jnp.int32, keepdims=True)
    draws = jnp.minimum((_uniform(key, scores.shape) * number.astype(jnp.float32)).astype(jnp.int32), number - 1)
    drawn = jnp.arange(runs, dtype=jnp.int32)[:, None] < number
    if runs <= PACKED:
        place = 4 * jnp.arange(runs, dtype=jnp.uint64)[:, None]
        words = jnp.where(drawn, jnp.uint64(1) << (4 * draws).astype(jnp.uint64), jnp.uint64(0))
        packed = words.sum(0, dtype=jnp.uint64, keepdims=True)
        return ((packed >> place) & jnp.uint64(15)).astype(jnp.float32)
    columns = jnp.broadcast_to(jnp.arange(tasks, dtype=jnp.int32)[None], draws.shape)
    rows = jnp.where(drawn, draws, runs)
    return jnp.zeros((runs, tasks), jnp.float32).at[rows, columns].add(1.0, mode="drop")


def _uniform(key, shape: tuple[int, int]) -> jax.Array:
    """Numbers in [0, 1), 24 bits each. JAX makes 64 bits for any word, so two numbers are taken from each."""
    size = shape[0] * shape[1]
    words = jax.lax.bitcast_convert_type(jax.random.bits(key, ((size + 1) // 2,), jnp.uint64), jnp.uint32)
    return ((words.reshape(-1)[:size] >> 8).astype(jnp.float32) * jnp.float32(2**-24)).reshape(shape)


@functools.partial(jax.jit, static_argnames="size")
def _left_out(matrices, statistic, size: int):
    """(point value, for each matrix the values without each of its cells [runs * tasks, ...])."""
    whole = tuple(jnp.isfinite(scores).astype(jnp.float32) for scores in matrices)
    without = []
    for index, scores in enumerate(matrices):

        def one(cell, index=index, shape=scores.shape):
            gone = (jnp.arange(shape[0] * shape[1]) == cell).reshape(shape)
            weights = (*whole[:index], jnp.where(gone, 0.0, whole[index]), *whole[index + 1 :])
            return statistic(*matrices, *weights)

        without.append(jax.lax.map(one, jnp.arange(scores.size), batch_size=min(size, scores.size)))
    return statistic(*matrices, *whole), without


def _matrices(scores: np.ndarray | tuple[np.ndarray, ...]) -> tuple[jax.Array, ...]:
    """Matrices in float64, in each column the runs that are there first."""
    several = scores if isinstance(scores, tuple) else (scores,)
    several = tuple(np.asarray(one, np.float64) for one in several)
    several = tuple(np.where(np.isfinite(one), one, np.nan) for one in several)
    orders = [np.argsort(np.isnan(one), axis=0, kind="stable") for one in several]
    return tuple(
        jnp.asarray(np.take_along_axis(one, order, axis=0)) for one, order in zip(several, orders, strict=True)
    )


def _partial(statistic: Statistic) -> Partial:
    """A statistic whose settings are traced, so that other thresholds need no other program."""
    if isinstance(statistic, functools.partial):
        return Partial(statistic.func, *statistic.args, **statistic.keywords)
    return Partial(statistic)


def _ends(low, high) -> Interval:
    if np.ndim(low):
        return Interval(low, high)
    return Interval(float(low), float(high))
