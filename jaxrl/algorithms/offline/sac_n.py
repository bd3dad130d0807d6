"""SAC-N: soft actor-critic with the minimum over N critics (arXiv:2110.01548, section 4).

Departures: one update of critics, actor and temperature per call, in this order; the authors' code steps the
temperature first. N = 10 by default (halfcheetah); the paper uses up to 500.
"""

import jax
import jax.numpy as jnp

from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Kit, Recipe, actor_critic
from jaxrl.compose.learn import Part
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.networks import basic, heads


@hyper
class Hyper:
    """Numbers of SAC-N. entropy_per_dimension: the entropy that the temperature aims at, per action dimension."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    temperature_lr: float = 3e-4
    polyak: float = 0.005
    entropy_per_dimension: float = -1.0
    explore_noise: float = 0.0


RECIPE = Recipe(
    backup=(terms.pessimistic, terms.entropy_bonus),
    actor=(terms.maximise_min_q, terms.entropy_cost),
    slow_actor=False,
)


def temperature(kit: Kit) -> Part:
    """Log of the entropy weight, moved until the policy has the wanted entropy (arXiv:1812.05905, eq. 18)."""
    number = basic.scalar()

    def loss(log_temperature, state, hyper, batch, key):
        action, log_prob = kit.pi.propose(state.params["actor"], key, batch.obs)
        wanted = hyper.entropy_per_dimension * action.shape[-1]
        return -log_temperature * jax.lax.stop_gradient(log_prob + wanted), {"temperature": jnp.exp(log_temperature)}

    return Part(number.init, loss, lambda h, n: h.temperature_lr)


def soft_actor_critic(spec: Spec, recipe: Recipe, others={}, **structure) -> Algorithm:
    """SAC's networks around any recipe: squashed Gaussian actor, temperature part, targets moved at every update."""
    parts = {"temperature": temperature, **others}
    return actor_critic(spec, recipe, head=heads.tanh_gaussian, delay=1, others=parts, **structure)


def ends(limit: float) -> dict:
    """The authors' initialisation: biases 0.1, last layer uniform within `limit`."""
    last = basic.within(limit)
    return {"bias": basic.constant(0.1), "last_kernel": last, "last_bias": last}


def sac_n(spec: Spec, *, width: int = 256, depth: int = 3, critics: int = 10) -> Algorithm:
    """Squashed Gaussian actor, N critics."""
    return of(RECIPE, spec, width=width, depth=depth, critics=critics)


def of(recipe: Recipe, spec: Spec, **structure) -> Algorithm:
    """SAC-N with another recipe."""
    return soft_actor_critic(spec, recipe, actor_options=ends(1e-3), critic_options=ends(3e-3), **structure)


PAPER = Paper(
    "arXiv:2110.01548",
    "Uncertainty-Based Offline Reinforcement Learning with Diversified Q-Ensemble",
    "Gaon An and Seungyong Moon and Jang-Hyun Kim and Hyun Oh Song",
    2021,
)
CARD = Card("sac_n", "offline", sac_n, Hyper, PAPER, prepare=prepare.raw)
