"""How Gymnasium draws first states of its MuJoCo tasks: its distributions, with JAX's random numbers."""

import jax
import jax.numpy as jnp


def uniform(scale: float, key, qpos, qvel):
    """(qpos [nq], qvel [nv]) plus uniform noise in [-scale, scale)."""
    return _near(key, qpos, scale), _near(jax.random.fold_in(key, 1), qvel, scale)


def normal(scale: float, key, qpos, qvel):
    """Positions plus uniform noise in [-scale, scale), velocities plus normal noise of that standard deviation."""
    noise = jax.random.normal(jax.random.fold_in(key, 1), qvel.shape, qvel.dtype)
    return _near(key, qpos, scale), qvel + scale * noise


def reacher(key, qpos, qvel):
    """Arm within 0.1 of its place at a speed within 0.005; target, the last two, anywhere in a disc of radius 0.2."""
    arm, target, angle, speed = jax.random.split(key, 4)
    radius = 0.2 * jnp.sqrt(jax.random.uniform(target, (), qpos.dtype))
    turn = jax.random.uniform(angle, (), qpos.dtype, -jnp.pi, jnp.pi)
    goal = radius * jnp.stack([jnp.cos(turn), jnp.sin(turn)])
    return _near(arm, qpos, 0.1).at[-2:].set(goal), _near(speed, qvel, 0.005).at[-2:].set(0)


def pusher(key, qpos, qvel):
    """Object anywhere in [-0.3, 0) x [-0.2, 0.2) that is more than 0.17 from the goal at 0; speeds within 0.005."""
    low, high = jnp.asarray([-0.3, -0.2], qpos.dtype), jnp.asarray([0.0, 0.2], qpos.dtype)

    def draw(carry):
        tries, _ = carry
        place = jax.random.uniform(jax.random.fold_in(key, tries), (2,), qpos.dtype, low, high)
        return tries + 1, place

    near = lambda carry: jnp.sqrt(jnp.sum(carry[1] ** 2)) <= 0.17
    _, place = jax.lax.while_loop(near, draw, (jnp.int32(0), jnp.zeros(2, qpos.dtype)))
    speeds = _near(jax.random.fold_in(key, 2**31 - 1), qvel, 0.005).at[-4:].set(0)
    return qpos.at[-4:-2].set(place).at[-2:].set(0), speeds


def _near(key, centre, scale: float):
    return centre + jax.random.uniform(key, centre.shape, centre.dtype, -scale, scale)
