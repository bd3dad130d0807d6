"""PPO: proximal policy optimisation with a clipped ratio (arXiv:1707.06347), for both kinds of action.

Departures: actor and critic have an optimiser each, whose gradients are clipped apart, so the paper's value
coefficient has no meaning; episodes that are cut bootstrap from their last state; the value loss is not clipped.
Continuous actions are Gaussian and clipped by the environment's walker, as in most released code.
"""

import functools

from jaxrl.compose import surrogates
from jaxrl.compose.policy_gradient import Recipe, Stage, policy_gradient
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.sources.rollouts import rollouts


@hyper
class Hyper:
    """Numbers of PPO. trace: lambda of generalised advantages; decay_updates: updates until step sizes are zero."""

    discount: float = 0.99
    trace: float = 0.95
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    ratio_clip: float = 0.2
    entropy_weight: float = 0.0
    gradient_clip: float = 0.5
    decay_updates: float = 1e6


RECIPE = Recipe(actor=(surrogates.clipped, surrogates.entropy_bonus), scale_part=surrogates.standardised)


def ppo(
    spec: Spec, *, width: int = 64, depth: int = 2, passes: int = 10, minibatches: int = 32, normalise: bool = True
) -> Algorithm:
    """`passes` over each batch in shuffled `minibatches`, actor and critic together."""
    stages = (Stage(("actor", "critic"), passes, minibatches),)
    return policy_gradient(spec, RECIPE, stages, width=width, depth=depth, normalise=normalise)


PAPER = Paper(
    "arXiv:1707.06347",
    "Proximal Policy Optimization Algorithms",
    "John Schulman and Filip Wolski and Prafulla Dhariwal and Alec Radford and Oleg Klimov",
    2017,
)
CARD = Card(
    "ppo", "online", ppo, Hyper, PAPER, actions=("continuous", "discrete"), batch=0,
    collect=functools.partial(rollouts, envs=8, length=256),
)  # fmt: skip
