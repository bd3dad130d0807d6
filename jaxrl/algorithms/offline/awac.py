"""AWAC: an actor that imitates the data in proportion to exp(advantage) (arXiv:2006.09359).

Departures: none from the CORL baseline; the advantage is over one proposal, under the online critics.
"""

from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Recipe, actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.networks import heads


@hyper
class Hyper:
    """Numbers of AWAC. advantage_temperature: lambda of the paper; weight_clip: largest weight."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    polyak: float = 0.005
    advantage_temperature: float = 1 / 3
    weight_clip: float = 100.0


RECIPE = Recipe(backup=(terms.pessimistic,), actor=(terms.imitate_advantage,), slow_actor=False)


def awac(spec: Spec, *, width: int = 256, depth: int = 3, critics: int = 2) -> Algorithm:
    """Gaussian actor with one trained spread per dimension, twin critics."""
    return actor_critic(spec, RECIPE, head=heads.gaussian, width=width, depth=depth, critics=critics, delay=1)


PAPER = Paper(
    "arXiv:2006.09359",
    "AWAC: Accelerating Online Reinforcement Learning with Offline Datasets",
    "Ashvin Nair and Abhishek Gupta and Murtaza Dalal and Sergey Levine",
    2020,
)
CARD = Card("awac", "offline", awac, Hyper, PAPER, prepare=prepare.standardised)
