"""Two kinds of contact that MJX (3.17) finds otherwise than MuJoCo, as MuJoCo has them.

Capsule and plane. Friction acts along two tangents of a contact, and the friction pyramid depends on where they point.
MuJoCo lays the first along the capsule at any angle; MJX only up to 60 degrees from the plane, and takes the y-axis for
a steeper capsule. Ant's legs are often steeper: its control steps were up to 0.02 m and 1.5 m/s off.

Capsule and cylinder, which is Pusher's arm on its object. MuJoCo finds the nearest points by exact means; MJX searches
from two starts by gradient descent and keeps what either finds, so one contact can be counted twice.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

LEAST = 1e-6
"""Length below which a direction is none."""
HALVINGS = 30
"""Halvings of a capsule's axis in search of its point nearest to a cylinder: float32's precision and some more."""


@contextlib.contextmanager
def as_in_mujoco(collisions: Any) -> Iterator[None]:
    """While a model is prepared or a step traced, MJX's `collision_driver` finds these contacts as MuJoCo does."""
    from mujoco import mjtGeom

    functions, capsule = collisions._COLLISION_FUNC, mjtGeom.mjGEOM_CAPSULE
    plane, cylinder = (mjtGeom.mjGEOM_PLANE, capsule), (capsule, mjtGeom.mjGEOM_CYLINDER)
    before = {pair: functions[pair] for pair in (plane, cylinder)}
    functions.update({plane: aligned(before[plane]), cylinder: capsule_cylinder})
    try:
        yield
    finally:
        functions.update(before)


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


def capsule_cylinder(model, data, key, geoms):
    """Contact of each pair of capsule and cylinder: distance [n], place [n, 3], frame [n, 3, 3]; pairs geoms [n, 2].

    MuJoCo's single contact while the capsule's axis stays out of the cylinder; where the axis is within 5 degrees of
    the cylinder's lid, MuJoCo has two contacts, which here are one. Along the axis the distance to the cylinder is
    convex, so its slope, halved upon, leads to the nearest point.
    """
    places, turns, sizes = (field[geoms] for field in (data.geom_xpos, data.geom_xmat, model.geom_size))
    return jax.vmap(_capsule_cylinder)(places, turns, sizes)


capsule_cylinder.ncon = 1  # type: ignore[attr-defined]


def _capsule_cylinder(places, turns, sizes):
    (radius, half), (wide, high) = sizes[0, :2], sizes[1, :2]
    centre = jnp.sum(turns[1] * (places[0] - places[1])[:, None], 0)
    axis = jnp.sum(turns[1] * turns[0][:, 2][:, None], 0)

    def halve(_, bounds):
        low, high_ = bounds
        middle = (low + high_) / 2
        rising = jnp.sum(outwards(centre + middle * axis, wide, high)[1] * axis) > 0
        return jnp.where(rising, low, middle), jnp.where(rising, middle, high_)

    low, up = jax.lax.fori_loop(0, HALVINGS, halve, (-half, half))
    nearest = centre + (low + up) / 2 * axis
    apart, outward = outwards(nearest, wide, high)
    distance = apart - radius
    normal = -jnp.sum(turns[1] * outward[None], 1)
    surface = nearest - outward * (radius + distance / 2)
    place = places[1] + jnp.sum(turns[1] * surface[None], 1)
    return distance, place, frame_of(normal)


def outwards(point, radius, half):
    """(distance, direction [3] in which it grows) of a point [3] from a cylinder around the z-axis; negative inside."""
    across = jnp.sqrt(jnp.sum(point[:2] ** 2))
    around = jnp.append(point[:2] / jnp.maximum(across, LEAST), 0.0)
    upward = jnp.zeros(3, point.dtype).at[2].set(jnp.sign(point[2]))
    side, lid = across - radius, jnp.abs(point[2]) - half
    beside, above = jnp.maximum(side, 0), jnp.maximum(lid, 0)
    outer = jnp.sqrt(beside**2 + above**2)
    edge = (beside * around + above * upward) / jnp.maximum(outer, LEAST)
    inner = jnp.where(side > lid, around, upward)
    inside = (side <= 0) & (lid <= 0)
    return jnp.where(inside, jnp.maximum(side, lid), outer), jnp.where(inside, inner, edge)


def frame_of(normal):
    """Right-handed frame [3, 3] whose first row is the unit vector given; the y-axis, or else the z-axis, leads on."""
    leading = jnp.where(jnp.abs(normal[1]) < 0.5, jnp.array([0.0, 1.0, 0.0]), jnp.array([0.0, 0.0, 1.0]))
    tangent = leading - normal * jnp.sum(leading * normal)
    tangent = tangent / jnp.sqrt(jnp.sum(tangent**2))
    return jnp.stack([normal, tangent, jnp.cross(normal, tangent)])
