"""Logged steps as features, and what estimators that are linear in them share.

Everything here is for a discounted process without end: a step's value is that of all that may follow.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.check import InputError
from jaxrl.ope.log import Estimate

RIDGE = 1e-6
"""Added to the diagonal of what is solved, so that features never seen get a coefficient of 0."""


class Linear(NamedTuple):
    """Features of logged pairs of state and action; K features.

    here: [N, T, K]. ahead: [N, T, K], mean of the next state's features under the policy to be judged, 0 after a
    termination. start: [N, K], that mean in first states. reward, there: [N, T]; there may hold any weights >= 0.
    """

    here: Any
    ahead: Any
    start: Any
    reward: Any
    there: Any


class Moments(NamedTuple):
    """Means over logged steps: drift [K, K] of here (here - discount ahead)', square [K, K] of here here',
    gain [K] of here reward, level [K] of here; start [K], the mean over episodes."""

    drift: Any
    square: Any
    gain: Any
    level: Any
    start: Any


def tabular(state, action, following, terminated, log, policy: Float[Array, "S A"]) -> Linear:
    """A feature for each pair; state, action, following (the next state), terminated: [N, T]; log: a Log."""
    states, actions = policy.shape
    here = jax.nn.one_hot(state * actions + action, states * actions)
    of = lambda place: (jax.nn.one_hot(place, states)[..., None] * policy[place][..., None, :]).reshape(
        *place.shape, states * actions
    )
    ahead = of(following) * (1 - jnp.asarray(terminated, jnp.float32))[..., None]
    return Linear(here, ahead, of(state[:, 0]), log.reward, log.there)


def moments(linear: Linear, discount) -> Moments:
    """Means over logged steps. InputError for features that do not fit each other."""
    shape = jnp.shape(linear.here)
    if len(shape) != 3 or jnp.shape(linear.ahead) != shape or jnp.shape(linear.start) != (shape[0], shape[2]):
        raise InputError(
            f"features have shapes {shape}, {jnp.shape(linear.ahead)} and {jnp.shape(linear.start)}; they must be "
            "[N, T, K], [N, T, K] and [N, K]"
        )
    share = linear.there / linear.there.sum()
    product = lambda one, other: jnp.einsum("nt,ntk,ntl->kl", share, one, other)
    return Moments(
        product(linear.here, linear.here - discount * linear.ahead),
        product(linear.here, linear.here),
        jnp.einsum("nt,ntk->k", share * linear.reward, linear.here),
        jnp.einsum("nt,ntk->k", share, linear.here),
        linear.start.mean(0),
    )


def solved(matrix: Float[Array, "K K"], vector: Float[Array, "K"], ridge=RIDGE) -> Float[Array, "K"]:
    """Solution of (matrix + ridge I) x = vector."""
    return jnp.linalg.solve(matrix + ridge * jnp.eye(matrix.shape[0]), vector)


def contracting(what: str, discount) -> None:
    """InputError, naming the estimator `what`, for a discount outside [0, 1)."""
    if isinstance(discount, float | int) and not 0 <= discount < 1:
        raise InputError(f"{what} needs a discount of at least 0 and below 1, not {discount}; use fqe over a horizon")


def first_values(linear: Linear, coefficients: Float[Array, "K"]) -> Estimate:
    """Mean value of first states, the direct method; its contributions leave out the error of the fit."""
    found = linear.start @ coefficients
    return Estimate(found.mean(), found)


def averaged(linear: Linear, ratio: Float[Array, "N T"], discount) -> Estimate:
    """Mean of ratio times reward over logged steps, in returns: divided by 1 - discount.

    Contributions take the ratios for known ones.
    """
    contracting("an average over ratios", discount)
    share = linear.there / linear.there.sum() * linear.there.shape[0]
    found = (share * ratio * linear.reward).sum(1) / (1 - discount)
    return Estimate(found.mean(), found)


def corrected(linear: Linear, coefficients: Float[Array, "K"], ratio: Float[Array, "N T"], discount) -> Estimate:
    """Values of first states, plus their errors at logged steps weighed by the ratios: double reinforcement learning.

    Right where either the values or the ratios are (arXiv:1909.05850). With those of `minimax_learning` the correction
    is 0 and the contributions have the spread of its estimate.
    """
    contracting("double reinforcement learning", discount)
    error = linear.reward - (linear.here - discount * linear.ahead) @ coefficients
    wrong = averaged(linear._replace(reward=error), ratio, discount)
    values = first_values(linear, coefficients)
    return Estimate(values.value + wrong.value, values.contributions + wrong.contributions)
