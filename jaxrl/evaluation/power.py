"""How many seeds a comparison needs: by the t test's formula, and by simulation from a measured spread."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.evaluation import aggregate

SIMULATIONS = 2000


class Power(NamedTuple):
    """seeds: runs a side (and task) with the wanted power, None where `limit` do not suffice. curve: power with
    2, 3, ... `limit` runs."""

    seeds: int | None
    curve: np.ndarray


def by_formula(
    effect: float, spread: float, *, power: float = 0.8, error: float = 0.05, paired: bool = False, limit: int = 10_000
) -> Power:
    """Seeds with which Student's two-sided t test finds a difference of means: from the noncentral t distribution.

    effect: the difference to be found; spread: standard deviation over seeds, of the scores, or with `paired` of the
    differences between runs of the same seed; both in the scores' units. power: wanted probability of finding it.
    Raises InputError for an effect or a spread that is not above 0.
    """
    from scipy import stats

    _check(effect, power, error)
    if not spread > 0:
        raise InputError(f"spread is {spread}; it must be above 0: measure it from at least two seeds")
    seeds = np.arange(2, positive("limit", limit) + 1)
    freedom = seeds - 1 if paired else 2 * seeds - 2
    shift = abs(effect) / spread * np.sqrt(seeds if paired else seeds / 2)
    reach = stats.t.isf(error / 2, freedom)
    # scipy gives NaN for the other tail far from the centre, where a rejection on the wrong side does not happen.
    wrong = np.where(shift < 6, stats.nct.cdf(-reach, freedom, np.minimum(shift, 6)), 0.0)
    return _first(stats.nct.sf(reach, freedom, shift) + wrong, power)


def by_simulation(
    key,
    scores: np.ndarray,
    effect: float,
    *,
    power: float = 0.8,
    error: float = 0.05,
    limit: int = 64,
    simulations: int = SIMULATIONS,
) -> Power:
    """Seeds with which the mean over tasks of two algorithms is found to differ by `effect`, both spread as `scores`.

    scores: [runs, tasks] of a pilot. Runs are drawn from its deviations from the task means (enlarged by
    sqrt(n / (n - 1)), as their spread is too small by that), and judged by Welch's t test over stratified means. With
    few pilot runs the answer is itself uncertain. Raises InputError for a task of fewer than two runs.
    """
    _check(effect, power, error)
    positive("simulations", simulations)
    number = aggregate.counts(scores)
    if not number.size or number.min() < 2:
        raise InputError("a task of the pilot has fewer than two runs; the spread needs at least two seeds of each")
    front = np.take_along_axis(scores, np.argsort(~np.isfinite(scores), axis=0, kind="stable"), axis=0)
    centred = np.nan_to_num((front - aggregate.run_mean(front)) * np.sqrt(number / (number - 1)))
    with jax.enable_x64(True):
        drawn = _statistics(
            key, jnp.asarray(centred), jnp.asarray(number), effect, positive("limit", limit), simulations
        )
        value, freedom = (np.asarray(one) for one in drawn)
    from scipy.special import stdtrit

    return _first((np.abs(value) > stdtrit(freedom, 1 - error / 2)).mean(0)[1:], power)


@functools.partial(jax.jit, static_argnames=("limit", "simulations"))
def _statistics(key, centred, number, effect, limit: int, simulations: int):
    """Welch's t and its degrees of freedom with the first 1, 2, ... `limit` runs: two of [simulations, limit]."""
    tasks = centred.shape[1]
    seeds = jnp.arange(1, limit + 1, dtype=centred.dtype)[:, None]

    def moments(key):
        draws = jax.random.uniform(key, (limit, tasks), jnp.float32) * number[None].astype(jnp.float32)
        drawn = jnp.take_along_axis(centred, jnp.minimum(draws.astype(int), number[None] - 1), axis=0)
        mean = jnp.cumsum(drawn, 0) / seeds
        squares = jnp.maximum(jnp.cumsum(drawn**2, 0) - seeds * mean**2, 0.0)
        return mean.mean(1), squares / jnp.maximum(seeds - 1, 1) / seeds / tasks**2

    def one(index):
        first, second = (moments(one) for one in jax.random.split(jax.random.fold_in(key, index)))
        variance = first[1].sum(1) + second[1].sum(1)
        fourth = ((first[1] ** 2).sum(1) + (second[1] ** 2).sum(1)) / jnp.maximum(seeds[:, 0] - 1, 1)
        value = (first[0] + effect - second[0]) / jnp.sqrt(jnp.maximum(variance, 1e-300))
        return value, jnp.where(fourth > 0, variance**2 / jnp.maximum(fourth, 1e-300), 1.0)

    return jax.lax.map(one, jnp.arange(simulations, dtype=jnp.uint32), batch_size=max(1, 2**16 // (limit * tasks)))


def _check(effect: float, power: float, error: float) -> None:
    if not abs(effect) > 0:
        raise InputError(f"effect is {effect}; give the smallest difference worth finding, in the scores' units")
    aggregate.share("power", power)
    aggregate.share("error", error)


def _first(curve: np.ndarray, power: float) -> Power:
    """The fewest seeds (from 2) from which on the curve stays at or above the wanted power."""
    short = np.flatnonzero(curve < power)
    seeds = 2 if not short.size else int(short[-1]) + 3
    return Power(seeds if seeds < len(curve) + 2 else None, curve)
