"""Double DQN: the trained network chooses the next action, its copy values it (arXiv:1509.06461).

Departures: those of `dqn`.
"""

from jaxrl.algorithms.online import dqn
from jaxrl.compose.q_learning import q_learning
from jaxrl.core.card import Card, Paper
from jaxrl.core.types import Algorithm, Spec

Hyper = dqn.Hyper
COLLECT = dqn.COLLECT
RECIPE = dqn.RECIPE._replace(slow_choice=False)


def double_dqn(spec: Spec, *, width: int = 120, depth: int = 2, copy_every: int = 50) -> Algorithm:
    """DQN whose copy does not choose what it values."""
    return q_learning(spec, RECIPE, width=width, depth=depth, copy_every=copy_every)


PAPER = Paper(
    "arXiv:1509.06461",
    "Deep Reinforcement Learning with Double Q-learning",
    "Hado van Hasselt and Arthur Guez and David Silver",
    2016,
)
CARD = Card("double_dqn", "online", double_dqn, Hyper, PAPER, ("discrete",), batch=128, collect=COLLECT)
