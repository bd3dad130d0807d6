"""Closed-form behaviours as policies: random, a pendulum swing-up, a maze walker, and noise on any of them."""

from collections import deque
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Policy, Spec, reactive
from jaxrl.envs import maze

GAINS = (4.0, 0.7)
"""Of the maze walker: wished speed per cell of distance, share of the force per unit of missing speed."""


def random(spec: Spec) -> Policy:
    """Uniform over [-1, 1]^A, or over the classes."""
    flat = -jnp.log(float(spec.action)) if spec.discrete else -spec.action * jnp.log(2.0)
    return reactive(
        lambda key, obs: draw(key, spec, obs.shape[:-1]), lambda obs, action: jnp.full(obs.shape[:-1], flat)
    )


def draw(key, spec: Spec, shape: tuple[int, ...]):
    """Uniform actions with leading axes `shape`."""
    if spec.discrete:
        return jax.random.randint(key, shape, 0, spec.action)
    return jax.random.uniform(key, (*shape, spec.action), minval=-1.0, maxval=1.0)


def swing_up(strength: Any = 1.0) -> Policy:
    """Pendulum-v1: brings the energy to that of the upright rest, then holds with proportional-derivative control.

    strength: share of the torque that may be used, in (0, 1]; may be traced.
    """

    def act(key, obs):
        cosine, sine, speed = obs[..., 0], obs[..., 1], obs[..., 2]
        energy = 0.5 * speed**2 + 15 * (cosine - 1)
        pump = -energy * jnp.where(speed >= 0, 1.0, -1.0)
        hold = -(10 * jnp.arctan2(sine, cosine) + 2 * speed)
        torque = jnp.where(cosine > 0.9, hold, pump)
        return strength * jnp.clip(torque / 2, -1, 1)[..., None]

    return reactive(act)


def waypoint(name: str, strength: Any = 1.0, aim: Any = 1.0, leave: Any = 0.0) -> Policy:
    """A point maze's walker: along the shortest path, cell by cell, to the goal or to a random cell.

    strength: share of the force and speed that may be used. aim: probability that the next cell to visit is the goal.
    leave: probability of a new draw, for each step at the cell reached. All three may be traced.
    memory: index of the cell to visit, -1 before the first step.
    """
    walls, goal = maze.parse(maze.LAYOUTS[name][0])
    cells, route = routes(walls)
    home = int(np.flatnonzero((cells == goal).all(axis=1))[0])
    centre = (np.array(walls.shape[::-1], np.float32) - 1) / 2
    number = np.zeros(walls.shape, np.int32)
    number[cells[:, 1].astype(int), cells[:, 0].astype(int)] = np.arange(len(cells))

    def choose(key, target, position):
        k_aim, k_cell, k_leave = jax.random.split(key, 3)
        uniform = lambda key: jax.random.uniform(key, target.shape)
        near = jnp.max(jnp.abs(position - jnp.asarray(cells)[target]), axis=-1) < 0.4
        restart = (near & (uniform(k_leave) < leave)) | (target < 0)
        fresh = jnp.where(uniform(k_aim) < aim, home, jax.random.randint(k_cell, target.shape, 0, len(cells)))
        return jnp.where(restart, fresh, target)

    def act(key, timestep, memory):
        position = timestep.obs[..., :2] * maze.CELLS + jnp.broadcast_to(centre, timestep.obs[..., :2].shape)
        velocity = timestep.obs[..., 2:] * maze.SPEED
        target = choose(key, jnp.broadcast_to(memory, position.shape[:-1]), position)
        column, row = jnp.moveaxis(jnp.round(position).astype(jnp.int32), -1, 0)
        following = jnp.asarray(route)[target, jnp.asarray(number)[row, column]]
        top = maze.SPEED * strength
        wish = jnp.clip(GAINS[0] * (jnp.asarray(cells)[following] - position), -top, top)
        return strength * jnp.clip(GAINS[1] * (wish - velocity), -1, 1), target

    return Policy(lambda: jnp.int32(-1), act)


def routes(walls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shortest paths between free cells, breadth first: (cells [C, 2] as (x, y), next cell [target, from] int32)."""
    free = [tuple(cell) for cell in np.argwhere(~walls)]
    index = {cell: i for i, cell in enumerate(free)}
    beside = [[index[n] for n in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)) if n in index] for r, c in free]
    route = np.tile(np.arange(len(free), dtype=np.int32), (len(free), 1))
    for target in range(len(free)):
        seen, queue = {target}, deque([target])
        while queue:
            cell = queue.popleft()
            for other in beside[cell]:
                if other not in seen:
                    seen.add(other)
                    route[target, other] = cell
                    queue.append(other)
    return np.array(free, np.float32)[:, ::-1].copy(), route


class Held(NamedTuple):
    """Memory of a noisy policy. left: steps for which `action` is still repeated."""

    inner: Any
    action: Any
    left: Any


def noisy(policy: Policy, spec: Spec, epsilon: Any, sigma: Any = 0.0, hold: Any = 1) -> Policy:
    """With probability epsilon a random action, kept for `hold` steps; else the policy's plus N(0, sigma²), clipped.

    All three may be traced. Discrete actions get no Gaussian noise.
    """

    def start():
        shape = () if spec.discrete else (spec.action,)
        return Held(policy.start(), jnp.zeros(shape, jnp.int32 if spec.discrete else jnp.float32), jnp.int32(0))

    def act(key, timestep, memory):
        k_inner, k_try, k_draw, k_noise = jax.random.split(key, 4)
        shape = timestep.obs.shape[:-1]
        left = jnp.broadcast_to(memory.left, shape)
        action, inner = policy.act(k_inner, timestep, memory.inner)
        begin = (left <= 0) & (jax.random.uniform(k_try, shape) < epsilon)
        fresh = draw(k_draw, spec, shape)
        wide = lambda flag: flag if spec.discrete else flag[..., None]
        kept = jnp.where(wide(begin), fresh, jnp.broadcast_to(memory.action, fresh.shape))
        left = jnp.where(begin, hold, left)
        if not spec.discrete:
            action = jnp.clip(action + sigma * jax.random.normal(k_noise, action.shape), -1, 1)
        chosen = jnp.where(wide(left > 0), kept, action)
        return chosen, Held(inner, kept, left - 1)

    return Policy(start, act)
