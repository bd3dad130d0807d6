"""Small environments with known answers: probes that each fail one part of a learner, a point mass, a linear system."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Env, Spec
from jaxrl.envs.control import timed

BOX = {"low": (-1.0,), "high": (1.0,)}


def constant() -> Env:
    """Reward 1, one step: every value is 1, whatever the action. Fails: the critic's loss or step size."""
    spec = Spec("ProbeConstant-v0", obs=1, action=1, horizon=1, **BOX)
    move = lambda key, params, values, action: (values, 1.0, True)
    return timed(spec, (), lambda key, params: jnp.zeros(1), move, lambda values: values)


def by_observation() -> Env:
    """Reward equals the observation, -1 or 1, one step: Q(obs, .) = obs. Fails: how observations enter the critic."""
    spec = Spec("ProbeObservation-v0", obs=1, action=1, horizon=1, **BOX)
    draw = lambda key, params: jax.random.rademacher(key, (1,), jnp.float32)
    return timed(spec, (), draw, lambda key, params, values, action: (values, values[0], True), lambda values: values)


def two_step() -> Env:
    """Two steps, reward 1 at the second: Q(0, .) = discount and Q(1, .) = 1. Fails: bootstrapping and termination."""
    spec = Spec("ProbeTwoStep-v0", obs=1, action=1, horizon=2, **BOX)
    move = lambda key, params, values, action: (values + 1, values[0], values[0] > 0)
    return timed(spec, (), lambda key, params: jnp.zeros(1), move, lambda values: values)


def by_action() -> Env:
    """Reward 1 - (action - 0.5)², one step: the best action is 0.5, its value 1. Fails: the actor's gradient."""
    spec = Spec("ProbeAction-v0", obs=1, action=1, horizon=1, **BOX)
    move = lambda key, params, values, action: (values, 1 - (action[0] - 0.5) ** 2, True)
    return timed(spec, (), lambda key, params: jnp.zeros(1), move, lambda values: values)


def by_class() -> Env:
    """Reward 1 where the action's sign agrees with the observation's, else 0, one step; two discrete actions."""
    spec = Spec("ProbeClass-v0", obs=1, action=2, horizon=1, discrete=True)
    draw = lambda key, params: jax.random.rademacher(key, (1,), jnp.float32)
    move = lambda key, params, values, action: (values, (action == 1) == (values[0] > 0), True)
    return timed(spec, (), draw, move, lambda values: values)


class Bandit(NamedTuple):
    """Bumps of a bandit's reward; heights, centres: [bumps], width: one for all, in units of the action."""

    heights: Any = (0.6, 1.0)
    centres: Any = (-0.5, 0.5)
    width: Any = 0.2


def bandit() -> Env:
    """One step, a reward with a bump of 0.6 at action -0.5 and one of 1 at 0.5: averaging the two gives nearly 0."""
    spec = Spec("Bandit-v0", obs=1, action=1, horizon=1, **BOX)

    def move(key, params, values, action):
        heights, centres = jnp.asarray(params.heights), jnp.asarray(params.centres)
        bumps = heights * jnp.exp(-(((action[0] - centres) / params.width) ** 2))
        return values, bumps.sum(), True

    return timed(spec, Bandit(), lambda key, params: jnp.zeros(1), move, lambda values: values)


class PointMass(NamedTuple):
    """Numbers of the point mass: force is the acceleration at an action of 1, goal the place to be, [2]."""

    goal: Any = (0.0, 0.0)
    force: Any = 2.0
    damping: Any = 0.5
    dt: Any = 0.1


def point_mass() -> Env:
    """Double integrator in the plane, 50 steps; obs (position, velocity), reward minus the squared distance to goal."""
    spec = Spec("PointMass-v0", obs=4, action=2, horizon=50, low=(-1.0, -1.0), high=(1.0, 1.0))

    def draw(key, params):
        return jnp.concatenate([jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0), jnp.zeros(2)])

    def move(key, params, values, action):
        push = params.force * jnp.clip(action, -1, 1) - params.damping * values[2:]
        velocity = values[2:] + params.dt * push
        position = values[:2] + params.dt * velocity
        return jnp.concatenate([position, velocity]), -jnp.sum((position - jnp.asarray(params.goal)) ** 2), False

    return timed(spec, PointMass(), draw, move, lambda values: values)


class Quadratic(NamedTuple):
    """x' = A x + B u, reward -(x'Q x + u'R u), u = scale * action.

    The defaults keep the optimal u well inside its bounds, so the unbounded solution holds.
    """

    a: Any = ((1.0, 0.1), (0.0, 0.95))
    b: Any = ((0.0,), (0.1,))
    q: Any = ((1.0, 0.0), (0.0, 0.1))
    r: Any = ((0.1,),)
    scale: Any = 10.0

    def arrays(self):
        """(A, B, Q, R) as matrices."""
        return tuple(jnp.asarray(x, jnp.float32) for x in self[:4])


def linear_quadratic() -> Env:
    """A linear system with quadratic cost, 100 steps; `riccati` gives its optimum."""
    spec = Spec("LQR-v0", obs=2, action=1, horizon=100, **BOX)

    def move(key, params, values, action):
        a, b, q, r = params.arrays()
        u = params.scale * jnp.clip(action, -1, 1)
        return a @ values + b @ u, -(values @ q @ values + u @ r @ u), False

    draw = lambda key, params: jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0)
    return timed(spec, Quadratic(), draw, move, lambda values: values)


def riccati(params: Quadratic, discount: float, iterations: int = 1000):
    """Optimum of the endless discounted task: (gain [U, D], cost [D, D]).

    The best u is -gain x, worth -x' cost x; the discounted Riccati equation, iterated from zero.
    """
    a, b, q, r = params.arrays()

    def gain(cost):
        return jnp.linalg.solve(r + discount * b.T @ cost @ b, discount * b.T @ cost @ a)

    def backup(_, cost):
        k = gain(cost)
        closed = a - b @ k
        return q + k.T @ r @ k + discount * closed.T @ cost @ closed

    cost = jax.lax.fori_loop(0, iterations, backup, q)
    return gain(cost), cost
