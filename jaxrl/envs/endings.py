"""When an episode ends, told from observations alone, for learners that imagine steps instead of taking them."""

from collections.abc import Callable

import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.types import Array, Spec


def never(obs: Array) -> Array:
    """Nothing but the time limit ends an episode; obs [..., D] -> [...] bool."""
    return jnp.zeros(obs.shape[:-1], bool)


def hopper(obs: Array) -> Array:
    """Torso below 0.7 m, tilted by 0.2 or more, or a number of the state beyond 100; obs [..., D] -> [...] bool.

    Published model-based code writes `abs(obs[1:] < 100)`, which looks at one side only; both are meant.
    """
    height, angle = obs[..., 0], obs[..., 1]
    return ~((jnp.abs(obs[..., 1:]) < 100).all(-1) & (height > 0.7) & (height < jnp.inf) & (jnp.abs(angle) < 0.2))


def walker(obs: Array) -> Array:
    """Torso outside 0.8 to 2 m, or tilted by 1 or more; obs [..., D] -> [...] bool."""
    return ~(_between(obs[..., 0], 0.8, 2.0) & (jnp.abs(obs[..., 1]) < 1.0))


def ant(obs: Array) -> Array:
    """Torso outside 0.2 to 1 m, or a number that is not finite; obs [..., D] -> [...] bool."""
    height = obs[..., 0]
    return ~(jnp.isfinite(obs).all(-1) & (height >= 0.2) & (height <= 1.0))


def humanoid(obs: Array) -> Array:
    """Torso outside 1 to 2 m; obs [..., D] -> [...] bool."""
    return ~_between(obs[..., 0], 1.0, 2.0)


def pole(obs: Array) -> Array:
    """Pole tilted by more than 0.2, or a number that is not finite; obs [..., D] -> [...] bool."""
    return ~(jnp.isfinite(obs).all(-1) & (jnp.abs(obs[..., 1]) <= 0.2))


RULES: dict[str, Callable[[Array], Array]] = {
    **dict.fromkeys(
        ("Pendulum", "PointMass", "PointMaze", "LQR", "HalfCheetah", "Swimmer", "Reacher", "Pusher"), never
    ),
    "Hopper": hopper,
    "Walker2d": walker,
    "Ant": ant,
    "Humanoid": humanoid,
    "InvertedPendulum": pole,
}
"""Environment's name up to its first dash: what `rule` gives."""


def rule(spec: Spec) -> Callable[[Array], Array]:
    """Observations [..., D] after a step, in the environment's own units -> whether it ended the episode [...] bool.

    Raises InputError for an environment whose rule is not known.
    """
    name = spec.name.split("-")[0]
    if name not in RULES:
        raise InputError(
            f"nothing tells from an observation when {spec.name} ends, which imagined steps need; "
            f"use one of {', '.join(sorted(RULES))}"
        )
    return RULES[name]


def _between(value, low, high):
    return (value > low) & (value < high)
