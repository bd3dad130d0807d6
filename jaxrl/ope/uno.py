"""The whole distribution of a policy's returns: its mean, variance, quantiles and tail from other policies' episodes.

Sources: Chandak and others (arXiv:2104.12820), UnO; Huang and others (arXiv:2104.08977), doubly robust distributions.
Departures: the largest return that was logged is taken for the largest there is; intervals come from
`intervals.bootstrap`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.ope.log import Log, ratios, returns, weighed


class Distribution(NamedTuple):
    """points: [M] returns, rising; cumulative: [M] probability of a return of at most that, 1 at the last."""

    points: Any
    cumulative: Any


def returns_of(log: Log, discount, *, weighted: bool = False, limit=None) -> Distribution:
    """Distribution of returns by trajectory-wise importance sampling, at the returns that were logged.

    weighted, limit: as in `importance_sampling`. InputError without behaviour probabilities.
    """
    found = returns(log, discount)
    order = jnp.argsort(found)
    weight = _weights(log, weighted, limit)
    return _bounded(found[order], jnp.cumsum(weight[order, 0]) / len(found))


def robust_returns(log: Log, discount, points, model, expected, *, weighted: bool = False, limit=None) -> Distribution:
    """Doubly robust distribution at `points` [M], rising, of which the last is the largest return there is.

    model: [N, M] given probability of a return of at most each point after an episode's first pair; expected: its mean
    over first actions of the policy to be judged. InputError for other shapes or no behaviour probabilities.
    """
    wanted = log.reward.shape[0], len(points)
    for name, array in {"model": model, "expected": expected}.items():
        if jnp.shape(array) != wanted:
            raise InputError(f"robust_returns got {name} of shape {jnp.shape(array)}; it must be {wanted}")
    below = (returns(log, discount)[:, None] <= points[None]).astype(jnp.float32)
    return _bounded(points, (_weights(log, weighted, limit) * (below - model) + expected).mean(0))


def _weights(log: Log, weighted: bool, limit) -> Float[Array, "N 1"]:
    total = ratios(log, "a distribution of returns").sum(1, keepdims=True)
    return weighed(total, weighted=weighted, limit=limit)


def _bounded(points, found) -> Distribution:
    """The nearest rising probabilities from above, in [0, 1] and 1 at the last point."""
    return Distribution(points, jax.lax.cummax(jnp.clip(found, 0.0, 1.0)).at[-1].set(1.0))


def masses(distribution: Distribution) -> Float[Array, "M"]:
    """Probability of each point."""
    return jnp.diff(distribution.cumulative, prepend=0.0)


def mean(distribution: Distribution) -> Float[Array, ""]:
    """Mean return."""
    return (masses(distribution) * distribution.points).sum()


def variance(distribution: Distribution) -> Float[Array, ""]:
    """Variance of the return."""
    return (masses(distribution) * jnp.square(distribution.points - mean(distribution))).sum()


def quantile(distribution: Distribution, level) -> Float[Array, ""]:
    """The smallest point that returns do not exceed with at least the probability `level`, in (0, 1]."""
    _check_level(level)
    return distribution.points[jnp.argmax(distribution.cumulative >= level - 1e-6)]


def tail_mean(distribution: Distribution, level) -> Float[Array, ""]:
    """Mean of the worst share `level` of returns, in (0, 1]: conditional value at risk."""
    _check_level(level)
    reached = jnp.minimum(distribution.cumulative, level)
    return (jnp.diff(reached, prepend=0.0) * distribution.points).sum() / level


def _check_level(level) -> None:
    if isinstance(level, float | int) and not 0 < level <= 1:
        raise InputError(f"level is {level}; it must be above 0 and at most 1, such as 0.1 for the worst tenth")


CARD = Procedure(
    "uno",
    "estimator",
    (returns_of, robust_returns, mean, variance, quantile, tail_mean),
    Paper(
        "arXiv:2104.12820",
        "Universal Off-Policy Evaluation",
        "Yash Chandak and Scott Niekum and Bruno Castro da Silva and Erik Learned-Miller and Emma Brunskill and "
        "Philip S. Thomas",
        2021,
    ),
)
