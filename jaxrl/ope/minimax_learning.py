"""Minimax weight and value learning with linear features, in closed form.

Source: Uehara, Huang and Jiang (arXiv:1910.12809, sections 4 and 5).
Departures: both classes are linear in the same features, where the two give the same estimate and the values are those
of least-squares temporal differences.
"""

from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.ope.linear import RIDGE, Linear, averaged, contracting, corrected, moments, solved


def minimax_weights(linear: Linear, discount, ridge=RIDGE) -> Float[Array, "N T"]:
    """Ratio of the policy's discounted share of each logged pair to the log's own (MWL).

    The estimate is `linear.averaged` of it. InputError for a discount of 1, where there is no such share.
    """
    contracting("minimax weight learning", discount)
    found = moments(linear, discount)
    return linear.here @ solved(found.drift.T, (1 - discount) * found.start, ridge)


def minimax_values(linear: Linear, discount, ridge=RIDGE) -> Float[Array, "K"]:
    """Coefficients of the values whose errors no function of the features can find in the log (MQL).

    The estimate is `linear.first_values` of them, or `linear.corrected` for its spread.
    """
    contracting("minimax value learning", discount)
    found = moments(linear, discount)
    return solved(found.drift, found.gain, ridge)


CARD = Procedure(
    "minimax_learning",
    "estimator",
    (minimax_weights, minimax_values, averaged, corrected),
    Paper(
        "arXiv:1910.12809",
        "Minimax Weight and Q-Function Learning for Off-Policy Evaluation",
        "Masatoshi Uehara and Jiawei Huang and Nan Jiang",
        2020,
    ),
)
