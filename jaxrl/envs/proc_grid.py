"""Grid mazes drawn from a level's number: walls, and on request hazards and a key; 9 x 9 cells, solvable by make.

A stand-in for Procgen's games in arXiv:2312.05742, where learners are tested on levels that they were not trained on.
Departures: one-hot images of 9 x 9 cells in place of 64 x 64 pixels; an episode's start is drawn anew, a level is not.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Env, Policy, Spec, reactive
from jaxrl.envs.control import timed

SIDE = 9
ROOMS = 4
"""Rooms along a side; they are the cells of odd row and column, and always free."""
CHANNELS = ("wall", "hazard", "goal", "key", "agent")
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
"""(row, column) of the actions up, down, left, right."""
HORIZON = 40
"""Steps of an episode. A way between two cells takes up to 30; at openness 0.5 the expert has always been in time."""
FAR = 1e3
"""More than any distance in cells."""
NAMES = {
    "ProcGrid-v0": {},
    "ProcGrid-Hazards-v0": {"hazards": 0.5},
    "ProcGrid-Keys-v0": {"locked": 1.0},
    "ProcGrid-KeysHazards-v0": {"hazards": 0.5, "locked": 1.0},
}
"""Name -> numbers of its levels."""


class Levels(NamedTuple):
    """Which levels there are, and of what kind; a reset draws one of them.

    seeds: [L] uint32, a level each. openness: share of the walls between two rooms that are broken beyond what keeps
    all rooms connected. hazards: share of these gaps that end an episode. locked: 1 where the goal wants the key first.
    """

    seeds: Any
    openness: Any = 0.5
    hazards: Any = 0.0
    locked: Any = 0.0


class Layout(NamedTuple):
    """A level. free, hazard: [9, 9] bool, a hazard is free too; goal, key: indices of two different rooms' cells."""

    free: Any
    hazard: Any
    goal: Any
    key: Any


class Place(NamedTuple):
    """Where an episode stands: its level, the agent's cell, whether the key is still wanted."""

    layout: Layout
    cell: Any
    wanted: Any


