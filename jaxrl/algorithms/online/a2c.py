"""A2C: synchronous advantage actor-critic (the A3C of arXiv:1602.01783 without its threads).

Departures: environments step together instead of in threads that overwrite one another's gradients, so statistics of
RMSProp are shared as in the paper's best variant; actor and critic are networks of their own, with an optimiser each
and gradients clipped apart; step size, RMSProp's epsilon and the clipping norm are those of released code, where the
paper draws the step size anew for every run. Episodes that are cut bootstrap from their last state.
"""

import functools

import optax

from jaxrl.compose import surrogates
from jaxrl.compose.policy_gradient import Recipe, Stage, policy_gradient
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.returns import gae
from jaxrl.sources.rollouts import rollouts


@hyper
class Hyper:
    """Numbers of A2C. decay_updates: updates until step sizes are zero."""

    discount: float = 0.99
    actor_lr: float = 7e-4
    critic_lr: float = 7e-4
    entropy_weight: float = 0.01
    gradient_clip: float = 0.5
    decay_updates: float = 1e6


def to_batch_end(hyper, *steps):
    """Returns up to the end of the batch, with the last value behind them, less the value (appendix, algorithm S3)."""
    return gae(*steps, discount=hyper.discount, trace=1.0)


RECIPE = Recipe(
    actor=(surrogates.likelihood, surrogates.entropy_bonus),
    estimate=to_batch_end,
    optimiser=functools.partial(optax.rmsprop, decay=0.99, eps=1e-5),
)


def a2c(spec: Spec, *, width: int = 64, depth: int = 2, normalise: bool = False) -> Algorithm:
    """One step of actor and critic on every batch."""
    return policy_gradient(spec, RECIPE, (Stage(("actor", "critic")),), width=width, depth=depth, normalise=normalise)


PAPER = Paper(
    "arXiv:1602.01783",
    "Asynchronous Methods for Deep Reinforcement Learning",
    "Volodymyr Mnih and Adrià Puigdomènech Badia and Mehdi Mirza and Alex Graves and Timothy P. Lillicrap and "
    "Tim Harley and David Silver and Koray Kavukcuoglu",
    2016,
)
CARD = Card(
    "a2c", "online", a2c, Hyper, PAPER, actions=("continuous", "discrete"), batch=0,
    collect=functools.partial(rollouts, envs=16, length=5),
)  # fmt: skip
