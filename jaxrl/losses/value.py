"""Regression losses of value learning."""

import jax.numpy as jnp


def expectile(gap, level):
    """Asymmetric squared loss |level - 1(gap < 0)| gap^2, elementwise (IQL, arXiv:2110.06169, eq. 5)."""
    return jnp.where(gap > 0, level, 1 - level) * jnp.square(gap)


def td_target(reward, discount, terminated, next_value):
    """reward + discount (1 - terminated) next_value; all [B]. Time-outs do not enter."""
    return reward + discount * (1 - terminated) * next_value


def huber(error, threshold):
    """Half the square of errors up to `threshold`, linear beyond; elementwise (DQN's clipped errors)."""
    size = jnp.abs(error)
    near = jnp.minimum(size, threshold)
    return near * (size - 0.5 * near)


def quantile_huber(predicted, target, threshold):
    """Quantile regression of predicted [..., Z] to samples target [..., Y]; [...] (QR-DQN, arXiv:1710.10044, eq. 10).

    predicted[..., i] is fitted to the quantile (i + 1/2) / Z. Summed over Z, averaged over Y.
    """
    count = predicted.shape[-1]
    error = target[..., None, :] - predicted[..., :, None]
    level = ((jnp.arange(count) + 0.5) / count).reshape((1,) * (predicted.ndim - 1) + (count, 1))
    weight = jnp.where(error < 0, 1 - level, level)
    return (weight * huber(error, threshold) / threshold).mean(-1).sum(-1)


def atoms(low, high, count: int):
    """`count` values [Z] evenly spaced from `low` to `high`, which may be traced."""
    return low + (high - low) * jnp.arange(count) / (count - 1)


def categorical_projection(values, probability, low, high):
    """Mass `probability` at `values`, both [..., Z], moved onto the Z atoms from low to high (arXiv:1707.06887, eq. 7).

    Mass between two atoms is split between them in proportion to nearness, mass beyond the ends goes to the ends.
    """
    count = values.shape[-1]
    place = (jnp.clip(values, low, high) - low) * (count - 1) / (high - low)
    grid = jnp.arange(count, dtype=place.dtype).reshape((1,) * place.ndim + (count,))
    return (probability[..., None] * jnp.maximum(1 - jnp.abs(place[..., None] - grid), 0)).sum(-2)
