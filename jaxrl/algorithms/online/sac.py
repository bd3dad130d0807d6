"""SAC: soft actor-critic whose temperature is learned (arXiv:1812.05905).

Departures: one update of critics, actor and temperature per call, in this order, each seeing those before it; the
paper takes all gradients first. The logarithm of the spread is held between -5 and 2, the authors' code holds it above
-20. The authors' warm-up of 10,000 random steps is kept; 5,000 are common too.
"""

import functools

import jax
import jax.numpy as jnp

from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Kit, Recipe, actor_critic
from jaxrl.compose.learn import Part
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.networks import basic, heads
from jaxrl.sources.replay import replay


@hyper
class Hyper:
    """Numbers of SAC. entropy_per_dimension: the entropy that the temperature aims at, per action dimension."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    temperature_lr: float = 3e-4
    polyak: float = 0.005
    entropy_per_dimension: float = -1.0


RECIPE = Recipe(
    backup=(terms.pessimistic, terms.entropy_bonus),
    actor=(terms.maximise_min_q, terms.entropy_cost),
    slow_actor=False,
)


def temperature(kit: Kit, every: int = 1) -> Part:
    """Log of the entropy weight, moved until the policy has the wanted entropy (arXiv:1812.05905, eq. 18)."""
    number = basic.scalar()

    def loss(log_temperature, state, hyper, batch, key):
        action, log_prob = kit.pi.propose(state.params["actor"], key, batch.obs)
        wanted = hyper.entropy_per_dimension * action.shape[-1]
        return -log_temperature * jax.lax.stop_gradient(log_prob + wanted), {"temperature": jnp.exp(log_temperature)}

    return Part(number.init, loss, lambda h, n: h.temperature_lr, every=every)


def soft_actor_critic(spec: Spec, recipe: Recipe, others={}, delay: int = 1, **structure) -> Algorithm:
    """SAC's networks around any recipe: squashed Gaussian actor, temperature part, targets moved at every update.

    Actor and temperature are updated on every `delay`-th call.
    """
    parts = {"temperature": functools.partial(temperature, every=delay), **others}
    return actor_critic(spec, recipe, head=heads.tanh_gaussian, delay=delay, target_delay=1, others=parts, **structure)


def sac(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2) -> Algorithm:
    """Squashed Gaussian actor, `critics` critics of which the smallest counts."""
    return soft_actor_critic(spec, RECIPE, width=width, depth=depth, critics=critics)


PAPER = Paper(
    "arXiv:1812.05905",
    "Soft Actor-Critic Algorithms and Applications",
    "Tuomas Haarnoja and Aurick Zhou and Kristian Hartikainen and George Tucker and Sehoon Ha and Jie Tan and "
    "Vikash Kumar and Henry Zhu and Abhishek Gupta and Pieter Abbeel and Sergey Levine",
    2018,
)
CARD = Card("sac", "online", sac, Hyper, PAPER, collect=functools.partial(replay, warmup=10_000))
