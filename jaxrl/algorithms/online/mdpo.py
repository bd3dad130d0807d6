"""MDPO, on-policy: mirror descent in policy space, a few gradient steps on a linear objective and a KL divergence
from the policy that collected (arXiv:2005.09814).

The divergence is of the new policy from the old. The step t falls from `mirror_step` to 0 over `decay_updates`, like
the authors' code (whose first is slightly above 1), and is not let below its last value before 0.

Departures: actor and critic have an optimiser each, whose gradients are clipped apart; episodes that are cut bootstrap
from their last state; batches are of several environments.
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
    """Numbers of MDPO. trace: lambda of generalised advantages; mirror_step: t at the start; value_clip: how far values
    may move in a batch, less as training goes on; decay_updates: updates until all steps are zero (the paper's K)."""

    discount: float = 0.99
    trace: float = 0.95
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    mirror_step: float = 1.0
    value_clip: float = 0.2
    gradient_clip: float = 0.5
    decay_updates: float = 4883.0


RECIPE = Recipe(
    actor=(surrogates.linear, surrogates.mirror),
    critic=(surrogates.near_value_error,),
    scale_batch=surrogates.standardised,
)


def mdpo(
    spec: Spec, *, width: int = 64, depth: int = 2, steps: int = 10, passes: int = 5, minibatches: int = 16,
    normalise: bool = True,
) -> Algorithm:  # fmt: skip
    """`steps` of the actor on a whole batch (m of the paper), then `passes` of the critic in `minibatches`."""
    stages = Stage(("actor",), steps), Stage(("critic",), passes, minibatches)
    return policy_gradient(spec, RECIPE, stages, width=width, depth=depth, normalise=normalise)


PAPER = Paper(
    "arXiv:2005.09814",
    "Mirror Descent Policy Optimization",
    "Manan Tomar and Lior Shani and Yonathan Efroni and Mohammad Ghavamzadeh",
    2022,
)
CARD = Card(
    "mdpo", "online", mdpo, Hyper, PAPER, actions=("continuous", "discrete"), batch=0,
    collect=functools.partial(rollouts, envs=8, length=256),
)  # fmt: skip
