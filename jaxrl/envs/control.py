"""Classic control in JAX, faithful to Gymnasium: Pendulum-v1, CartPole-v1 and Acrobot-v1.

Source: `gymnasium.envs.classic_control` (same dynamics, rewards, terminations and time limits), in float32.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Env, Spec, Timestep


class State(NamedTuple):
    """values: what the environment's equations move; time: steps taken since the reset."""

    values: Any
    time: Any


class Pendulum(NamedTuple):
    """Numbers of the pendulum, SI units; max_torque is what an action of 1 means."""

    gravity: Any = 10.0
    mass: Any = 1.0
    length: Any = 1.0
    max_speed: Any = 8.0
    max_torque: Any = 2.0
    dt: Any = 0.05


class CartPole(NamedTuple):
    """Numbers of the cart-pole, SI units; length is half the pole's; angle_limit in radians."""

    gravity: Any = 9.8
    cart_mass: Any = 1.0
    pole_mass: Any = 0.1
    length: Any = 0.5
    force: Any = 10.0
    dt: Any = 0.02
    angle_limit: Any = 12 * 2 * math.pi / 360
    position_limit: Any = 2.4


class Acrobot(NamedTuple):
    """Numbers of the acrobot, SI units; speeds in radians per second."""

    gravity: Any = 9.8
    mass1: Any = 1.0
    mass2: Any = 1.0
    length1: Any = 1.0
    centre1: Any = 0.5
    centre2: Any = 0.5
    inertia: Any = 1.0
    torque: Any = 1.0
    max_speed1: Any = 4 * math.pi
    max_speed2: Any = 9 * math.pi
    dt: Any = 0.2


def timed(spec: Spec, params, draw: Callable, move: Callable, observe: Callable) -> Env:
    """Environment with a time limit, from draw(key, params) -> values, move(key, params, values, action)
    -> (values, reward, terminated) and observe(values) -> obs [D]."""

    def reset(key, params):
        values = draw(key, params)
        return State(values, jnp.int32(0)), Timestep(observe(values), jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def step(key, params, state, action):
        values, reward, terminated = move(key, params, state.values, action)
        time = state.time + 1
        flags = jnp.asarray(terminated, jnp.float32), jnp.asarray(time >= spec.horizon, jnp.float32)
        return State(values, time), Timestep(observe(values), jnp.asarray(reward, jnp.float32), *flags)

    return Env(spec, params, reset, step)


def wrap(angle):
    """The same angle in [-pi, pi), radians."""
    return (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi


def pendulum() -> Env:
    """Pendulum-v1: swing up, hold; obs (cos, sin, speed), a torque, reward -(angle² + 0.1 speed² + 0.001 torque²)."""
    spec = Spec("Pendulum-v1", obs=3, action=1, horizon=200, low=(-2.0,), high=(2.0,))

    def draw(key, params):
        return jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0) * jnp.asarray([jnp.pi, 1.0])

    def move(key, params, values, action):
        angle, speed = values
        torque = jnp.clip(action[0], -1, 1) * params.max_torque
        cost = wrap(angle) ** 2 + 0.1 * speed**2 + 0.001 * torque**2
        pull = 3 * params.gravity / (2 * params.length) * jnp.sin(angle)
        push = 3.0 / (params.mass * params.length**2) * torque
        speed = jnp.clip(speed + (pull + push) * params.dt, -params.max_speed, params.max_speed)
        return jnp.stack([angle + speed * params.dt, speed]), -cost, False

    observe = lambda values: jnp.stack([jnp.cos(values[0]), jnp.sin(values[0]), values[1]])
    return timed(spec, Pendulum(), draw, move, observe)


def cartpole() -> Env:
    """CartPole-v1: balance; obs (position, speed, angle, angular speed), push left or right, reward 1 a step."""
    spec = Spec("CartPole-v1", obs=4, action=2, horizon=500, discrete=True)

    def draw(key, params):
        return jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)

    def move(key, params, values, action):
        _, speed, angle, spin = values
        force = jnp.where(action == 1, params.force, -params.force)
        total, moment = params.cart_mass + params.pole_mass, params.pole_mass * params.length
        push = (force + moment * spin**2 * jnp.sin(angle)) / total
        lever = params.length * (4.0 / 3.0 - params.pole_mass * jnp.cos(angle) ** 2 / total)
        turn = (params.gravity * jnp.sin(angle) - jnp.cos(angle) * push) / lever
        rate = jnp.stack([speed, push - moment * turn * jnp.cos(angle) / total, spin, turn])
        values = values + params.dt * rate
        fallen = (jnp.abs(values[0]) > params.position_limit) | (jnp.abs(values[2]) > params.angle_limit)
        return values, 1.0, fallen

    return timed(spec, CartPole(), draw, move, lambda values: values)


