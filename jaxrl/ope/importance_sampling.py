"""Importance sampling of whole trajectories and of each decision: plain, clipped, self-normalised.

Source: Precup, Sutton and Singh, Eligibility Traces for Off-Policy Policy Evaluation (2000).
Departures: self-normalised per-decision weights are divided at each step by their mean over episodes, where the paper
divides once; weights have a largest value (`log.LARGEST`), so that they stay finite over thousands of steps.
"""

import jax.numpy as jnp

from jaxrl.core.card import Paper, Procedure
from jaxrl.ope.log import Estimate, Log, ratios, summed, weighed


def trajectory_wise(log: Log, discount, *, weighted: bool = False, limit=None) -> Estimate:
    """Returns weighed by the ratio of the probabilities of their whole episodes.

    weighted: self-normalised, biased but steadier. limit: largest weight; biased where it bites.
    InputError without behaviour probabilities.
    """
    total = ratios(log, "trajectory-wise importance sampling").sum(1, keepdims=True)
    weight = weighed(total, weighted=weighted, limit=limit)
    return summed(jnp.broadcast_to(weight, log.reward.shape), log.reward, discount, weighted=weighted)


def per_decision(log: Log, discount, *, weighted: bool = False, limit=None) -> Estimate:
    """Rewards weighed by the ratio of the probabilities of what led up to them.

    weighted, limit, errors: as in `trajectory_wise`, for each step's weight.
    """
    weight = weighed(cumulative(log, "per-decision importance sampling"), weighted=weighted, limit=limit)
    return summed(weight, log.reward, discount, weighted=weighted)


def cumulative(log: Log, what: str):
    """Logarithm of the ratio of the probabilities of each episode up to each step; [N, T]."""
    return jnp.cumsum(ratios(log, what), 1)


CARD = Procedure(
    "importance_sampling",
    "estimator",
    (per_decision, trajectory_wise),
    Paper(
        "https://scholarworks.umass.edu/cs_faculty_pubs/80",
        "Eligibility Traces for Off-Policy Policy Evaluation",
        "Doina Precup and Richard S. Sutton and Satinder Singh",
        2000,
    ),
)
