"""Confidence intervals of estimates: Student's t, bootstrap, Hoeffding, empirical Bernstein.

Source of the last: Maurer and Pontil (arXiv:0907.3740, theorem 4), on both sides.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError, positive
from jaxrl.core.tree import take
from jaxrl.ope.log import Estimate

AT_ONCE = 50
"""Resamples held in memory together."""


class Interval(NamedTuple):
    """Ends of an interval."""

    low: Any
    high: Any


def student(estimate: Estimate, confidence: float = 0.95) -> Interval:
    """Student's t interval of the mean contribution; right for many episodes, whatever their distribution."""
    from scipy.special import stdtrit

    count = _episodes(estimate, confidence)
    reach = float(stdtrit(count - 1, (1 + confidence) / 2)) * estimate.contributions.std(ddof=1) / count**0.5
    return Interval(estimate.value - reach, estimate.value + reach)


def hoeffding(estimate: Estimate, low, high, confidence: float = 0.95) -> Interval:
    """Interval that holds for any number of episodes, if contributions are sure to lie in [low, high]."""
    count = _episodes(estimate, confidence)
    reach = (high - low) * jnp.sqrt(jnp.log(2 / (1 - confidence)) / (2 * count))
    return Interval(estimate.value - reach, estimate.value + reach)


def bernstein(estimate: Estimate, low, high, confidence: float = 0.95) -> Interval:
    """As `hoeffding`, with the spread that was seen: narrower where that is far below the range."""
    count = _episodes(estimate, confidence)
    level = jnp.log(4 / (1 - confidence))
    spread = jnp.sqrt(2 * estimate.contributions.var(ddof=1) * level / count)
    reach = spread + 7 * (high - low) * level / (3 * (count - 1))
    return Interval(estimate.value - reach, estimate.value + reach)


def bootstrap(key, estimator: Callable, logs, *, resamples: int = 1000, confidence: float = 0.95) -> Interval:
    """Percentile interval of estimator(logs) -> value, episodes drawn again with replacement.

    logs: a tree of arrays [N, ...], such as a Log, or (log, q, v). The value may have any shape.
    """
    _check_confidence(confidence)
    values = resampled(key, estimator, logs, resamples)
    return Interval(*jnp.quantile(values, jnp.asarray([0.5 - confidence / 2, 0.5 + confidence / 2]), axis=0))


def resampled(key, estimator: Callable, logs, resamples: int):
    """estimator(logs) -> value on `resamples` draws of N episodes with replacement; [resamples, ...]."""
    positive("resamples", resamples)
    count = jax.tree.leaves(logs)[0].shape[0]

    def once(key):
        return estimator(take(logs, jax.random.randint(key, (count,), 0, count)))

    return jax.lax.map(once, jax.random.split(key, resamples), batch_size=min(AT_ONCE, resamples))


def _episodes(estimate: Estimate, confidence: float) -> int:
    _check_confidence(confidence)
    count = estimate.contributions.shape[0]
    if count < 2:
        raise InputError(f"an interval needs at least 2 episodes, and the estimate is of {count}; log more")
    return count


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must lie between 0 and 1, such as 0.95")