def acrobot() -> Env:
    """Acrobot-v1: lift the free end; obs (cos, sin of both angles, both speeds), torque -1, 0, 1, reward -1 a step."""
    spec = Spec("Acrobot-v1", obs=6, action=3, horizon=500, discrete=True)

    def draw(key, params):
        return jax.random.uniform(key, (4,), minval=-0.1, maxval=0.1)

    def move(key, params, values, action):
        torque = params.torque * (action - 1).astype(jnp.float32)
        values = runge_kutta(lambda x: acrobot_rate(params, x, torque), values, params.dt)
        angle1, angle2, speed1, speed2 = values
        speed1 = jnp.clip(speed1, -params.max_speed1, params.max_speed1)
        speed2 = jnp.clip(speed2, -params.max_speed2, params.max_speed2)
        values = jnp.stack([wrap(angle1), wrap(angle2), speed1, speed2])
        reached = -jnp.cos(values[0]) - jnp.cos(values[0] + values[1]) > 1.0
        return values, jnp.where(reached, 0.0, -1.0), reached

    def observe(values):
        angles = [f(values[i]) for i in (0, 1) for f in (jnp.cos, jnp.sin)]
        return jnp.stack([*angles, values[2], values[3]])

    return timed(spec, Acrobot(), draw, move, observe)


def acrobot_rate(params: Acrobot, values, torque):
    """Time derivative of (angle1, angle2, speed1, speed2); Sutton and Barto's book, example 11.3."""
    angle1, angle2, speed1, speed2 = values
    m1, m2, l1, c1, c2 = params.mass1, params.mass2, params.length1, params.centre1, params.centre2
    d1 = m1 * c1**2 + m2 * (l1**2 + c2**2 + 2 * l1 * c2 * jnp.cos(angle2)) + 2 * params.inertia
    d2 = m2 * (c2**2 + l1 * c2 * jnp.cos(angle2)) + params.inertia
    phi2 = m2 * c2 * params.gravity * jnp.cos(angle1 + angle2 - jnp.pi / 2)
    coupling = -m2 * l1 * c2 * jnp.sin(angle2) * (speed2**2 + 2 * speed2 * speed1)
    phi1 = coupling + (m1 * c1 + m2 * l1) * params.gravity * jnp.cos(angle1 - jnp.pi / 2) + phi2
    drive = torque + d2 / d1 * phi1 - m2 * l1 * c2 * speed1**2 * jnp.sin(angle2) - phi2
    turn2 = drive / (m2 * c2**2 + params.inertia - d2**2 / d1)
    turn1 = -(d2 * turn2 + phi1) / d1
    return jnp.stack([speed1, speed2, turn1, turn2])


def runge_kutta(rate: Callable, x, dt):
    """One step of length dt of the classic fourth-order method."""
    k1 = rate(x)
    k2 = rate(x + dt / 2 * k1)
    k3 = rate(x + dt / 2 * k2)
    k4 = rate(x + dt * k3)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
