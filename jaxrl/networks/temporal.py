"""A U-Net over time for noisy windows of steps."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.networks.basic import Network

GROUPS = 8
"""Groups of channels that are normalised together."""


def waves(level, width: int):
    """Sines and cosines [B, width] of a level [B], at `width` / 2 frequencies from 1 down to 1e-4."""
    half = width // 2
    frequency = jnp.exp(-jnp.log(10_000.0) * jnp.arange(half) / max(half - 1, 1))
    angle = level[:, None] * frequency[None]
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)


def normalised(x):
    """ReLU of x [B, T, D] after group norm; called inside a compact module."""
    return nn.relu(nn.GroupNorm(num_groups=GROUPS)(x))


def products(x, kernel):
    """Convolution over time of x [B, T, D] with kernel [K, D, W], padded to the same length, as one matrix product."""
    size, before = len(kernel), (len(kernel) - 1) // 2
    padded = jnp.pad(x, ((0, 0), (before, size - 1 - before), (0, 0)))
    beside = jnp.concatenate([padded[:, i : i + x.shape[1]] for i in range(size)], -1)
    return beside @ kernel.reshape(-1, kernel.shape[-1])


@jax.custom_batching.custom_vmap
def library(x, kernel):
    """`products` by XLA's convolution, which is the faster for one kernel; for one a seed it is the slower."""
    return jax.lax.conv_general_dilated(x, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"))


@library.def_vmap
def _over_seeds(size, batched, x, kernel):
    one = products if batched[1] else library.fun
    return jax.vmap(one, [0 if axis else None for axis in batched])(x, kernel), True


@jax.custom_vjp
def convolved(x, kernel):
    """`products`, whose gradient in loops is not left to XLA: on CPUs it makes slow plain loops of it."""
    return library(x, kernel)


convolved.defvjp(
    lambda x, kernel: (library(x, kernel), (x, kernel)), lambda kept, change: jax.vjp(products, *kept)[1](change)
)


class Conv(nn.Module):
    """Convolution over time of x [B, T, D] with `width` filters of `size` steps, padded to the same length."""

    width: int
    size: int

    @nn.compact
    def __call__(self, x):
        shape = (self.size, x.shape[-1], self.width)
        kernel = self.param("kernel", nn.linear.default_kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,))
        return convolved(x, kernel) + bias[None, None]


class TemporalUNet(nn.Module):
    """x [B, T, D], level [B] -> [B, T, D]; halves the time and doubles the width from block to block.

    Source: Policy-Guided Diffusion (arXiv:2404.06356), appendix. width: of the first of `blocks`.
    """

    width: int
    blocks: int

    @nn.compact
    def __call__(self, x, level):
        embedded = nn.Dense(self.width)(waves(level, self.width // 4))
        embedded = nn.silu(nn.Dense(self.width)(nn.silu(embedded)))
        outputs, kept = x.shape[-1], []
        for i in range(self.blocks):
            width = self.width * 2**i
            x = normalised(Conv(width, 3)(x) + nn.Dense(width)(embedded)[:, None])
            x = normalised(Conv(width, 3)(x))
            kept.append(x)
            x = nn.max_pool(x, (2,), (2,), padding="SAME") if i + 1 < self.blocks else x
        x = kept[-1]
        for i in reversed(range(self.blocks - 1)):
            width = self.width * 2**i
            x = jnp.repeat(x, 2, 1)[:, : kept[i].shape[1]]
            x = normalised(Conv(width, 2)(x) + nn.Dense(width)(embedded)[:, None])
            x = normalised(Conv(width, 3)(jnp.concatenate([x, kept[i]], -1)))
            x = normalised(Conv(width, 3)(x))
        return nn.Dense(outputs)(x)


def temporal_unet(columns: int, *, width: int = 1024, blocks: int = 3) -> Network:
    """`TemporalUNet` for windows of that many columns: apply(params, x [B, T, D], level [B]) -> [B, T, D].

    Raises InputError for a width that its groups do not divide.
    """
    if width % GROUPS:
        raise InputError(f"generator width {width} is no multiple of {GROUPS}, the groups of its normalisation")
    module = TemporalUNet(width, blocks)
    return Network(
        lambda key: module.init(key, jnp.zeros((1, 2**blocks, columns)), jnp.zeros((1,)))["params"],
        lambda params, x, level: module.apply({"params": params}, x, level),
    )
