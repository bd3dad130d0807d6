"""A guided sampler of trajectories written straight down: the yardstick of benchmarks/speed/guided.py.

Policy-Guided Diffusion (arXiv:2404.06356) with the released rule for a normal actor of spread one, two blocks or more,
for one set of parameters. It takes the parameters of `jaxrl.networks.temporal`.
"""

import math

import jax
import jax.numpy as jnp


def dense(p, x):
    return x @ p["kernel"] + p["bias"]


def convolution(p, x):
    kernel = p["kernel"]
    return jax.lax.conv_general_dilated(x, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")) + p["bias"]


def group_norm(p, x, groups=8):
    y = x.reshape(x.shape[0], x.shape[1], groups, -1)
    mean = y.mean((1, 3), keepdims=True)
    variance = jnp.square(y).mean((1, 3), keepdims=True) - jnp.square(mean)
    return ((y - mean) * jax.lax.rsqrt(variance + 1e-6)).reshape(x.shape) * p["scale"] + p["bias"]


def network(p, x, level, width, blocks):
    half = width // 8
    angle = level[:, None] * jnp.exp(-math.log(10_000) * jnp.arange(half) / max(half - 1, 1))[None]
    t = dense(p["Dense_0"], jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1))
    t = jax.nn.silu(dense(p["Dense_1"], jax.nn.silu(t)))
    layers = iter(range(10**6))
    dense_layers = iter(range(2, 10**6))
    norms = iter(range(10**6))

    def conv(x):
        return convolution(p[f"Conv_{next(layers)}"], x)

    def norm(x):
        return jax.nn.relu(group_norm(p[f"GroupNorm_{next(norms)}"], x))

    def time():
        return dense(p[f"Dense_{next(dense_layers)}"], t)[:, None]

    kept = []
    for _ in range(blocks):
        x = norm(conv(x) + time())
        x = norm(conv(x))
        kept.append(x)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 1), (1, 2, 1), "VALID")
    x = kept[-1]
    for i in reversed(range(blocks - 1)):
        x = jnp.repeat(x, 2, 1)
        x = norm(conv(x) + time())
        x = norm(conv(jnp.concatenate([x, kept[i]], -1)))
        x = norm(conv(x))
    return dense(p[f"Dense_{next(dense_layers)}"], x)


def sample(key, p, actor, mean, std, count, window, obs_size, action_size, width, blocks, levels, coefficient, cosine):
    """`count` scaled windows; actor: layers (kernel, bias) of a tanh perceptron. Draws as `jaxrl.losses.diffusion`."""
    sigmas = (80 ** (1 / 7) + jnp.linspace(0, 1, levels) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    sigmas = jnp.append(sigmas, 0.0)
    gamma = jnp.where((sigmas >= 0.05) & (sigmas <= 50), min(80 / levels, math.sqrt(2) - 1), 0.0)
    k_start, k_churn = jax.random.split(key)
    end = obs_size + action_size

    def denoise(x, sigma):
        square = sigma**2 + 1
        raw = network(p, x / jnp.sqrt(square), jnp.full(x.shape[0], jnp.log(sigma) / 4), width, blocks)
        return x / square + sigma / jnp.sqrt(square) * raw

    def act(obs):
        for kernel, bias in actor[:-1]:
            obs = jax.nn.relu(obs @ kernel + bias)
        return jnp.tanh(obs @ actor[-1][0] + actor[-1][1])

    def guided(i, x):
        wanted = act(x[..., :obs_size] * std[None, None, :obs_size] + mean[None, None, :obs_size])
        scale = std[None, None, obs_size:end]
        action = jnp.tanh(x[..., obs_size:end] * scale + mean[None, None, obs_size:end])
        g = (wanted - action) * (1 - action**2) * scale
        g = g / (jnp.sqrt((g**2).sum((1, 2), keepdims=True)) + 1e-8)
        strength = coefficient * ((1 - i / levels) + cosine * jnp.sin(jnp.pi * (i + 1) / levels))
        return x.at[..., obs_size:end].add(strength * g)

    def lift(i, x):
        sigma = sigmas[i] * (1 + gamma[i])
        extra = 1.003 * jnp.sqrt(jnp.maximum(sigma**2 - sigmas[i] ** 2, 0))
        return x + extra * jax.random.normal(jax.random.fold_in(k_churn, i), x.shape), sigma

    def step(x, i):
        x, sigma = lift(i, guided(i, x))
        d = (x - denoise(x, sigma)) / sigma
        y = x + (sigmas[i + 1] - sigma) * d
        e = (y - denoise(y, sigmas[i + 1])) / sigmas[i + 1]
        return x + (sigmas[i + 1] - sigma) * (d + e) / 2, None

    x = sigmas[0] * jax.random.normal(k_start, (count, window, mean.shape[0]))
    x, _ = jax.lax.scan(step, x, jnp.arange(levels - 1))
    x, sigma = lift(levels - 1, x)
    return denoise(x, sigma)
