"""TD3: twin delayed deterministic policy gradient (arXiv:1802.09477).

Departures: as in the authors' code the first critic alone drives the actor, and targets move on the actor's updates.
Sizes and numbers are those of that code (2 x 256 at 3e-4, batches of 256, 25,000 random steps), not the first
version's (400 and 300 at 1e-3, batches of 100).
"""

import jax
import jax.numpy as jnp

from jaxrl.algorithms.online import ddpg
from jaxrl.compose.actor_critic import actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec


@hyper
class Hyper(ddpg.Hyper):
    """DDPG's numbers; smooth_noise, smooth_clip: spread and limit of the noise on target actions."""

    smooth_noise: float = 0.2
    smooth_clip: float = 0.5


def smooth(key, hyper, action):
    """Clipped Gaussian noise on the target action (TD3, arXiv:1802.09477, eq. 14)."""
    noise = hyper.smooth_noise * jax.random.normal(key, action.shape)
    return jnp.clip(action + jnp.clip(noise, -hyper.smooth_clip, hyper.smooth_clip), -1, 1)


RECIPE = ddpg.RECIPE._replace(perturb=smooth)


def td3(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2, delay: int = 2) -> Algorithm:
    """Deterministic actor, twin critics; actor and targets on every `delay`-th update."""
    return actor_critic(spec, RECIPE, width=width, depth=depth, critics=critics, delay=delay)


PAPER = Paper(
    "arXiv:1802.09477",
    "Addressing Function Approximation Error in Actor-Critic Methods",
    "Scott Fujimoto and Herke van Hoof and David Meger",
    2018,
)
CARD = Card("td3", "online", td3, Hyper, PAPER, collect=ddpg.COLLECT)
