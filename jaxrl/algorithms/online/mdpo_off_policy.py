"""Off-policy MDPO: SAC whose actor also stays near the policy of a while ago (arXiv:2005.09814).

Departures: critics bootstrap from fresh actions, as in the later SAC, where the authors' code has a state-value
network; the actor follows the smaller critic, theirs the first, so that with nearness = entropy_weight this is SAC
with a fixed temperature; no penalty on the size of the Gaussian's parameters (1e-3 there); experience is sampled from
the policy, where their code collects with the mode. One update a step, the old policy renewed every `copy_every`.
"""

import functools

from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Recipe, actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.networks import heads
from jaxrl.sources.replay import replay


@hyper
class Hyper:
    """Numbers of MDPO. nearness: 1/t_k, the weight of the divergence; entropy_weight: lambda."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    polyak: float = 0.005
    nearness: float = 1.0
    entropy_weight: float = 0.2


RECIPE = Recipe(
    backup=(terms.pessimistic, terms.set_entropy_bonus),
    actor=(terms.maximise_min_q, terms.stay_near_old),
    slow_actor=False,
)


def mdpo_off_policy(
    spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2, copy_every: int = 1000
) -> Algorithm:
    """Squashed Gaussian actor and its copy, twin critics."""
    sizes = {"width": width, "depth": depth, "critics": critics}
    return actor_critic(spec, RECIPE, head=heads.tanh_gaussian, delay=1, copy_every=copy_every, **sizes)


PAPER = Paper(
    "arXiv:2005.09814",
    "Mirror Descent Policy Optimization",
    "Manan Tomar and Lior Shani and Yonathan Efroni and Mohammad Ghavamzadeh",
    2020,
)
COLLECT = functools.partial(replay, warmup=10_000)
CARD = Card("mdpo_off_policy", "online", mdpo_off_policy, Hyper, PAPER, collect=COLLECT)
