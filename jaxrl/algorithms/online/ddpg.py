"""DDPG: deep deterministic policy gradient (arXiv:1509.02971), in the re-tuned form that TD3's authors compare with.

Departures: all of TD3's authors' code: both networks 2 x 256 at 3e-4 (400 and 300; 1e-4 and 1e-3), no
weight decay (1e-2), batches of 256 (64), targets moved by 0.005 (0.001), Gaussian exploration noise (correlated), no
batch normalisation. The warm-up of 25,000 random steps is TD3's.
"""

import functools

from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Recipe, actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.sources.replay import replay


@hyper
class Hyper:
    """Numbers of DDPG. explore_noise: standard deviation of the noise on actions when collecting."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    polyak: float = 0.005
    explore_noise: float = 0.1


RECIPE = Recipe(backup=(terms.pessimistic,), actor=(terms.maximise_q,))
COLLECT = functools.partial(replay, warmup=25_000)


def ddpg(spec: Spec, *, width: int = 256, depth: int = 2) -> Algorithm:
    """Deterministic actor, one critic; both, and their targets, at every update."""
    return actor_critic(spec, RECIPE, width=width, depth=depth, critics=1, delay=1)


PAPER = Paper(
    "arXiv:1509.02971",
    "Continuous control with deep reinforcement learning",
    "Timothy P. Lillicrap and Jonathan J. Hunt and Alexander Pritzel and Nicolas Heess and Tom Erez and Yuval Tassa "
    "and David Silver and Daan Wierstra",
    2015,
)
CARD = Card("ddpg", "online", ddpg, Hyper, PAPER, collect=COLLECT)
