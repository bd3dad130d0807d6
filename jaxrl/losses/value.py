"""Regression losses of value learning."""

import jax.numpy as jnp


def expectile(gap, level):
    """Asymmetric squared loss |level - 1(gap < 0)| gap^2, elementwise (IQL, arXiv:2110.06169, eq. 5)."""
    return jnp.where(gap > 0, level, 1 - level) * jnp.square(gap)


def td_target(reward, discount, terminated, next_value):
    """reward + discount (1 - terminated) next_value; all [B]. Time-outs do not enter."""
    return reward + discount * (1 - terminated) * next_value
