"""C51: the distribution of returns on fixed atoms, learned by projection and cross-entropy (arXiv:1707.06887).

Departures: sizes for classic control instead of Atari, as in `dqn`; Adam's epsilon is the usual 1e-8. The ends of the
atoms are the paper's, for returns within [-10, 10]: set `low` and `high` to the task's range.
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
    """Numbers of C51. low, high: the first and the last atom."""

    discount: float = 0.99
    critic_lr: float = 2.5e-4
    low: float = -10.0
    high: float = 10.0
    explore_from: float = 1.0
    explore_to: float = 0.05
    explore_updates: float = 25_000.0


RECIPE = dqn.RECIPE._replace(
    values=q_terms.expected, target=q_terms.projected, loss=q_terms.cross_entropy, priority=q_terms.divergence
)


def c51(spec: Spec, *, width: int = 120, depth: int = 2, copy_every: int = 50, atoms: int = 51) -> Algorithm:
    """DQN whose network gives every action probabilities of `atoms` returns, evenly spaced from `low` to `high`."""
    recipe = RECIPE._replace(network=functools.partial(critics.distributions, count=atoms))
    return q_learning(spec, recipe, width=width, depth=depth, copy_every=copy_every)


PAPER = Paper(
    "arXiv:1707.06887",
    "A Distributional Perspective on Reinforcement Learning",
    "Marc G. Bellemare and Will Dabney and Rémi Munos",
    2017,
)
CARD = Card("c51", "online", c51, Hyper, PAPER, ("discrete",), batch=128, collect=dqn.COLLECT)
