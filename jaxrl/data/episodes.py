"""The episodes of a Minari dataset -> the columns of `Arrays`."""

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.data.dataset import Arrays
from jaxrl.data.spaces import actions_of, flatten


class Episode(NamedTuple):
    """The parts of Minari's `EpisodeData` that are read here: T + 1 observations, T of everything else."""

    id: int
    observations: Any
    actions: Any
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray


def episodes(source) -> Iterator[Episode]:
    """The episodes of a MinariDataset, by its own iterator or, where the file is simple enough, straight from it."""
    from gymnasium import spaces

    both = source.observation_space, source.action_space
    flat = all(isinstance(space, spaces.Box | spaces.Discrete) and len(space.shape) < 2 for space in both)
    return from_hdf5(source) if flat and source.storage.FORMAT == "hdf5" else source.iterate_episodes()


def from_hdf5(source) -> Iterator[Episode]:
    """As `iterate_episodes`, for spaces that are single arrays, in a third of its time.

    It stays below h5py's objects: making those takes longer than reading the numbers.
    """
    import h5py

    with h5py.File(source.storage.data_path / "main_data.hdf5", "r") as file:
        for index in source.episode_indices:
            group = h5py.h5g.open(file.id, b"episode_%d" % index)
            yield Episode(int(index), *(stored(group, name) for name in Episode._fields[1:]))


def stored(group, name: str) -> np.ndarray:
    """All values of one HDF5 dataset of a group, both given by low-level handles."""
    import h5py

    data = h5py.h5d.open(group, name.encode())
    values = np.empty(data.shape, data.dtype)
    data.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def gathered(dataset_id: str, source, space) -> Arrays:
    """All episodes of a MinariDataset, one after the other; `space` is that of the observations."""
    columns: list[np.ndarray] = []
    filled = 0
    for episode in episodes(source):
        count = len(episode.rewards)
        if count == 0:
            continue
        try:
            rows = split(episode, space, source.action_space)
        except InputError as error:
            raise InputError(
                f"episode {episode.id} of dataset {dataset_id!r}: {error}; record or import it again"
            ) from None
        # Copied as they come, so that the reader's memory is used over and over.
        if not columns:
            columns = [np.empty((source.total_steps, *row.shape[1:]), row.dtype) for row in rows]
        if filled + count > len(columns[0]):
            columns = [
                np.concatenate([column[:filled], np.empty_like(row), column])
                for column, row in zip(columns, rows, strict=True)
            ]
        for column, row in zip(columns, rows, strict=True):
            column[filled : filled + count] = row
        filled += count
    if not filled:
        raise InputError(f"dataset {dataset_id!r} is empty: no episode has a step; it needs at least one full episode")
    arrays = Arrays(*(column[:filled] for column in columns))
    inner = (arrays.terminated | arrays.truncated) & ~arrays.last
    if inner.any():
        warnings.warn(
            f"dataset {dataset_id!r}: {inner.sum()} steps inside episodes carry an end flag; each ends its episode",
            stacklevel=2,
        )
    return arrays._replace(last=arrays.last | inner)


def split(episode: Episode, space, action_space) -> tuple[np.ndarray, ...]:
    """One episode of T steps and T + 1 observations -> the columns of `Arrays`, T rows each."""
    count = len(episode.rewards)
    obs = flatten(space, episode.observations, count + 1)
    action = actions_of(action_space, episode.actions, count)
    with np.errstate(over="ignore"):
        reward = np.asarray(episode.rewards, np.float32).reshape(-1)
    terminated = np.asarray(episode.terminations, bool).reshape(-1)
    truncated = np.array(episode.truncations, bool).reshape(-1)
    for name, column in (("rewards", reward), ("terminations", terminated), ("truncations", truncated)):
        if len(column) != count:
            raise InputError(f"{len(column)} {name} for {count} steps")
    last = np.zeros(count, bool)
    last[-1] = True
    truncated[-1] |= not terminated[-1]
    return obs[:-1], action, reward, obs[1:], terminated, truncated, last
