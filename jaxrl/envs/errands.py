"""Four rooms with a site in each, to be visited in the order that is asked for; discrete, with a fixed start.

A stand-in for the kitchen tasks of D5RL (arXiv:2408.08441), where sub-tasks are asked for in orders never seen.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Env, Policy, Spec, reactive
from jaxrl.envs.control import timed
from jaxrl.envs.scripted import routes

LAYOUT = """\
#########
#A..#..B#
#...#...#
#.......#
##.###.##
#...#...#
#.......#
#C..#..D#
#########"""
NAMES = "ABCD"
"""The sites; an order lists their numbers."""
START = (3, 4)
"""Row and column of the start, the door between the upper rooms."""
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
HORIZON = 60
LENGTH = 3
"""Sites in an order."""


class Map(NamedTuple):
    """cells: [F, 2] row and column of the free ones. follow: [F, 4] cell after an action. sites: [4] cells.
    route: [4, F] action on a shortest way to a site; start: cell."""

    cells: np.ndarray
    follow: np.ndarray
    sites: np.ndarray
    route: np.ndarray
    start: int


class Errands(NamedTuple):
    """orders: [O, K] int32, of which a reset draws one."""

    orders: Any


class Place(NamedTuple):
    """Where an episode stands: the agent's cell, the order [K], how many sites of it were visited."""

    cell: Any
    order: Any
    count: Any


def surveyed() -> Map:
    """The layout as tables."""
    grid = np.array([list(line) for line in LAYOUT.splitlines()])
    found, following = routes(grid == "#")
    cells = found[:, ::-1].astype(int)
    index = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
    follow = np.array([[index.get((r + d, c + e), i) for d, e in MOVES] for i, (r, c) in enumerate(cells.tolist())])
    sites = np.array([index[tuple(np.argwhere(grid == name)[0].tolist())] for name in NAMES])
    route = np.argmax(follow[None] == following[sites][..., None], -1)
    return Map(cells, follow.astype(np.int32), sites.astype(np.int32), route.astype(np.int32), index[START])


MAP = surveyed()


def errands(orders: Sequence[Sequence[int]] = ((0, 1, 2),), shown: Literal["order", "next"] = "order") -> Env:
    """Visit the sites of an order; reward 1 for each in its turn, the end after the last, or after 60 steps.

    obs: the cell, one-hot; then, of the sites that are left, the next, the one after it, ..., one-hot each, 0 where no
    more is left. With shown "next": the cell and the cell of the next site, one-hot each. Four actions. InputError for
    orders that are none.
    """
    table = checked(orders)
    cells, sites = len(MAP.cells), len(NAMES)
    seen = cells + (cells if shown == "next" else sites * table.shape[1])
    spec = Spec("Errands-v0", obs=seen, action=len(MOVES), horizon=HORIZON, discrete=True)

    def draw(key, params):
        table = jnp.asarray(params.orders, jnp.int32)
        return Place(jnp.int32(MAP.start), table[jax.random.randint(key, (), 0, table.shape[0])], jnp.int32(0))

    def observe(place):
        here = jax.nn.one_hot(place.cell, cells)
        turn = place.count + jnp.arange(table.shape[1])
        left = turn < table.shape[1]
        ahead = place.order[jnp.minimum(turn, table.shape[1] - 1)]
        if shown == "next":
            return jnp.concatenate([here, jax.nn.one_hot(jnp.asarray(MAP.sites)[ahead[0]], cells)])
        return jnp.concatenate([here, (jax.nn.one_hot(ahead, sites) * left[:, None]).reshape(-1)])

    return timed(spec, Errands(table), draw, move, observe)


def move(key, params: Errands, place: Place, action):
    """One step, none into a wall; a site counts where it is the next of the order."""
    cell = jnp.asarray(MAP.follow)[place.cell, action]
    reached = cell == jnp.asarray(MAP.sites)[place.order[place.count]]
    count = place.count + reached
    over = count == place.order.shape[0]
    return Place(cell, place.order, jnp.minimum(count, place.order.shape[0] - 1)), reached, over


def checked(orders: Sequence[Sequence[int]]) -> np.ndarray:
    """Orders [O, K]; InputError unless all are as long and name sites, none twice."""
    for one in orders:
        if not len(one) or len(one) != len(orders[0]) or len(set(one)) < len(one) or not set(one) <= set(range(4)):
            raise InputError(f"order {tuple(one)} is none; give numbers 0 to 3, none twice, and all orders one length")
    if not len(orders):
        raise InputError("an empty list of orders; give at least one")
    return np.array(orders, np.int32)


def expert() -> Policy:
    """The shortest way to the next site; for observations that show the order."""

    def act(key, obs):
        site, cell = read(obs)
        return jnp.asarray(MAP.route)[site, cell]

    return reactive(act)


def distracted(share: float) -> Policy:
    """The expert, but each time it has reached the site that it walks to, it walks to a random one next with
    probability `share`, in any order; memory: the site that it walks to, -1 at first."""

    def act(key, timestep, memory):
        k_stray, k_site = jax.random.split(key)
        site, cell = read(timestep.obs)
        memory = jnp.broadcast_to(memory, site.shape)
        there = (memory < 0) | (cell == jnp.asarray(MAP.sites)[memory])
        stray = jax.random.uniform(k_stray, site.shape) < share
        fresh = jnp.where(stray, jax.random.randint(k_site, site.shape, 0, len(NAMES)), site)
        target = jnp.where(there, fresh, memory)
        return jnp.asarray(MAP.route)[target, cell], target

    return Policy(lambda: jnp.int32(-1), act)


def read(obs):
    """(next site, cell) of observations [..., D] that show the order."""
    cells = len(MAP.cells)
    return obs[..., cells : cells + len(NAMES)].argmax(-1), obs[..., :cells].argmax(-1)
