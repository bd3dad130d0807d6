"""RIQL: IQL with normalised observations, a Huber loss and a quantile of many critics (arXiv:2310.12955).

Departures: in the authors' code the critics' target and the actor's weight are of the value network before its step,
here as in IQL after it; there observations are normalised by the statistics of the logged ones and their successors,
here of the logged ones alone. Defaults lie in the middle of those that the authors choose for each corruption and
environment: sigma 0.1 to 3, quantile 0.1 to 0.5, 3 or 5 critics. Targets are bounded for rewards of about 1 a step.
"""

import jax.numpy as jnp

from jaxrl.algorithms.offline import iql
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.losses.value import huber
from jaxrl.networks import heads


@hyper
class Hyper(iql.Hyper):
    """IQL's numbers. sigma: errors beyond 1 / sigma^2 count linearly. quantile: alpha, of the critics' values.

    target_low, target_high: bounds of what the critics are fitted to.
    """

    actor_decay_updates: float = 3e6
    sigma: float = 1.0
    quantile: float = 0.25
    target_low: float = -100.0
    target_high: float = 1000.0


def scaled_huber(hyper, gap):
    """Mean over members [E, B] of x^2 / (2 d) up to d = 1 / sigma^2, |x| - d / 2 beyond; [B] (eq. 7)."""
    return (huber(gap, hyper.sigma**-2) * hyper.sigma**2).mean(0)


CHOICES = iql.Choices(
    together=lambda hyper, q: jnp.quantile(q, hyper.quantile, axis=0),
    critic=scaled_huber,
    bound=lambda hyper, target: jnp.clip(target, hyper.target_low, hyper.target_high),
)


def riql(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 5, deterministic: bool = True) -> Algorithm:
    """An actor that clones by squared distance (or a Gaussian one, by likelihood), one value network, K critics."""
    pi = (heads.deterministic if deterministic else heads.gaussian)(spec, width=width, depth=depth)
    return iql.of(CHOICES, spec, pi, width=width, depth=depth, critics=critics)


PAPER = Paper(
    "arXiv:2310.12955",
    "Towards Robust Offline Reinforcement Learning under Diverse Data Corruption",
    "Rui Yang and Han Zhong and Jiawei Xu and Amy Zhang and Chongjie Zhang and Lei Han and Tong Zhang",
    2023,
)
CARD = Card("riql", "offline", riql, Hyper, PAPER, prepare=prepare.standardised)
