"""Running moments of what a learner sees, for observations and rewards whose size is not known beforehand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Running(NamedTuple):
    """Mean and variance [...] of `count` values seen so far; zero and one before the first."""

    count: jax.Array
    mean: jax.Array
    variance: jax.Array


def fresh(*shape: int) -> Running:
    """Moments of nothing yet."""
    return Running(jnp.zeros(()), jnp.zeros(shape), jnp.ones(shape))


def observe(running: Running, values) -> Running:
    """Moments with `values` [..., D] (or [...] for scalars) added (Chan et al., 1979, eq. 2.1)."""
    axes = tuple(range(values.ndim - running.mean.ndim))
    new = 1.0 * values.size / max(running.mean.size, 1)
    total = running.count + new
    mean, variance = values.mean(axes), values.var(axes)
    gap = mean - running.mean
    spread = running.variance * running.count + variance * new + jnp.square(gap) * running.count * new / total
    return Running(total, running.mean + gap * new / total, spread / total)


def standardised(running: Running, values, limit: float = 10.0):
    """(values - mean) / std on the last axis, within [-limit, limit]."""
    axes = (1,) * (values.ndim - 1) + (-1,)
    mean, variance = running.mean.reshape(axes), running.variance.reshape(axes)
    return jnp.clip((values - mean) * jax.lax.rsqrt(variance + 1e-8), -limit, limit)
