"""Dueling networks: a state value plus advantages of mean zero, trained as Double DQN is (arXiv:1511.06581).

Departures: those of `dqn`; gradients are neither clipped nor halved where the two streams meet.
"""

from jaxrl.algorithms.online import double_dqn
from jaxrl.compose.q_learning import q_learning
from jaxrl.core.card import Card, Paper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.networks import critics

RECIPE = double_dqn.RECIPE._replace(network=critics.dueling)


def dueling_dqn(spec: Spec, *, width: int = 120, depth: int = 2, copy_every: int = 50) -> Algorithm:
    """Double DQN with the dueling network; the last of its hidden layers is there for each stream."""
    return q_learning(spec, RECIPE, width=width, depth=depth, copy_every=copy_every)


PAPER = Paper(
    "arXiv:1511.06581",
    "Dueling Network Architectures for Deep Reinforcement Learning",
    "Ziyu Wang and Tom Schaul and Matteo Hessel and Hado van Hasselt and Marc Lanctot and Nando de Freitas",
    2016,
)
CARD = Card(
    "dueling_dqn", "online", dueling_dqn, double_dqn.Hyper, PAPER, ("discrete",), batch=128, collect=double_dqn.COLLECT
)
