"""Point mazes in JAX: a force-driven point mass among walls, in the U, medium and large layouts of D4RL.

Source: D4RL maze2d (arXiv:2004.07219), layouts and reward (1 a step near the goal, no termination).
Departures: a square body with damping and clipped speed instead of MuJoCo's ball; a uniform start cell; observations
centred and scaled; horizons of 100, 150 and 200.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Env, Spec
from jaxrl.envs.control import timed

UMAZE = """\
#####
#GOO#
###O#
#OOO#
#####"""
MEDIUM = """\
########
#OO##OO#
#OO#OOO#
##OOO###
#OO#OOO#
#O#OO#O#
#OOO#OG#
########"""
LARGE = """\
############
#OOOO#OOOOO#
#O##O#O#O#O#
#OOOOOO#OOO#
#O####O###O#
#OO#O#OOOOO#
##O#O#O#O###
#OO#OOO#OGO#
############"""
LAYOUTS = {
    "PointMaze-UMaze-v0": (UMAZE, 100),
    "PointMaze-Medium-v0": (MEDIUM, 150),
    "PointMaze-Large-v0": (LARGE, 200),
}
"""Name -> layout and horizon."""

HALF = 0.1
"""Half the body's width, in cells."""
CELLS, SPEED = 2.0, 3.0
"""Cells per unit of an observed position; cells per time per unit of an observed velocity."""
GAP = 1e-3


class Maze(NamedTuple):
    """Numbers of a maze; lengths in cells, positions (x, y) = (column, row), a cell's centre at whole numbers.

    walls: [rows, columns] bool. goal, centre: [2]; an observed position is relative to `centre`. force: acceleration
    at an action of 1. damping: share of the speed lost per time. jitter: largest offset of a start from its cell.
    radius: of the reward around the goal; it takes in the whole goal cell, corners included.
    """

    walls: Any
    goal: Any
    centre: Any
    force: Any = 6.0
    damping: Any = 1.0
    max_speed: Any = 3.0
    radius: Any = 0.6
    jitter: Any = 0.3
    dt: Any = 0.2


def parse(layout: str) -> tuple[np.ndarray, np.ndarray]:
    """Walls [rows, columns] bool and the goal's (x, y) of a map of '#', 'O' and one 'G'."""
    grid = np.array([list(line) for line in layout.splitlines()])
    row, column = np.argwhere(grid == "G")[0]
    return grid == "#", np.array([column, row], np.float32)


def maze(name: str) -> Env:
    """A maze by name; obs (x, y, vx, vy) scaled to about [-2.5, 2.5], action a force in [-1, 1]²."""
    layout, horizon = LAYOUTS[name]
    walls, goal = parse(layout)
    centre = (np.array(walls.shape[::-1], np.float32) - 1) / 2
    spec = Spec(name, obs=4, action=2, horizon=horizon, low=(-1.0, -1.0), high=(1.0, 1.0))

    def draw(key, params):
        k_cell, k_jitter = jax.random.split(key)
        cell = jax.random.categorical(k_cell, jnp.where(jnp.asarray(params.walls).reshape(-1), -jnp.inf, 0.0))
        row, column = jnp.divmod(cell, params.walls.shape[1])
        offset = params.jitter * jax.random.uniform(k_jitter, (2,), minval=-1.0, maxval=1.0)
        position = jnp.stack([column, row]).astype(jnp.float32) + offset
        return jnp.concatenate([(position - params.centre) / CELLS, jnp.zeros(2)])

    return timed(spec, Maze(walls, goal, centre), draw, move, lambda values: values)


def move(key, params: Maze, values, action):
    """One step of the point mass; values are the observation itself, [4]."""
    position, velocity = values[:2] * CELLS + params.centre, values[2:] * SPEED
    push = params.force * jnp.clip(action, -1, 1) - params.damping * velocity
    velocity = jnp.clip(velocity + params.dt * push, -params.max_speed, params.max_speed)
    for axis in (0, 1):
        position, velocity = slide(jnp.asarray(params.walls), position, velocity, params.dt, axis)
    near = jnp.sum((position - params.goal) ** 2) <= params.radius**2
    return jnp.concatenate([(position - params.centre) / CELLS, velocity / SPEED]), near, False


def slide(walls, position, velocity, dt, axis: int):
    """Move along one axis; at a wall the body stops in front of it and loses its speed along that axis.

    Only the cell under the body's front is looked at, so a step may be at most one cell long.
    """
    way = jnp.sign(velocity[axis])
    moved = position.at[axis].add(jnp.clip(velocity[axis] * dt, -0.9, 0.9))
    front = jnp.floor(moved[axis] + way * HALF + 0.5).astype(jnp.int32)
    sides = jnp.floor(moved[1 - axis] + jnp.asarray([-HALF, HALF]) + 0.5).astype(jnp.int32)
    hit = (walls[sides, front] if axis == 0 else walls[front, sides]).any() & (way != 0)
    before = front - way * (0.5 + HALF + GAP)
    position = moved.at[axis].set(jnp.where(hit, before, moved[axis]))
    return position, velocity.at[axis].set(jnp.where(hit, 0.0, velocity[axis]))
