"""TD3+BC: TD3 whose actor also clones the data (arXiv:2106.06860).

Departures: none from the paper. As in the authors' code the cloning term averages over action dimensions, only the
first critic drives the actor, and targets move on the actor's updates.
"""

from jaxrl.algorithms.online import td3
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare


@hyper
class Hyper(td3.Hyper):
    """Numbers of TD3+BC. q_scale: alpha of the paper."""

    q_scale: float = 2.5


RECIPE = td3.RECIPE._replace(actor=(terms.maximise_scaled_q, terms.clone))


def td3_bc(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2, delay: int = 2) -> Algorithm:
    """Deterministic actor, twin critics."""
    return actor_critic(spec, RECIPE, width=width, depth=depth, critics=critics, delay=delay)


PAPER = Paper(
    "arXiv:2106.06860",
    "A Minimalist Approach to Offline Reinforcement Learning",
    "Scott Fujimoto and Shixiang Shane Gu",
    2021,
)
CARD = Card("td3_bc", "offline", td3_bc, Hyper, PAPER, prepare=prepare.standardised)
