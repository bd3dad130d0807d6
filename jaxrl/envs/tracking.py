"""A point mass that goes round a circle at a speed which it is told: for tests between and beyond its data's speeds.

A stand-in for the quadruped of D5RL (arXiv:2408.08441), which is trained to walk at some speeds and tested at others.
On a straight line, imitation of a point mass extends to speeds never seen nearly without loss, since all that matters
is what the speed lacks; on a circle the pull inwards grows with the speed's square and turns with the place.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Env, Policy, Spec, reactive
from jaxrl.envs.control import timed

TARGET = 4
"""Which number of an observation is the speed asked for."""


class Tracking(NamedTuple):
    """Numbers of the task. targets: [G] speeds, of which a reset draws one. force: acceleration at an action of 1.

    drag: share of the velocity lost per time. spread: largest distance from the circle at the start.
    """

    targets: Any = (0.2, 0.4, 0.8, 1.0)
    force: Any = 4.0
    drag: Any = 0.5
    spread: Any = 0.2
    dt: Any = 0.1


def point_mass_speed() -> Env:
    """Round the circle of radius 1, counter-clockwise, from rest, 60 steps; the action is a force in [-1, 1]².

    obs: (x, y, velocity in x and y, speed asked for). Reward: 1 less the distance between the velocity and the one
    asked for, as a share of the latter, less the distance from the circle; not below 0.
    """
    spec = Spec("PointMassSpeed-v0", obs=5, action=2, horizon=60, low=(-1.0, -1.0), high=(1.0, 1.0))

    def draw(key, params):
        k_target, k_angle, k_radius = jax.random.split(key, 3)
        target = jax.random.choice(k_target, jnp.asarray(params.targets, jnp.float32))
        angle = jax.random.uniform(k_angle, maxval=2 * jnp.pi)
        radius = 1 + params.spread * jax.random.uniform(k_radius, minval=-1.0, maxval=1.0)
        return jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle), 0.0 * angle, 0.0 * angle, target])

    return timed(spec, Tracking(), draw, move, lambda values: values)


def move(key, params: Tracking, values, action):
    """One step; values are the observation, [5]."""
    position, velocity, target = values[:2], values[2:TARGET], values[TARGET]
    velocity = velocity + params.dt * (params.force * jnp.clip(action, -1, 1) - params.drag * velocity)
    position = position + params.dt * velocity
    radius = jnp.maximum(jnp.linalg.norm(position), 1e-6)
    asked = target * around(position / radius)
    reward = 1 - jnp.linalg.norm(velocity - asked) / target - jnp.abs(radius - 1)
    return jnp.concatenate([position, velocity, values[TARGET:]]), jnp.maximum(reward, 0.0), False


def around(outward):
    """The direction counter-clockwise, from the one outward; [..., 2]."""
    return jnp.stack([-outward[..., 1], outward[..., 0]], -1)


def expert(gain: float = 2.0) -> Policy:
    """Makes up for drag and turns at the speed asked for, and for `gain` times what place and velocity lack."""
    numbers = Tracking()

    def act(key, obs):
        position, velocity, target = obs[..., :2], obs[..., 2:TARGET], obs[..., TARGET:]
        radius = jnp.maximum(jnp.linalg.norm(position, axis=-1, keepdims=True), 1e-6)
        outward = position / radius
        asked = target * around(outward) + (1 - radius) * outward
        push = numbers.drag * asked - target**2 * outward + gain * (asked - velocity)
        return jnp.clip(push / numbers.force, -1, 1)

    return reactive(act)
