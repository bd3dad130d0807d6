"""Families of densities in closed form."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp


class Law(NamedTuple):
    """A family of densities, by the numbers that fix one of them: logits, or mean and log-spread.

    A learner that asks for several things of one density computes its numbers once.
    numbers: (params, obs [..., D]) -> tree of [..., A].    log_prob: (numbers, action) -> [...].
    entropy: numbers -> [...].    kl: (numbers, others) -> KL divergence [...] of the first from the second.
    """

    numbers: Callable
    log_prob: Callable
    entropy: Callable
    kl: Callable


def normal(numbers: Callable) -> Law:
    """Diagonal Gaussians; numbers: (params, obs) -> (mean, log_std), [..., A] each."""

    def log_prob(numbers, action):
        mean, log_std = numbers
        return normal_log_prob((action - mean) * jnp.exp(-log_std), log_std)

    def entropy(numbers):
        return (numbers[1] + 0.5 * jnp.log(2 * jnp.pi * jnp.e)).sum(-1)

    def kl(numbers, others):
        (mean, log_std), (other_mean, other_log_std) = numbers, others
        moved = jnp.square((mean - other_mean) * jnp.exp(-other_log_std))
        wider = jnp.exp(2 * (log_std - other_log_std))
        return 0.5 * (moved + wider - 1 - 2 * (log_std - other_log_std)).sum(-1)

    return Law(numbers, log_prob, entropy, kl)


def normal_log_prob(z, log_std):
    """Log-density of a diagonal Gaussian at mean + std z; z, log_std [..., A] -> [...]."""
    return (-0.5 * jnp.square(z) - log_std - 0.5 * jnp.log(2 * jnp.pi)).sum(-1)


def softmax(numbers: Callable) -> Law:
    """Classes; numbers: (params, obs) -> logarithms of the probabilities [..., A]."""

    def log_prob(logs, action):
        return jnp.take_along_axis(logs, action[..., None], -1)[..., 0]

    def entropy(logs):
        return -(jnp.exp(logs) * logs).sum(-1)

    def kl(logs, others):
        return (jnp.exp(logs) * (logs - others)).sum(-1)

    return Law(numbers, log_prob, entropy, kl)
