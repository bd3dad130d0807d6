"""Fitted Q evaluation with linear features: regression to the value one step on, again and again.

Source: Le, Voloshin and Yue (arXiv:1903.08738, Algorithm 3).
Departures: each regression is solved exactly; one-hot features make it the tabular one.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import positive
from jaxrl.ope.linear import RIDGE, Linear, first_values, moments, solved, tabular


def fqe(linear: Linear, discount, iterations: int, ridge=RIDGE) -> Float[Array, "K"]:
    """Coefficients of the values after so many regressions: those of that many steps, or of endless ones for many.

    The estimate is `linear.first_values` of them. A pair never seen is worth 0.
    """
    found = moments(linear, discount)
    square = found.square + ridge * jnp.eye(len(found.gain))
    onward = jnp.linalg.solve(square, found.square - found.drift)
    reward = solved(found.square, found.gain, ridge)

    def regress(_, coefficients):
        return reward + onward @ coefficients

    return jax.lax.fori_loop(0, positive("iterations", iterations), regress, jnp.zeros_like(reward))


CARD = Procedure(
    "fqe",
    "estimator",
    (fqe, first_values, tabular),
    Paper(
        "arXiv:1903.08738",
        "Batch Policy Learning under Constraints",
        "Hoang M. Le and Cameron Voloshin and Yisong Yue",
        2019,
    ),
)
