"""DQN: deep Q-learning with a replay memory and a target copy (doi 10.1038/nature14236), n-step targets by choice.

Departures: the paper's sizes are for images of Atari games; the defaults here are those of CleanRL for classic
control (Adam at 2.5e-4, a ring of 10,000 steps, 10 steps an update, a copy every 500 steps). Errors are clipped far
out, where the paper clips them at 1: medians do not see rare endings, and CartPole's values then grow without bound
(300 after 1,200 updates, where 100 is the most that can be). Episodes that are cut bootstrap from their last state.
`steps` > 1 gives uncorrected n-step targets (Rainbow, arXiv:1710.02298).
"""

import functools

from jaxrl.compose.q_learning import Recipe, q_learning
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.sources.replay import replay


@hyper
class Hyper:
    """Numbers of DQN. error_clip: errors beyond it count linearly; explore_*: share of random actions, in updates."""

    discount: float = 0.99
    critic_lr: float = 2.5e-4
    error_clip: float = 100.0
    explore_from: float = 1.0
    explore_to: float = 0.05
    explore_updates: float = 25_000.0


RECIPE = Recipe()
COLLECT = functools.partial(replay, capacity=10_000, envs=1, per=10, warmup=10_000)


def dqn(spec: Spec, *, width: int = 120, depth: int = 2, copy_every: int = 50) -> Algorithm:
    """One network of action values and a copy of it, renewed every `copy_every` updates."""
    return q_learning(spec, RECIPE, width=width, depth=depth, copy_every=copy_every)


PAPER = Paper(
    "10.1038/nature14236",
    "Human-level control through deep reinforcement learning",
    "Volodymyr Mnih and Koray Kavukcuoglu and David Silver and Andrei A. Rusu and Joel Veness and others",
    2015,
)
CARD = Card("dqn", "online", dqn, Hyper, PAPER, actions=("discrete",), batch=128, collect=COLLECT)
