"""Continuous values in bins, and rows of whole numbers as labels: what all counting of states rests on."""

from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.core.types import Dataset

ROOM = 2**62


class Grid(NamedTuple):
    """Even bins on each axis. low, high: [D], limits of the first and the last bin; values beyond fall into these."""

    low: np.ndarray
    high: np.ndarray
    bins: int


def grid(values, bins: int = 100) -> Grid:
    """Even bins between the smallest and the largest value on each axis of values [n, D].

    One hundred bins are those of arXiv:2111.04714. Compare datasets by the bins of one of them, else counts differ for
    want of a common measure. Raises InputError for no values or fewer than one bin.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        raise InputError("there are 0 rows to lay bins over; give at least one episode")
    return Grid(values.min(0), values.max(0), positive("the number of bins", bins))


def cells(values, grid: Grid | None = None) -> np.ndarray:
    """Bin of each value: [n, D] int64. Without bins, values are taken as they are and must be whole numbers.

    Raises InputError where they are not.
    """
    values = np.asarray(values, np.float64)
    if grid is None:
        whole = np.rint(values)
        if (whole != values).any():
            odd = values[whole != values][0]
            raise InputError(f"cannot count continuous values such as {odd:.6g} as they are; give bins, such as 100")
        return whole.astype(np.int64)
    wide = np.where(grid.high > grid.low, grid.high - grid.low, 1.0)
    place = np.floor((values - grid.low) / wide * grid.bins)
    return np.clip(place, 0, grid.bins - 1).astype(np.int64)


def labels(table) -> np.ndarray:
    """A number for each row [n, D] of whole numbers: [n], equal rows get equal ones, from 0 on, none left out."""
    table = np.asarray(table, np.int64)
    found, room = np.zeros(len(table), np.int64), 1
    for column in table.T:
        column = column - column.min(initial=0)
        width = int(column.max(initial=0)) + 1
        if room * width >= ROOM:
            found = np.unique(found, return_inverse=True)[1]
            room = int(found.max(initial=0)) + 1
        found, room = found * width + column, room * width
    return np.unique(found, return_inverse=True)[1]


def state_cells(dataset: Dataset, grid: Grid | None = None) -> np.ndarray:
    """Bins of the observations: [n, D]."""
    return cells(dataset.steps.obs, grid)


def pair_cells(dataset: Dataset, grid: Grid | None = None) -> np.ndarray:
    """Bins of the observations, and beside them those of the actions: [n, D + A], or [n, D + 1] for classes.

    The two stand side by side; added up, as in one counter that was released with arXiv:2111.04714, different pairs
    fall together. Continuous actions get as many bins as an observation's axis, over [-1, 1].
    """
    action = np.asarray(dataset.steps.action)
    if np.issubdtype(action.dtype, np.integer):
        return np.concatenate([state_cells(dataset, grid), action.reshape(len(action), -1)], 1)
    bounds = None if grid is None else Grid(-np.ones(action.shape[1]), np.ones(action.shape[1]), grid.bins)
    return np.concatenate([state_cells(dataset, grid), cells(action, bounds)], 1)