def between() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The walls that may be broken: (one room [24], the other [24], the cell between them [24])."""
    rooms = [(row, column) for row in range(ROOMS) for column in range(ROOMS)]
    found = []
    for row, column in rooms:
        for down, right in ((0, 1), (1, 0)):
            if row + down < ROOMS and column + right < ROOMS:
                other = (row + down) * ROOMS + column + right
                found.append((row * ROOMS + column, other, (2 * row + 1 + down) * SIDE + 2 * column + 1 + right))
    one, other, cell = np.array(found, np.int32).T
    return one, other, cell


def room_cells() -> np.ndarray:
    """Cell of each room, [16] int32."""
    row, column = np.divmod(np.arange(ROOMS**2, dtype=np.int32), ROOMS)
    return (2 * row + 1) * SIDE + 2 * column + 1


def layout(seed, levels: Levels) -> Layout:
    """The level of that number; a function of the number and of the kind of levels.

    A random spanning tree (Prim's, random weights) connects the rooms; hazards lie off the tree only, so that every
    room can be reached from every other without one.
    """
    k_tree, k_open, k_hazard, k_rooms = jax.random.split(jax.random.key(seed), 4)
    one, other, cells = (jnp.asarray(x) for x in between())
    weight = jax.random.uniform(k_tree, cells.shape)

    def grow(_, carry):
        inside, tree = carry
        edge = jnp.where(inside[one] ^ inside[other], weight, jnp.inf).argmin()
        return inside.at[one[edge]].set(True).at[other[edge]].set(True), tree.at[edge].set(True)

    first = jnp.arange(ROOMS**2) == 0
    _, tree = jax.lax.fori_loop(0, ROOMS**2 - 1, grow, (first, jnp.zeros(cells.shape, bool)))
    gap = ~tree & (jax.random.uniform(k_open, cells.shape) < levels.openness)
    hazard = gap & (jax.random.uniform(k_hazard, cells.shape) < levels.hazards)
    rooms = jnp.asarray(room_cells())
    empty = jnp.zeros(SIDE**2, bool)
    free = empty.at[rooms].set(True).at[cells].set(tree | gap)
    goal, key = jax.random.choice(k_rooms, rooms, (2,), replace=False)
    return Layout(free.reshape(SIDE, SIDE), empty.at[cells].set(hazard).reshape(SIDE, SIDE), goal, key)


def image(place: Place):
    """What is seen: [9, 9, 5] of 0 and 1, channels in the order of `CHANNELS`. A key that was taken is not there."""
    at = lambda cell: jax.nn.one_hot(cell, SIDE**2).reshape(SIDE, SIDE)
    seen = ~place.layout.free, place.layout.hazard, at(place.layout.goal), at(place.layout.key) * place.wanted
    return jnp.stack([jnp.asarray(x, jnp.float32) for x in (*seen, at(place.cell))], -1)


def move(key, params: Levels, place: Place, action):
    """One step into a neighbouring cell, or none where there is a wall."""
    row, column = jnp.divmod(place.cell, SIDE)
    down, right = jnp.asarray(MOVES)[action]
    ahead = ((row + down) * SIDE + column + right).astype(jnp.int32)
    cell = jnp.where(place.layout.free.reshape(-1)[ahead], ahead, place.cell)
    wanted = place.wanted * (cell != place.layout.key)
    solved = (cell == place.layout.goal) & (wanted == 0)
    return Place(place.layout, cell, wanted), solved, solved | place.layout.hazard.reshape(-1)[cell]


def draw(key, params: Levels) -> Place:
    """A level of the list, and a start among its free cells but for hazards, goal and key."""
    k_level, k_start = jax.random.split(key)
    seeds = jnp.asarray(params.seeds, jnp.uint32)
    level = layout(seeds[jax.random.randint(k_level, (), 0, seeds.shape[0])], params)
    index = jnp.arange(SIDE**2)
    able = (level.free & ~level.hazard).reshape(-1) & (index != level.goal) & (index != level.key)
    start = jax.random.categorical(k_start, jnp.where(able, 0.0, -jnp.inf)).astype(jnp.int32)
    return Place(level, start, jnp.asarray(params.locked, jnp.float32))


def proc_grid(name: str = "ProcGrid-v0", seeds=range(200)) -> Env:
    """A kind of levels by name, 40 steps; reward 1 at the goal, which ends the episode as a hazard does.

    obs: `image`, flattened to 405 numbers; four actions. seeds: numbers of the levels, which are traced, as is the
    rest of the `Levels` in `params`.
    """
    spec = Spec(name, obs=SIDE**2 * len(CHANNELS), action=len(MOVES), horizon=HORIZON, discrete=True)
    levels = Levels(np.asarray(seeds, np.uint32), **NAMES[name])
    return timed(spec, levels, draw, move, lambda place: image(place).reshape(-1))


def distances(able, target):
    """Steps to a target, [..., 9, 9], `FAR` where there is no way. able, target: [..., 9, 9] bool."""
    reach = jnp.where(target, 0.0, FAR)

    def relax(_, reach):
        ahead = jnp.stack([jnp.roll(reach, (-down, -right), (-2, -1)) for down, right in MOVES.tolist()])
        return jnp.where(able, jnp.minimum(reach, ahead.min(0) + 1), FAR)

    return jax.lax.fori_loop(0, SIDE**2 // 2, relax, reach)


def expert() -> Policy:
    """Shortest paths: to the key where one is seen, else to the goal, past hazards; of equal moves the first."""

    def act(key, obs):
        seen = obs.reshape(*obs.shape[:-1], SIDE, SIDE, len(CHANNELS)) > 0.5
        wall, hazard, goal, wanted, agent = jnp.moveaxis(seen, -1, 0)
        target = jnp.where(wanted.any((-2, -1), keepdims=True), wanted, goal)
        reach = distances(~wall & ~hazard, target)
        after = [jnp.where(agent, jnp.roll(reach, (-down, -right), (-2, -1)), 0.0) for down, right in MOVES.tolist()]
        return jnp.stack(after, -1).sum((-3, -2)).argmin(-1).astype(jnp.int32)

    return reactive(act)
