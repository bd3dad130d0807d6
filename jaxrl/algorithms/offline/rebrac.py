"""ReBRAC: TD3+BC with penalties on actor and critic apart, layer norm in the critics, deeper nets (arXiv:2305.09836).

Departures: the released code moves the actor's target before the actor's step, we move it after, with the critic's.
Defaults are those of halfcheetah-medium; the paper tunes `actor_bc` and `critic_bc` per data set.
"""

from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare


@hyper
class Hyper(td3_bc.Hyper):
    """TD3+BC's numbers; actor_bc, critic_bc: beta_1 and beta_2 of the paper."""

    critic_lr: float = 1e-3
    actor_lr: float = 1e-3
    q_scale: float = 1.0
    actor_bc: float = 0.001
    critic_bc: float = 0.01


RECIPE = td3_bc.RECIPE._replace(
    backup=(terms.pessimistic, terms.stay_near_next), actor=(terms.maximise_scaled_min_q, terms.clone_weighted)
)


def rebrac(
    spec: Spec, *, width: int = 256, depth: int = 3, critics: int = 2, delay: int = 2, norm: bool = True
) -> Algorithm:
    """Deterministic actor, normalised twin critics."""
    options = {"norm": norm}
    return actor_critic(spec, RECIPE, width=width, depth=depth, critics=critics, delay=delay, critic_options=options)


PAPER = Paper(
    "arXiv:2305.09836",
    "Revisiting the Minimalist Approach to Offline Reinforcement Learning",
    "Denis Tarasov and Vladislav Kurenkov and Alexander Nikulin and Sergey Kolesnikov",
    2023,
)
CARD = Card("rebrac", "offline", rebrac, Hyper, PAPER, prepare=prepare.raw, batch=1024)
