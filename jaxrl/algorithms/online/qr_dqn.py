"""QR-DQN: quantiles of the return, learned by quantile regression (arXiv:1710.10044).

Departures: sizes for classic control instead of Atari, as in `dqn`; Adam's epsilon is the usual 1e-8.
"""

import functools

from jaxrl.algorithms.online import dqn
from jaxrl.compose import q_terms
from jaxrl.compose.q_learning import q_learning
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.networks import critics


@hyper
class Hyper:
    """Numbers of QR-DQN. error_clip: kappa of the paper."""

    discount: float = 0.99
    critic_lr: float = 5e-5
    error_clip: float = 1.0
    explore_from: float = 1.0
    explore_to: float = 0.01
    explore_updates: float = 25_000.0


RECIPE = dqn.RECIPE._replace(values=q_terms.averaged, loss=q_terms.quantile_error, priority=q_terms.quantile_error)


def qr_dqn(spec: Spec, *, width: int = 120, depth: int = 2, copy_every: int = 50, quantiles: int = 200) -> Algorithm:
    """DQN whose network gives every action `quantiles` equally likely returns; it chooses by their mean."""
    recipe = RECIPE._replace(network=functools.partial(critics.distributions, count=quantiles))
    return q_learning(spec, recipe, width=width, depth=depth, copy_every=copy_every)


PAPER = Paper(
    "arXiv:1710.10044",
    "Distributional Reinforcement Learning with Quantile Regression",
    "Will Dabney and Mark Rowland and Marc G. Bellemare and Rémi Munos",
    2018,
)
CARD = Card("qr_dqn", "online", qr_dqn, Hyper, PAPER, ("discrete",), batch=128, collect=dqn.COLLECT)
