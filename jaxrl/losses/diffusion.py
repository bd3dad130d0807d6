"""Denoising diffusion as Elucidated Diffusion Models have it (EDM, arXiv:2206.00364), for rows and for windows.

A denoiser maps noisy samples x [B, ...] with noise levels sigma [B] to an estimate of the clean ones [B, ...].
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Denoiser = Callable[[jax.Array, jax.Array], jax.Array]


class Noise(NamedTuple):
    """Levels of noise, as standard deviations (EDM, table 1).

    sigma_min, sigma_max, rho: of the sampler's levels. sigma_data: standard deviation of the data per dimension.
    mean, std: of the natural logarithm of the levels that are trained on.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0
    sigma_data: float = 1.0
    mean: float = -1.2
    std: float = 1.2


def along(sigma, x):
    """sigma [B] with axes of length one appended, to multiply x [B, ...]."""
    return sigma.reshape(sigma.shape + (1,) * (x.ndim - sigma.ndim))


def preconditioned(network: Callable, noise: Noise) -> Denoiser:
    """Denoiser made of network(scaled x [B, ...], c_noise [B]) -> [B, ...], whose inputs and targets have unit size.

    EDM, eq. 7 and table 1: denoise(x [B, ...], sigma [B]) -> [B, ...].
    """

    def denoise(x, sigma):
        square = jnp.square(sigma) + noise.sigma_data**2
        skip, out = noise.sigma_data**2 / square, sigma * noise.sigma_data * jax.lax.rsqrt(square)
        raw = network(along(jax.lax.rsqrt(square), x) * x, jnp.log(sigma) / 4)
        return along(skip, x) * x + along(out, x) * raw

    return denoise


def loss_weight(noise: Noise, sigma):
    """Weight of a squared error at sigma [B], so that the network's own error counts equally everywhere; [B].

    EDM, table 1: (sigma^2 + sigma_data^2) / (sigma sigma_data)^2.
    """
    return (jnp.square(sigma) + noise.sigma_data**2) / jnp.square(sigma * noise.sigma_data)


def denoising_loss(denoise: Denoiser, noise: Noise, key, x):
    """Weighted squared error of estimates from noisy x [B, ...], one level a row; (mean scalar, per row [B]).

    EDM, eq. 2 and 3 with log-normal levels; a row's error is the mean over its dimensions.
    """
    k_level, k_noise = jax.random.split(key)
    sigma = jnp.exp(noise.mean + noise.std * jax.random.normal(k_level, x.shape[:1]))
    estimate = denoise(x + along(sigma, x) * jax.random.normal(k_noise, x.shape), sigma)
    errors = jnp.square(estimate - x).reshape(x.shape[0], -1).mean(-1)
    losses = loss_weight(noise, sigma) * errors
    return losses.mean(), losses


def noise_levels(noise: Noise, steps: int):
    """The sampler's levels from sigma_max down to sigma_min and then 0; [steps + 1] (EDM, eq. 5)."""
    low, high = noise.sigma_min ** (1 / noise.rho), noise.sigma_max ** (1 / noise.rho)
    levels = (high + jnp.linspace(0.0, 1.0, steps) * (low - high)) ** noise.rho
    return jnp.append(levels, 0.0)


def churned(noise: Noise, steps: int, churn, s_min, s_max):
    """Relative rise of the noise before each step: min(churn / steps, sqrt 2 - 1) within [s_min, s_max], else 0.

    [steps]; EDM, algorithm 2.
    """
    levels = noise_levels(noise, steps)[:-1]
    return jnp.where((levels >= s_min) & (levels <= s_max), jnp.minimum(churn / steps, math.sqrt(2.0) - 1), 0.0)


def heun(
    denoise: Denoiser,
    noise: Noise,
    key,
    x_shape: tuple[int, ...],
    steps: int,
    *,
    churn=0.0,
    s_min=0.0,
    s_max=math.inf,
    s_noise=1.0,
    guide: Callable | None = None,
    nudge: Callable | None = None,
):
    """Samples of shape x_shape [B, ...] by the stochastic second-order sampler (EDM, algorithm 2).

    steps: levels, of which the last takes one call of the denoiser, the others two.
    churn, s_min, s_max, s_noise: how much fresh noise is added, between which levels, and its inflation.
    guide: (x_hat, denoised, sigma [B]) -> the estimate to follow instead, at every call.
    nudge: (i, x, sigma [B]) -> x moved before step i; not called before the last one.
    """
    levels, rises = noise_levels(noise, steps), churned(noise, steps, churn, s_min, s_max)
    k_start, k_churn = jax.random.split(key)

    def slope(x, sigma):
        row = jnp.full(x.shape[:1], sigma)
        estimate = denoise(x, row)
        return (x - (guide(x, estimate, row) if guide else estimate)) / sigma

    def lifted(i, x):
        extra = s_noise * levels[i] * jnp.sqrt(rises[i] * (2 + rises[i]))
        return x + extra * jax.random.normal(jax.random.fold_in(k_churn, i), x.shape), levels[i] * (1 + rises[i])

    def step(x, i):
        x = nudge(i, x, jnp.full(x.shape[:1], levels[i])) if nudge else x
        x_hat, sigma = lifted(i, x)
        first, width = slope(x_hat, sigma), levels[i + 1] - sigma
        second = slope(x_hat + width * first, levels[i + 1])
        return x_hat + width * (first + second) / 2, None

    x = levels[0] * jax.random.normal(k_start, x_shape)
    x, _ = jax.lax.scan(step, x, jnp.arange(steps - 1))
    x_hat, sigma = lifted(steps - 1, x)
    return x_hat - sigma * slope(x_hat, sigma)
