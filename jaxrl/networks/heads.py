"""Actor heads: what turns features into an action and its density."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Spec
from jaxrl.networks import basic, laws
from jaxrl.networks.laws import normal_log_prob


class Head(NamedTuple):
    """An actor.

    propose: (params, key, obs [..., D]) -> (action, log_prob [...]), one sample with gradients where they exist.
    mode: (params, obs) -> the most likely action.
    log_prob: (params, obs, action) -> [...]; None for a head without a density.
    law: its family of densities, for learners that ask for several things of one density.
    """

    init: Callable
    propose: Callable
    mode: Callable
    log_prob: Callable | None = None
    law: laws.Law | None = None


def deterministic(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Head:
    """tanh actor; by convention its proposals have log-probability zero."""
    net = basic.mlp(spec.obs, (width,) * depth, spec.action, **options)

    def mode(params, obs):
        return jnp.tanh(net.apply(params, obs))

    return Head(net.init, lambda params, key, obs: (mode(params, obs), jnp.zeros(obs.shape[:-1])), mode)


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


def diagonal_gaussian(
    spec: Spec, *, width: int = 64, depth: int = 2, log_std: tuple[float, float] = (-5.0, 2.0), **options
) -> Head:
    """Gaussian with an unbounded mean and one trained spread per dimension, which starts at one (PPO, A2C).

    Proposals may lie beyond [-1, 1]: walkers clip what the environment is given, the density is that of the proposal.
    """
    net = basic.mlp(spec.obs, (width,) * depth, spec.action, **options)

    def init(key):
        return {"mean": net.init(key), "log_std": jnp.zeros((spec.action,))}

    def parameters(params, obs):
        mean = net.apply(params["mean"], obs)
        return mean, jnp.broadcast_to(jnp.clip(params["log_std"], *log_std), mean.shape)

    law = laws.normal(parameters)

    def propose(params, key, obs):
        mean, spread = parameters(params, obs)
        z = jax.random.normal(key, mean.shape)
        return mean + jnp.exp(spread) * z, normal_log_prob(z, spread)

    def log_prob(params, obs, action):
        return law.log_prob(parameters(params, obs), action)

    def mode(params, obs):
        return jnp.clip(parameters(params, obs)[0], -1, 1)

    return Head(init, propose, mode, log_prob, law)


def categorical(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Head:
    """Softmax over discrete actions."""
    net = basic.mlp(spec.obs, (width,) * depth, spec.action, **options)

    def logs(params, obs):
        return jax.nn.log_softmax(net.apply(params, obs))

    law = laws.softmax(logs)

    def propose(params, key, obs):
        logits = logs(params, obs)
        action = jax.random.categorical(key, logits).astype(jnp.int32)
        return action, law.log_prob(logits, action)

    def mode(params, obs):
        return net.apply(params, obs).argmax(-1).astype(jnp.int32)

    def log_prob(params, obs, action):
        return law.log_prob(logs(params, obs), action)

    return Head(net.init, propose, mode, log_prob, law)
