"""REINFORCE: the likelihood-ratio gradient of whole episodes' returns, less a baseline (doi:10.1007/BF00992696).

A batch holds several episodes of each environment. Where it ends in the middle of one, what is still to come counts
with the baseline's value of the last state: leaving such steps out would prefer short episodes. The next batch goes on
with the episode. The same holds where a time limit cuts an episode.

Departures: the baseline is a network, fitted to the same returns after the actor's step; rewards before an action do
not count for it, and those after it are discounted; Adam, with clipped gradients, for plain gradient ascent.
"""

import functools

from jaxrl.algorithms.online import a2c
from jaxrl.compose import surrogates
from jaxrl.compose.policy_gradient import Recipe, Stage, policy_gradient
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.sources.rollouts import rollouts


@hyper
class Hyper:
    """Numbers of REINFORCE. critic_lr: of the baseline; decay_updates: updates until step sizes are zero."""

    discount: float = 0.99
    actor_lr: float = 3e-3
    critic_lr: float = 3e-3
    gradient_clip: float = 0.5
    decay_updates: float = 1e6


RECIPE = Recipe(actor=(surrogates.likelihood,), estimate=a2c.to_batch_end)


def reinforce(
    spec: Spec, *, width: int = 64, depth: int = 2, passes: int = 5, minibatches: int = 4, normalise: bool = False
) -> Algorithm:
    """One step of the actor on a whole batch, then `passes` of the baseline over it in shuffled `minibatches`."""
    stages = Stage(("actor",)), Stage(("critic",), passes, minibatches)
    return policy_gradient(spec, RECIPE, stages, width=width, depth=depth, normalise=normalise)


PAPER = Paper(
    "10.1007/BF00992696",
    "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning",
    "Ronald J. Williams",
    1992,
)
CARD = Card(
    "reinforce", "online", reinforce, Hyper, PAPER, actions=("continuous", "discrete"), batch=0,
    collect=functools.partial(rollouts, envs=8, length=512),
)  # fmt: skip
