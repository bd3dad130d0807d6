"""Values that make the doubly robust estimate vary least, rather than fit rewards best.

Source: Farajtabar, Chow and Ghavamzadeh (arXiv:1802.03493, section 4).
Departures: values are linear in given features, so the least variance over the logged episodes is found exactly.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.ope.importance_sampling import cumulative
from jaxrl.ope.linear import RIDGE, solved
from jaxrl.ope.log import Log, powers, weighed


def least_variance(log: Log, here: Float[Array, "N T K"], expected, discount, ridge=RIDGE) -> Float[Array, "K"]:
    """Coefficients of the values with which the contributions of `doubly_robust` have the least variance.

    here: features of logged pairs of state and action; expected: [N, T, K], their mean over actions of the policy to be
    judged. The values are then here @ coefficients and expected @ coefficients. For bandits T is 1. Values fitted to
    the episodes they correct lean a little towards them: where episodes are few, fit to others. InputError for features
    of another shape, or no behaviour probabilities.
    """
    if jnp.shape(here)[:2] != jnp.shape(log.reward) or jnp.shape(here) != jnp.shape(expected):
        raise InputError(
            f"mrdr got features of shapes {jnp.shape(here)} and {jnp.shape(expected)}; both must be [N, T, K] for the "
            f"log's {jnp.shape(log.reward)}"
        )
    weight = weighed(cumulative(log, "mrdr"), weighted=False)
    before = jnp.concatenate([jnp.ones_like(weight[:, :1]), weight[:, :-1]], 1)
    scale = powers(discount, log.reward.shape[1]) * log.there
    change = jnp.einsum("nt,ntk->nk", scale * before, expected) - jnp.einsum("nt,ntk->nk", scale * weight, here)
    plain = (scale * weight * log.reward).sum(1)
    centred = change - change.mean(0, keepdims=True)
    return -solved(centred.T @ centred / len(plain), centred.T @ (plain - plain.mean()) / len(plain), ridge)


CARD = Procedure(
    "mrdr",
    "estimator",
    (least_variance,),
    Paper(
        "arXiv:1802.03493",
        "More Robust Doubly Robust Off-policy Evaluation",
        "Mehrdad Farajtabar and Yinlam Chow and Mohammad Ghavamzadeh",
        2018,
    ),
)
