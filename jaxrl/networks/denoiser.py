"""Networks that take a noise level beside their input."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl.networks.basic import Network


class Fourier(nn.Module):
    """A level [B] with sines and cosines of random multiples of it, which are never trained; [B, 2 waves + 1]."""

    waves: int = 8

    @nn.compact
    def __call__(self, level):
        frequency = self.param("frequency", nn.initializers.normal(1.0), (self.waves,))
        angle = 2 * jnp.pi * level[:, None] * jax.lax.stop_gradient(frequency)[None]
        return jnp.concatenate([level[:, None], jnp.sin(angle), jnp.cos(angle)], -1)


class ResidualDenoiser(nn.Module):
    """Residual perceptron on rows with the noise level added to the first layer (SynthER, arXiv:2303.06614).

    x [B, D], level [B] -> [B, D]. width: of the `blocks` residual layers; embedding: of what goes into them.
    """

    width: int
    blocks: int
    embedding: int = 128

    @nn.compact
    def __call__(self, x, level):
        time = nn.Dense(self.embedding)(nn.silu(nn.Dense(self.embedding)(Fourier()(level))))
        h = nn.Dense(self.width)(nn.Dense(self.embedding)(x) + time)
        for _ in range(self.blocks):
            h = h + nn.Dense(self.width)(nn.relu(h))
        return nn.Dense(x.shape[-1])(nn.relu(h))


def residual_denoiser(columns: int, *, width: int = 1024, blocks: int = 6, embedding: int = 128) -> Network:
    """`ResidualDenoiser` for rows of that many columns: apply(params, x [B, D], level [B]) -> [B, D]."""
    module = ResidualDenoiser(width, blocks, embedding)
    return Network(
        lambda key: module.init(key, jnp.zeros((1, columns)), jnp.zeros((1,)))["params"],
        lambda params, x, level: module.apply({"params": params}, x, level),
    )
