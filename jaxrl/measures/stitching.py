"""What recombining logged trajectories could gain: the best path through the graph of a dataset's states.

Ours, after the informal notion of stitching in arXiv:2004.07219: states in one cell count as one node, logged steps are
its edges, and dynamic programming finds the best path of a logged length from each start.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Dataset
from jaxrl.data.dataset import episode_ends, episode_returns
from jaxrl.measures.cells import Grid, cells, labels


class Stitching(NamedTuple):
    """Returns from the cells in which episodes started, [episodes] each.

    logged: the best of the episodes that started there. stitched: of the best path from there; never less.
    """

    logged: np.ndarray
    stitched: np.ndarray

    @property
    def gain(self) -> float:
        """Mean return that recombination adds, in units of return."""
        return float((self.stitched - self.logged).mean())


def stitching(dataset: Dataset, grid: Grid | None = None, changes: int | None = None) -> Stitching:
    """Best logged and best stitched return from every start.

    A path starts as an episode did and may change to another trajectory, or to another place of its own, wherever both
    are in one cell: `changes` times, or as often as it likes. It takes as many steps as the episode it is compared
    with, or ends earlier where a step terminates; an episode that terminated may be replaced by a path as long as the
    longest. Only deterministic tasks obey it, and each change may jump across a cell: an upper estimate, sharper with
    more bins and fewer changes.
    """
    steps, ends = dataset.steps, episode_ends(dataset)
    count = len(dataset.last)
    both = labels(cells(np.concatenate([steps.obs, steps.next_obs]), grid))
    lengths = np.diff(ends, prepend=-1)
    first = ends - lengths + 1
    horizons = np.where(np.asarray(steps.terminated)[ends] > 0, lengths.max(), lengths)
    walk = _Walk(steps.reward, steps.terminated, np.isin(np.arange(count), ends), both[:count], both[count:], first)
    nodes = int(both.max()) + 1
    values = _values(jax.tree.map(jnp.asarray, walk), nodes, int(lengths.max()), changes)
    starts = both[first]
    stitched = np.asarray(values, np.float64)[horizons - 1, np.arange(len(ends))]
    logged = np.full(nodes, -np.inf)
    np.maximum.at(logged, starts, episode_returns(dataset))
    return Stitching(logged[starts], np.maximum(stitched, logged[starts]))


class _Walk(NamedTuple):
    """Steps [n]: reward, whether the task or the episode ends, cells before and after; first steps [episodes]."""

    reward: Any
    terminated: Any
    last: Any
    here: Any
    following: Any
    first: Any


@functools.partial(jax.jit, static_argnames=("nodes", "horizon", "changes"))
def _values(walk: _Walk, nodes: int, horizon: int, changes: int | None):
    """Value of the best path of 1 to `horizon` steps from each start; [horizon, episodes]. Dead ends are worth -inf.

    Row m of the tables is for m changes left; without a limit there is one row, which a change does not leave.
    """

    def changed(values):
        best = jax.vmap(lambda row: jax.ops.segment_max(row, walk.here, nodes))(values)
        return best if changes is None else jnp.concatenate([jnp.full((1, nodes), -jnp.inf), best[:-1]])

    def backup(after, _):
        values = walk.reward[None] + jnp.where(walk.terminated[None] > 0, 0.0, after)
        best = changed(values)
        onward = jnp.where(walk.last[None], -jnp.inf, jnp.roll(values, -1, axis=1))
        starts = jnp.maximum(values[-1, walk.first], best[-1, walk.here[walk.first]])
        return jnp.maximum(onward, best[:, walk.following]), starts

    rows = 1 if changes is None else changes + 1
    return jax.lax.scan(backup, jnp.zeros((rows, len(walk.reward))), length=horizon)[1]
