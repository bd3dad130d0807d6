"""The direct method, doubly robust estimates, and their self-normalised form.

Sources: Jiang and Li (arXiv:1511.03722); Thomas and Brunskill (arXiv:1604.00923), WDR.
Departures: weights may be clipped, and may be any others than those of importance sampling (`corrected`).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxrl.core.card import Paper, Procedure
from jaxrl.ope.importance_sampling import cumulative
from jaxrl.ope.log import Estimate, Log, fitting, summed, weighed


def doubly_robust(log: Log, q, v, discount, *, weighted: bool = False, limit=None) -> Estimate:
    """Values, corrected by importance-weighed rewards where they are wrong: unbiased whatever the values are.

    q: [N, T] of the logged actions; v: [N, T], their mean under the policy to be judged. weighted: WDR. limit: largest
    weight. InputError without behaviour probabilities, or for values of another shape.
    """
    fitting("doubly robust estimation", log.reward, q=q, v=v)
    weight = weighed(cumulative(log, "doubly robust estimation"), weighted=weighted, limit=limit)
    return corrected(log, weight, q, v, discount, weighted=weighted)


def corrected(log: Log, weight, q, v, discount, *, weighted: bool = False) -> Estimate:
    """sum_t discount^t (weight_t (r - q) + weight_{t-1} v) for any weights [N, T]; weight_{-1} = 1."""
    before = jnp.concatenate([jnp.ones_like(weight[:, :1]), weight[:, :-1]], 1)
    gain = log.there * (log.reward - q)
    return summed(weight, gain, discount, weighted=weighted, before=before, value=log.there * v)


def direct(v: Float[Array, "N"]) -> Estimate:
    """The direct method: mean value of first states, v [N] under the policy to be judged."""
    return Estimate(v.mean(), v)


def looked_up(q: Float[Array, "S A"], policy: Float[Array, "S A"], state: Int[Array, "N T"], action):
    """(q, v), each [N, T], of logged states and actions from a table and a policy of probabilities."""
    return q[state, action], (q * policy).sum(1)[state]


CARD = Procedure(
    "doubly_robust",
    "estimator",
    (doubly_robust, corrected, direct, looked_up),
    Paper(
        "arXiv:1511.03722",
        "Doubly Robust Off-policy Value Evaluation for Reinforcement Learning",
        "Nan Jiang and Lihong Li",
        2016,
    ),
)
