"""SAC-N: soft actor-critic with the minimum over N critics (arXiv:2110.01548, section 4).

Departures: one update of critics, actor and temperature per call, in this order; the authors' code steps the
temperature first. N = 10 by default (halfcheetah); the paper uses up to 500.
"""

from jaxrl.algorithms.online import sac
from jaxrl.compose.actor_critic import Recipe
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.networks import basic

RECIPE = sac.RECIPE


@hyper
class Hyper(sac.Hyper):
    """Numbers of SAC-N, which are SAC's."""


def ends(limit: float) -> dict:
    """The authors' initialisation: biases 0.1, last layer uniform within `limit`."""
    last = basic.within(limit)
    return {"bias": basic.constant(0.1), "last_kernel": last, "last_bias": last}


def sac_n(spec: Spec, *, width: int = 256, depth: int = 3, critics: int = 10) -> Algorithm:
    """Squashed Gaussian actor, N critics."""
    return of(RECIPE, spec, width=width, depth=depth, critics=critics)


def of(recipe: Recipe, spec: Spec, **structure) -> Algorithm:
    """SAC-N with another recipe."""
    return sac.soft_actor_critic(spec, recipe, actor_options=ends(1e-3), critic_options=ends(3e-3), **structure)


PAPER = Paper(
    "arXiv:2110.01548",
    "Uncertainty-Based Offline Reinforcement Learning with Diversified Q-Ensemble",
    "Gaon An and Seungyong Moon and Jang-Hyun Kim and Hyun Oh Song",
    2021,
)
CARD = Card("sac_n", "offline", sac_n, Hyper, PAPER, prepare=prepare.raw)
