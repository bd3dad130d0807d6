"""Arrays -> a Minari dataset (HDF5), written aside and moved into place in one step."""

import contextlib
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.data.dataset import Arrays
from jaxrl.data.local import brief, check_id


def write(
    dataset_id: str,
    arrays: Arrays,
    *,
    root: Path | str,
    env_spec: Any = None,
    observation_space: Any = None,
    action_space: Any = None,
    references: Reference | tuple | None = None,
    metadata: Mapping[str, Any] = {},
    infos: Mapping[str, np.ndarray] = {},
    replace: bool = False,
) -> Path:
    """Write a Minari dataset under `root` and return its folder; actions in physical units, or classes from 0.

    env_spec: Gymnasium EnvSpec, stored; its environment is built only to ask for spaces not given, where that works.
    Spaces not known otherwise: Box(-inf, inf) for observations, the range of the data for actions. references: a
    Reference, a pair (low, high), or several References, of which the first is stored. metadata: further entries;
    `author` may be a name or several. infos: further columns, a row a step, such as "log_prob". The last observation
    of an episode is the `next_obs` of its last step.
    The same arrays give the same bytes. Raises InputError where the id exists and not `replace`, where the arrays
    hold no full episode, and where the folder cannot be written.
    """
    root, destination = Path(root), Path(root) / check_id(dataset_id)
    if destination.exists() and not replace:
        raise InputError(f"dataset {dataset_id!r} exists already at {destination}; choose another id or replace it")
    check_episodes(dataset_id, arrays)
    both = spaces_of(arrays, env_spec, observation_space, action_space)
    entries = entries_of(env_spec, references, metadata)
    aside = root / f".{uuid.uuid4().hex}.tmp"
    try:
        aside.mkdir(parents=True)
        made = create(aside, dataset_id, buffers(arrays, *both, infos), *both)
        made.storage.update_metadata(entries)
        move(aside, root, dataset_id, replace)
    except OSError as error:
        remedy = "choose another folder"
        raise InputError(f"dataset {dataset_id!r} cannot be written under {root} ({brief(error)}); {remedy}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return destination


def check_episodes(dataset_id: str, arrays: Arrays) -> None:
    """InputError unless the arrays are equally long and end with an episode's last step."""
    counts = {len(column) for column in arrays}
    if len(counts) > 1:
        sizes = ", ".join(f"{name} {len(column)}" for name, column in zip(Arrays._fields, arrays, strict=True))
        raise InputError(f"arrays of dataset {dataset_id!r} differ in length ({sizes}); give one row a step")
    if counts == {0} or not arrays.last[-1]:
        raise InputError(
            f"arrays of dataset {dataset_id!r} do not end with a full episode; mark the last step in `last`"
        )


def spaces_of(arrays: Arrays, env_spec, observation_space, action_space) -> tuple[Any, Any]:
    """Spaces for the file: those given, else the environment's where it can be built, else derived from the data."""
    from gymnasium import spaces

    if env_spec is not None and (observation_space is None or action_space is None):
        built = built_spaces(env_spec)
        observation_space, action_space = observation_space or built[0], action_space or built[1]
    width = int(np.prod(arrays.obs.shape[1:]))
    if isinstance(observation_space, spaces.Box) and int(np.prod(observation_space.shape)) == width:
        low, high = observation_space.low.astype(np.float32), observation_space.high.astype(np.float32)
    elif observation_space is None or spaces.flatdim(observation_space) == width:
        low, high = np.full(width, -np.inf, np.float32), np.full(width, np.inf, np.float32)
    else:
        raise InputError(
            f"observations have {width} numbers, but the observation space {observation_space} has "
            f"{spaces.flatdim(observation_space)}; check the environment's id"
        )
    return spaces.Box(low, high, dtype=np.float32), action_space or derived_actions(arrays.action)


def built_spaces(env_spec) -> tuple[Any, Any]:
    """Spaces of the environment; (None, None), with a warning, where it cannot be built here."""
    import gymnasium

    try:
        env = gymnasium.make(env_spec)
    except Exception as error:
        warnings.warn(
            f"environment {env_spec.id} cannot be built ({brief(error)}); its spaces are derived from the data",
            stacklevel=2,
        )
        return None, None
    found = env.observation_space, env.action_space
    env.close()
    return found


def derived_actions(action: np.ndarray):
    """Discrete for integers; else a Box: [-1, 1] where all values lie in it, and the range of the data where not."""
    from gymnasium import spaces

    if np.issubdtype(action.dtype, np.integer):
        return spaces.Discrete(int(action.max()) + 1)
    low, high = np.minimum(action.min(axis=0), -1.0), np.maximum(action.max(axis=0), 1.0)
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def buffers(arrays: Arrays, observation_space, action_space, infos: Mapping[str, np.ndarray] = {}) -> list:
    """One Minari EpisodeBuffer for each episode."""
    from minari.data_collector import EpisodeBuffer

    ends = np.flatnonzero(arrays.last) + 1
    shape = observation_space.shape
    obs = arrays.obs.astype(np.float32).reshape(-1, *shape)
    final = arrays.next_obs[ends - 1].astype(np.float32).reshape(-1, *shape)
    action = stored_actions(arrays.action, action_space)
    reward, terminated = arrays.reward.astype(np.float32), arrays.terminated.astype(bool)
    truncated = arrays.truncated.astype(bool) | (arrays.last.astype(bool) & ~terminated)
    return [
        EpisodeBuffer(
            id=i,
            observations=np.concatenate([obs[start:end], final[i : i + 1]]),
            actions=action[start:end],
            rewards=reward[start:end],
            terminations=terminated[start:end],
            truncations=truncated[start:end],
            infos={name: column[start:end] for name, column in infos.items()} or None,
        )
        for i, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
    ]


def stored_actions(action: np.ndarray, space) -> np.ndarray:
    """Actions as the space counts and types them; InputError where they do not fit it."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete) and np.issubdtype(action.dtype, np.integer):
        if action.min() < 0 or action.max() >= space.n:
            raise InputError(
                f"actions run from {action.min()} to {action.max()}, but the space has {space.n} classes from 0"
            )
        return action.reshape(-1).astype(np.int64) + int(space.start)
    if not isinstance(space, spaces.Box) or int(np.prod(space.shape)) != int(np.prod(action.shape[1:])):
        raise InputError(
            f"actions of shape {action.shape[1:]} and type {action.dtype} do not fit the action space {space}"
        )
    return action.astype(np.float32).reshape(-1, *space.shape)


def entries_of(env_spec, references, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of `metadata.json` beyond those that Minari writes by itself."""
    entries = {name: value.item() if isinstance(value, np.generic) else value for name, value in metadata.items()}
    for name in {"author", "author_email"} & entries.keys():
        entries[name] = {entries[name]} if isinstance(entries[name], str) else set(entries[name])
    if env_spec is not None:
        entries["env_spec"] = env_spec.to_json()
    if references:
        pair = references[0] if isinstance(references[0], Reference) else references
        entries |= {"ref_min_score": float(pair[0]), "ref_max_score": float(pair[1])}
        if isinstance(pair, Reference):
            entries["ref_origin"] = pair.origin
    return entries


@contextlib.contextmanager
def datasets_path(folder: Path) -> Iterator[None]:
    """Minari's own path pointed at a folder for a while."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before


def create(folder: Path, dataset_id: str, episodes: list, observation_space, action_space):
    """The MinariDataset, made under `folder`. Minari is not told of the environment, for it would build it."""
    import minari

    with datasets_path(folder), warnings.catch_warnings():
        # Minari warns of every entry left out of the metadata; those that are known are added afterwards.
        warnings.simplefilter("ignore", UserWarning)
        return minari.create_dataset_from_buffers(
            dataset_id, episodes, observation_space=observation_space, action_space=action_space, data_format="hdf5"
        )


def move(aside: Path, root: Path, dataset_id: str, replace: bool) -> None:
    """Put a finished dataset in its place, after the metadata files that Minari wants for its namespaces."""
    destination = root / dataset_id
    destination.parent.mkdir(parents=True, exist_ok=True)
    for namespace in [*Path(dataset_id).parents][:-1]:
        file = root / namespace / "namespace_metadata.json"
        if not file.exists():
            file.write_text("{}")
    if replace and destination.exists():
        destination.rename(aside / "replaced")
    (aside / dataset_id).rename(destination)
