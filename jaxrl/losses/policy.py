"""Weights and scales of policy losses."""

import jax
import jax.numpy as jnp


def advantage_weight(advantage, inverse_temperature, clip):
    """min(exp(inverse_temperature * advantage), clip), without gradient; [B] (IQL eq. 7, AWAC eq. 8)."""
    return jax.lax.stop_gradient(jnp.minimum(jnp.exp(inverse_temperature * advantage), clip))


def weighted_mean(values, weight):
    """Mean of values [B] with multiplicities weight [B] of mean one."""
    return (weight * values).mean()
