"""Minari's spaces as flat numbers: in the order of `gymnasium.spaces.flatten`, over whole episodes at once."""

from collections import OrderedDict
from typing import Any

import numpy as np

from jaxrl.core.check import InputError


def ordered(space, layout: dict | None):
    """The space with the entries of Dicts in the order of `layout`, Minari's JSON of it, which is the environment's.

    Reading a Dict back sorts its keys, which `FlattenObservation` on the environment may not have done.
    """
    from gymnasium import spaces

    if layout is None:
        return space
    if isinstance(space, spaces.Dict):
        parts = layout["subspaces"]
        return spaces.Dict(OrderedDict((name, ordered(space.spaces[name], parts[name])) for name in parts))
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([ordered(*pair) for pair in zip(space.spaces, layout["subspaces"], strict=True)])
    return space


def one_hot(index: np.ndarray, count: int, start: int) -> np.ndarray:
    """Rows of the identity, [n, count] float32; InputError for an index outside [start, start + count)."""
    index = np.asarray(index).reshape(-1).astype(np.int64) - start
    if len(index) and (index.min() < 0 or index.max() >= count):
        raise InputError(f"class index {int(index.max() + start)} lies outside [{start}, {start + count})")
    return np.eye(count, dtype=np.float32)[index]


def flatten(space, values: Any, rows: int) -> np.ndarray:
    """Values of a space over `rows` steps -> [rows, D] float32, as `gymnasium.spaces.flatten` orders one of them.

    InputError where rows or shape are not the declared ones, or the space has no flat form of fixed length.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        parts = [flatten(part, values[name], rows) for name, part in space.spaces.items()]
        return np.concatenate(parts, axis=1)
    if isinstance(space, spaces.Tuple):
        parts = [flatten(part, value, rows) for part, value in zip(space.spaces, values, strict=True)]
        return np.concatenate(parts, axis=1)
    if not isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        raise InputError(f"a {type(space).__name__} space has no flat form of fixed length; re-record with Box or Dict")
    values = np.asarray(values)
    if isinstance(space, spaces.Discrete) and values.shape in ((rows,), (rows, 1)):
        return one_hot(values, int(space.n), int(space.start))
    if values.shape != (rows, *space.shape):
        raise InputError(f"values have shape {values.shape}, but the space declares {(rows, *space.shape)}")
    if isinstance(space, spaces.MultiDiscrete):
        counts, starts = space.nvec.reshape(-1), np.broadcast_to(space.start, space.shape).reshape(-1)
        columns = values.reshape(rows, -1)
        return np.concatenate([one_hot(columns[:, i], int(n), int(starts[i])) for i, n in enumerate(counts)], axis=1)
    with np.errstate(over="ignore"):
        return values.reshape(rows, -1).astype(np.float32, copy=False)


def actions_of(space, values: Any, rows: int) -> np.ndarray:
    """Actions over `rows` steps: [rows, A] float32 in the environment's units, or [rows] int32 counted from 0."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return flatten(space, values, rows)
    if not isinstance(space, spaces.Discrete):
        raise InputError(f"actions are of a {type(space).__name__} space, only Box and Discrete are supported")
    index = np.asarray(values)
    if index.shape not in ((rows,), (rows, 1)):
        raise InputError(f"actions have shape {index.shape}, but the space declares {(rows,)}")
    index = index.reshape(rows).astype(np.int64) - int(space.start)
    if rows and (index.min() < 0 or index.max() >= space.n):
        raise InputError(f"an action lies outside the {int(space.n)} classes that the space declares")
    return index.astype(np.int32)


def bounds(space) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Low and high of a Box, A numbers each; empty for any other space."""
    from gymnasium import spaces

    if not isinstance(space, spaces.Box):
        return (), ()
    return tuple(map(float, space.low.reshape(-1))), tuple(map(float, space.high.reshape(-1)))


def check_finite(what: str, array: np.ndarray, remedy: str, rows: str = "steps") -> None:
    """InputError with the number of rows that hold NaN or an infinity and the first of them."""
    good = np.isfinite(array)
    if good.all():
        return
    bad = np.flatnonzero(~good.reshape(len(good), -1).all(axis=1))
    raise InputError(f"{what}: NaN or infinite in {len(bad)} of {len(good)} {rows}, first at index {bad[0]}; {remedy}")
