"""A variational autoencoder of actions given observations."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Spec
from jaxrl.networks import basic


class Autoencoder(NamedTuple):
    """A model of the actions that are taken in a state; Z is twice the action's length.

    encode: (params, obs [..., D], action [..., A]) -> (mean, log_std) of the code, [..., Z] each.
    decode: (params, obs, code) -> action in [-1, 1].
    """

    init: Callable
    encode: Callable
    decode: Callable

    def rebuild(self, params, key, obs, action):
        """(the action decoded from one sample of its code, divergence [..., Z] of that code's law from a standard one).

        Auto-encoding variational Bayes, arXiv:1312.6114, eq. 10.
        """
        mean, log_std = self.encode(params, obs, action)
        code = mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)
        divergence = 0.5 * (jnp.square(mean) + jnp.exp(2 * log_std) - 1) - log_std
        return self.decode(params, obs, code), divergence


def action_vae(
    spec: Spec, *, width: int = 750, depth: int = 2, log_std: tuple[float, float] = (-4.0, 15.0)
) -> Autoencoder:
    """Gaussian codes, tanh actions; sizes and limits are those of BCQ (arXiv:1812.02900, appendix F)."""
    codes = 2 * spec.action
    encoder = basic.mlp(spec.obs + spec.action, (width,) * depth, 2 * codes)
    decoder = basic.mlp(spec.obs + codes, (width,) * depth, spec.action)

    def init(key):
        k_encoder, k_decoder = jax.random.split(key)
        return {"encoder": encoder.init(k_encoder), "decoder": decoder.init(k_decoder)}

    def encode(params, obs, action):
        mean, spread = jnp.split(encoder.apply(params["encoder"], jnp.concatenate([obs, action], -1)), 2, -1)
        return mean, jnp.clip(spread, *log_std)

    def decode(params, obs, code):
        return jnp.tanh(decoder.apply(params["decoder"], jnp.concatenate([obs, code], -1)))

    return Autoencoder(init, encode, decode)
