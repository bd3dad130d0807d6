"""A capsule's contact with a plane as MuJoCo has it.

Friction acts along two tangents of a contact, and the friction pyramid depends on where they point. MuJoCo lays the
first along the capsule at any angle; MJX (3.17) does so only up to 60 degrees from the plane, and takes the y-axis for
a steeper capsule. Ant's legs are often steeper: without this its control steps are up to 0.02 m and 1.5 m/s off.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

LEAST = 1e-6
"""Length of the capsule's direction within the plane below which it has none."""


@contextlib.contextmanager
def as_in_mujoco(collisions: Any) -> Iterator[None]:
    """While a step is traced, MJX's module `collision_driver` finds these contacts as MuJoCo does."""
    import mujoco

    functions, pair = collisions._COLLISION_FUNC, (mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_CAPSULE)
    before = functions[pair]
    functions[pair] = aligned(before)
    try:
        yield
    finally:
        functions[pair] = before


@functools.cache
def aligned(collide: Any) -> Any:
    """MJX's collision function of planes and capsules, its contacts' first tangents laid along the capsules."""

    def plane_capsule(model, data, key, geoms):
        distance, place, frame = collide(model, data, key, geoms)
        axis = jnp.repeat(data.geom_xmat[geoms[:, 1]][:, :, 2], collide.ncon, 0)
        normal = frame[:, 0]
        along = axis - normal * jnp.sum(axis * normal, 1, keepdims=True)
        length = jnp.sqrt(jnp.sum(along**2, 1, keepdims=True))
        tangent = jnp.where(length < LEAST, frame[:, 1], along / jnp.maximum(length, LEAST))
        return distance, place, jnp.stack([normal, tangent, jnp.cross(normal, tangent)], 1)

    plane_capsule.ncon = collide.ncon  # type: ignore[attr-defined]
    return plane_capsule
