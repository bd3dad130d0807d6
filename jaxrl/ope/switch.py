"""Bandits: rounds as episodes of one step, and SWITCH, which trusts weights where they are small and values elsewhere.

Inverse propensity scoring is `per_decision` on `rounds`, its self-normalised form the weighted one, and `doubly_robust`
serves as it is. Source: Wang, Agarwal and Dudík (arXiv:1612.01205).
Departures: none.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.ope.log import Estimate, Log, fitting, logged


class Rounds(NamedTuple):
    """Rounds of a bandit; N rounds, A actions. action: [N] classes; reward: [N]; behaviour, evaluation: [N, A]."""

    action: Any
    reward: Any
    behaviour: Any
    evaluation: Any


def rounds(played: Rounds) -> Log:
    """The rounds as episodes of one step, checked as `logged` does; on the host."""
    shape = jnp.shape(played.behaviour)
    if jnp.shape(played.evaluation) != shape or shape[:1] != jnp.shape(played.action):
        raise InputError(
            f"probabilities have shapes {shape} and {jnp.shape(played.evaluation)} for {jnp.shape(played.action)} "
            "actions; they must be [N, A] and [N, A] for [N]"
        )
    reward = jnp.reshape(jnp.asarray(played.reward), (-1, 1))
    return logged(reward, *(taken(x, played.action)[:, None] for x in (played.evaluation, played.behaviour)))


def taken(table: Float[Array, "N A"], action) -> Float[Array, "N"]:
    """Entries of the logged actions."""
    return jnp.take_along_axis(jnp.asarray(table), jnp.asarray(action)[:, None], 1)[:, 0]


def switch(played: Rounds, q: Float[Array, "N A"], limit, *, robust: bool = False) -> Estimate:
    """Weighed rewards of actions whose ratio of probabilities is at most `limit`, and values q of all others.

    robust: values of all actions, corrected by weighed rewards where the ratio is at most `limit` (SWITCH-DR).
    InputError for values of another shape.
    """
    fitting("switch", played.behaviour, q=q)
    ratio = jnp.where(played.evaluation > 0, played.evaluation / played.behaviour, 0.0)
    own = taken(ratio, played.action)
    weight = jnp.where(own <= limit, own, 0.0)
    trusted = jnp.where(ratio <= limit, 0.0, 1.0) if not robust else jnp.ones_like(ratio)
    gain = played.reward - taken(q, played.action) if robust else played.reward
    found = weight * gain + (trusted * played.evaluation * q).sum(1)
    return Estimate(found.mean(), found)


CARD = Procedure(
    "switch",
    "estimator",
    (switch, rounds),
    Paper(
        "arXiv:1612.01205",
        "Optimal and Adaptive Off-policy Evaluation in Contextual Bandits",
        "Yu-Xiang Wang and Alekh Agarwal and Miroslav Dudík",
        2017,
    ),
)
