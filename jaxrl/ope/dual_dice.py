"""DualDICE with linear features, in closed form: ratios of shares without the behaviour policy's probabilities.

Source: Nachum, Chow, Dai and Li (arXiv:1906.04733, equation 11 with f(x) = x² / 2).
Departures: the saddle point is solved in place of stochastic gradients. Where both classes of features are the same, it
is that of `minimax_learning`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.ope.linear import RIDGE, Linear, averaged, contracting, solved


def dual_dice(linear: Linear, discount, judges: Float[Array, "N T L"], ridge=RIDGE) -> Float[Array, "N T"]:
    """Ratio of the policy's discounted share of each logged pair to the log's own.

    judges: features in which the ratio is linear; at least as many as `linear` has, which are those of the dual
    function. The estimate is `linear.averaged` of it. InputError for a discount of 1, or fewer judges.
    """
    contracting("dual_dice", discount)
    if jnp.shape(judges)[:2] != jnp.shape(linear.there) or jnp.shape(judges)[-1] < jnp.shape(linear.here)[-1]:
        raise InputError(
            f"dual_dice got judges of shape {jnp.shape(judges)} for features of shape {jnp.shape(linear.here)}; give "
            "[N, T, L] with L at least as large as the number of features"
        )
    share = linear.there / linear.there.sum()
    step = linear.here - discount * linear.ahead
    drift = jnp.einsum("nt,ntl,ntk->lk", share, judges, step)
    square = jnp.einsum("nt,ntl,ntm->lm", share, judges, judges) + ridge * jnp.eye(judges.shape[-1])
    best = jnp.linalg.solve(square, drift)
    dual = solved(drift.T @ best, (1 - discount) * linear.start.mean(0), ridge)
    return judges @ (best @ dual)


CARD = Procedure(
    "dual_dice",
    "estimator",
    (dual_dice, averaged),
    Paper(
        "arXiv:1906.04733",
        "DualDICE: Behavior-Agnostic Estimation of Discounted Stationary Distribution Corrections",
        "Ofir Nachum and Yinlam Chow and Bo Dai and Lihong Li",
        2019,
    ),
)
