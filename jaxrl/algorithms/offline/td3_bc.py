"""TD3+BC: TD3 whose actor also clones the data (arXiv:2106.06860).

Departures: none from the paper. As in the authors' code the cloning term averages over action dimensions, only the
first critic drives the actor, and targets move on the actor's updates.
"""

import jax
import jax.numpy as jnp

from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Recipe, actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare


@hyper
class Hyper:
    """Numbers of TD3+BC. q_scale: alpha of the paper; explore_noise: standard deviation when collecting."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    polyak: float = 0.005
    smooth_noise: float = 0.2
    smooth_clip: float = 0.5
    explore_noise: float = 0.1
    q_scale: float = 2.5


def smooth(key, hyper, action):
    """Clipped Gaussian noise on the target action (TD3, arXiv:1802.09477, eq. 14)."""
    noise = hyper.smooth_noise * jax.random.normal(key, action.shape)
    return jnp.clip(action + jnp.clip(noise, -hyper.smooth_clip, hyper.smooth_clip), -1, 1)


RECIPE = Recipe(backup=(terms.pessimistic,), actor=(terms.maximise_scaled_q, terms.clone), perturb=smooth)


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
