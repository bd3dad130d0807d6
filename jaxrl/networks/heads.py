"""Actor heads: what turns features into an action and its density."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Spec
from jaxrl.networks import basic


class Head(NamedTuple):
    """An actor.

    propose: (params, key, obs [..., D]) -> (action, log_prob [...]), one sample with gradients where they exist.
    mode: (params, obs) -> the most likely action.
    log_prob: (params, obs, action) -> [...]; None for a head without a density.
    """

    init: Callable
    propose: Callable
    mode: Callable
    log_prob: Callable | None = None


def deterministic(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Head:
    """tanh actor; by convention its proposals have log-probability zero."""
    net = basic.mlp(spec.obs, (width,) * depth, spec.action, **options)

    def mode(params, obs):
        return jnp.tanh(net.apply(params, obs))

    return Head(net.init, lambda params, key, obs: (mode(params, obs), jnp.zeros(obs.shape[:-1])), mode)


def normal_log_prob(z, log_std):
    """Log-density of a diagonal Gaussian at mean + std z; z, log_std [..., A] -> [...]."""
    return (-0.5 * jnp.square(z) - log_std - 0.5 * jnp.log(2 * jnp.pi)).sum(-1)


def tanh_gaussian(
    spec: Spec, *, width: int = 256, depth: int = 2, log_std: tuple[float, float] = (-5.0, 2.0), **options
) -> Head:
    """Gaussian squashed by tanh, with a spread that depends on the state (SAC, arXiv:1812.05905, appendix C)."""
    net = basic.mlp(spec.obs, (width,) * depth, 2 * spec.action, **options)

    def parameters(params, obs):
        mean, spread = jnp.split(net.apply(params, obs), 2, -1)
        return mean, jnp.clip(spread, *log_std)

    def squashing(raw):
        return (2 * (jnp.log(2.0) - raw - jax.nn.softplus(-2 * raw))).sum(-1)

    def propose(params, key, obs):
        mean, spread = parameters(params, obs)
        z = jax.random.normal(key, mean.shape)
        raw = mean + jnp.exp(spread) * z
        return jnp.tanh(raw), normal_log_prob(z, spread) - squashing(raw)

    def log_prob(params, obs, action):
        mean, spread = parameters(params, obs)
        raw = jnp.arctanh(jnp.clip(action, -1 + 1e-5, 1 - 1e-5))
        return normal_log_prob((raw - mean) * jnp.exp(-spread), spread) - squashing(raw)

    return Head(net.init, propose, lambda params, obs: jnp.tanh(parameters(params, obs)[0]), log_prob)


def gaussian(
    spec: Spec, *, width: int = 256, depth: int = 2, log_std: tuple[float, float] = (-5.0, 2.0), **options
) -> Head:
    """Gaussian around a tanh mean with one trained spread per dimension; proposals are clipped to [-1, 1].

    The density is that of the unclipped Gaussian (IQL and AWAC; a squashed density hurts there).
    """
    net = basic.mlp(spec.obs, (width,) * depth, spec.action, **options)

    def init(key):
        return {"mean": net.init(key), "log_std": jnp.zeros((spec.action,))}

    def mean(params, obs):
        return jnp.tanh(net.apply(params["mean"], obs))

    def propose(params, key, obs):
        centre = mean(params, obs)
        spread = jnp.broadcast_to(jnp.clip(params["log_std"], *log_std), centre.shape)
        z = jax.random.normal(key, centre.shape)
        return jnp.clip(centre + jnp.exp(spread) * z, -1, 1), normal_log_prob(z, spread)

    def log_prob(params, obs, action):
        centre = mean(params, obs)
        spread = jnp.broadcast_to(jnp.clip(params["log_std"], *log_std), centre.shape)
        return normal_log_prob((action - centre) * jnp.exp(-spread), spread)

    return Head(init, propose, mean, log_prob)


def categorical(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Head:
    """Softmax over discrete actions."""
    net = basic.mlp(spec.obs, (width,) * depth, spec.action, **options)

    def log_prob(params, obs, action):
        logits = jax.nn.log_softmax(net.apply(params, obs))
        return jnp.take_along_axis(logits, action[..., None], -1)[..., 0]

    def propose(params, key, obs):
        action = jax.random.categorical(key, net.apply(params, obs)).astype(jnp.int32)
        return action, log_prob(params, obs, action)

    def mode(params, obs):
        return net.apply(params, obs).argmax(-1).astype(jnp.int32)

    return Head(net.init, propose, mode, log_prob)
