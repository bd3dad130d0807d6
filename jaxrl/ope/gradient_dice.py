"""GradientDICE with linear features, in closed form: ratios of shares that sum to one, for long-run averages as well.

Source: Zhang, Liu and Whiteson (arXiv:2001.11113, equation 8), the convex form of GenDICE.
Departures: the saddle point is solved in place of stochastic gradients.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.ope.linear import RIDGE, Linear, averaged, moments


def gradient_dice(linear: Linear, discount, strength=1.0, ridge=RIDGE) -> Float[Array, "N T"]:
    """Ratio of the policy's share of each logged pair to the log's own; a discount of 1 means the long run.

    strength: of the wish that ratios have a mean of one. Below a discount of 1 the estimate is `linear.averaged` of the
    ratio; at 1 the mean of ratio times reward is the policy's reward a step.
    """
    found = moments(linear, discount)
    unit = ridge * jnp.eye(len(found.gain))
    judged = found.drift @ jnp.linalg.inv(found.square + unit)
    matrix = judged @ found.drift.T + strength * found.level[:, None] * found.level[None]
    vector = (1 - discount) * judged @ found.start + strength * found.level
    return linear.here @ jnp.linalg.solve(matrix + unit, vector)


CARD = Procedure(
    "gradient_dice",
    "estimator",
    (gradient_dice, averaged),
    Paper(
        "arXiv:2001.11113",
        "GradientDICE: Rethinking Generalized Offline Estimation of Stationary Values",
        "Shangtong Zhang and Bo Liu and Shimon Whiteson",
        2020,
    ),
)
