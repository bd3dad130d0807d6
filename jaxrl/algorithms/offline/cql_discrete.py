"""CQL for discrete actions: double Q-learning with a conservative penalty (arXiv:2006.04779, section 5.2 and eq. 4).

Departures: scalar values where the paper's Atari agent learns quantiles; a Polyak target where it copies at intervals.
"""

import functools

from jaxrl.algorithms.offline import cql
from jaxrl.compose import q_terms
from jaxrl.compose.q_learning import Recipe, q_learning
from jaxrl.core.card import Card
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.networks import critics as values


@hyper
class Hyper:
    """Numbers of discrete CQL. conservatism: alpha of the paper."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    polyak: float = 0.005
    conservatism: float = 1.0
    explore_rate: float = 0.05


RECIPE = Recipe(
    values=q_terms.averaged,
    slow_choice=False,
    target=q_terms.backed_up_smallest,
    loss=q_terms.squared_errors,
    penalties=(q_terms.conservative,),
)


def cql_discrete(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2) -> Algorithm:
    """A table-valued ensemble; the policy is greedy in its mean."""
    recipe = RECIPE._replace(network=functools.partial(values.member_tables, members=critics))
    return q_learning(
        spec, recipe, width=width, depth=depth, follow=lambda h: h.polyak, exploration=lambda h, step: h.explore_rate
    )


CARD = Card(
    "cql_discrete", "offline", cql_discrete, Hyper, cql.PAPER, actions=("discrete",), prepare=prepare.standardised
)
