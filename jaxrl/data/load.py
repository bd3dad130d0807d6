"""Minari id -> `Arrays` (HDF5 and Arrow), with checks that name what is wrong in a file; lists of what is here."""

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.data import reference
from jaxrl.data.dataset import Arrays, episode_ends, episode_returns, fingerprint, from_arrays
from jaxrl.data.episodes import gathered
from jaxrl.data.local import absent, brief, fetch, find, installed
from jaxrl.data.spaces import bounds, check_finite, ordered


class Logged(NamedTuple):
    """A dataset as it was logged.

    arrays: float32, actions in the environment's own units or classes counted from 0. env_spec, eval_env_spec:
    Gymnasium EnvSpecs or None. low, high: bounds of a continuous action, A numbers each, () where discrete. actions:
    dimensions of a continuous action or number of discrete ones. metadata: the dataset's own, as in its file.
    """

    arrays: Arrays
    env_spec: Any
    eval_env_spec: Any
    discrete: bool
    low: tuple[float, ...]
    high: tuple[float, ...]
    actions: int
    metadata: dict
    path: Path


class Row(NamedTuple):
    """One local dataset in the catalogue; `note` says why a broken one could not be read, and is "" otherwise."""

    id: str
    episodes: int
    steps: int
    environment: str
    references: bool
    bytes: int
    root: Path
    note: str = ""


def read(dataset_id: str, download: bool = True) -> Logged:
    """The dataset of that id, from the first root that has it, else downloaded through Minari.

    Dict observations are flattened as `FlattenObservation` does. `next_obs` is the true successor everywhere. An
    episode whose last step carries neither flag counts as truncated there; one without steps is dropped; a flag inside
    an episode ends it there, with a warning. Raises InputError for ids that cannot be had and files that are unusable.
    """
    path = find(dataset_id)
    if path is None:
        if not download:
            raise absent(dataset_id, "downloading was not allowed")
        path = fetch(dataset_id)
    with readable(dataset_id, path):
        return read_folder(dataset_id, path)


@contextlib.contextmanager
def readable(dataset_id: str, path: Path):
    """Turns whatever a reader raises on a broken file into one InputError."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"dataset {dataset_id!r} at {path} needs a missing library: {brief(error)}") from error
    except (
        OSError,
        KeyError,
        IndexError,
        ValueError,
        TypeError,
        AttributeError,
        RuntimeError,
        AssertionError,
    ) as error:
        raise InputError(
            f"dataset {dataset_id!r} at {path} cannot be read, its files are truncated or corrupted ({brief(error)}); "
            f"delete that folder, then download, build or import it again"
        ) from error


def raw_metadata(dataset_id: str, path: Path) -> dict:
    """`metadata.json` as it stands; InputError where it, or the data beside it, is missing."""
    file = path / "data" / "metadata.json"
    if not file.is_file():
        raise InputError(
            f"dataset {dataset_id!r} at {path} lacks data/metadata.json; delete that folder and get it again"
        )
    metadata = json.loads(file.read_text())
    if metadata["data_format"] == "hdf5" and not (path / "data" / "main_data.hdf5").is_file():
        raise InputError(
            f"dataset {dataset_id!r} at {path} lacks data/main_data.hdf5; delete that folder and get it again"
        )
    return metadata


def read_folder(dataset_id: str, path: Path) -> Logged:
    """The dataset in a folder. Raises InputError, and whatever the readers raise on a broken file."""
    import minari

    metadata = raw_metadata(dataset_id, path)
    if not metadata["total_episodes"]:
        raise InputError(f"dataset {dataset_id!r} at {path} is empty: it has no episode; record or import some")
    source = minari.MinariDataset(path / "data")
    layout = metadata.get("observation_space")
    space = ordered(source.observation_space, json.loads(layout) if layout else None)
    arrays = gathered(dataset_id, source, space)
    if len(arrays.reward) < metadata.get("total_steps", 0):
        raise ValueError(f"{len(arrays.reward)} steps are there, {metadata['total_steps']} are declared")
    remedy = "drop the episodes that hold them and record the dataset again"
    for name in ("obs", "action", "reward"):
        check_finite(f"{name} of dataset {dataset_id!r}", getattr(arrays, name), remedy)
    check_finite(f"final observations of dataset {dataset_id!r}", arrays.next_obs[arrays.last], remedy, "episodes")
    low, high = bounds(source.action_space)
    discrete = not low
    actions = int(source.action_space.n) if discrete else len(low)
    specs = source.env_spec, getattr(source, "_eval_env_spec", None)
    return Logged(arrays, *specs, discrete, low, high, actions, metadata, path)


def scaled(logged: Logged) -> tuple[Arrays, int]:
    """Arrays with continuous actions mapped from [low, high] to [-1, 1], and how many values lay outside.

    Those are clipped, with one warning. Discrete actions pass. Raises InputError for bounds that are infinite or empty.
    """
    arrays, name = logged.arrays, logged.metadata.get("dataset_id", logged.path)
    if logged.discrete:
        return arrays, 0
    low, high = np.asarray(logged.low), np.asarray(logged.high)
    bad = np.flatnonzero(~np.isfinite(low) | ~np.isfinite(high) | ~(low < high))
    if len(bad):
        i = bad[0]
        raise InputError(
            f"action dimension {i} of dataset {name!r} has bounds [{low[i]}, {high[i]}] and cannot be scaled to "
            f"[-1, 1]; write the dataset again with a Box of finite bounds as its action space"
        )
    action, low, high = arrays.action, low.astype(np.float32), high.astype(np.float32)
    clipped = 0
    if (action.min(axis=0) < low).any() or (action.max(axis=0) > high).any():
        excess = np.maximum(low - action, action - high)
        clipped = int((excess > 0).sum())
        warnings.warn(
            f"dataset {name!r}: {clipped} of {excess.size} action values lay up to {excess.max():.3g} outside their "
            f"bounds and were clipped",
            stacklevel=2,
        )
    if clipped or (low != -1).any() or (high != 1).any():
        action = np.clip((action - (high + low) / 2) / ((high - low) / 2), -1, 1)
    return arrays._replace(action=action), clipped


def environment_id(metadata: dict) -> str:
    """Id of the environment that the dataset was recorded in, "" where it names none."""
    return json.loads(metadata["env_spec"])["id"] if metadata.get("env_spec") else ""


def catalogue() -> list[Row]:
    """All local datasets by id, from their metadata alone; broken ones stand there with a note and zeros."""
    return [listed(dataset_id, *place) for dataset_id, place in sorted(installed().items())]


def listed(dataset_id: str, root: Path, path: Path) -> Row:
    """The catalogue's row of one folder."""
    weight = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    try:
        with readable(dataset_id, path):
            metadata = raw_metadata(dataset_id, path)
            environment = environment_id(metadata)
            scored = bool(reference.references(dataset_id, metadata, environment))
            episodes, steps = int(metadata["total_episodes"]), int(metadata["total_steps"])
    except InputError as error:
        return Row(dataset_id, 0, 0, "", False, weight, root, str(error))
    return Row(dataset_id, episodes, steps, environment, scored, weight, root)


def space_text(serialized: str | None) -> str:
    """Gymnasium's own words for a space in Minari's JSON, on one line; "" where the file does not say."""
    from minari.serialization import deserialize_space

    return " ".join(str(deserialize_space(serialized)).split()) if serialized else ""


def describe(dataset_id: str) -> dict[str, Any]:
    """What `jaxrl data info` shows of a local dataset: sizes, undiscounted returns, references, origin, fingerprint."""
    logged = read(dataset_id, download=False)
    metadata, environment = logged.metadata, environment_id(logged.metadata)
    data = from_arrays(scaled(logged)[0])
    returns, ends = episode_returns(data), episode_ends(data)
    pairs = reference.references(dataset_id, metadata, environment)
    horizon = logged.env_spec.max_episode_steps if logged.env_spec else None
    return {
        "id": dataset_id,
        "path": str(logged.path),
        "format": metadata["data_format"],
        "environment": environment,
        "horizon": horizon,
        "observation_space": space_text(metadata.get("observation_space")),
        "action_space": space_text(metadata.get("action_space")),
        "obs": int(logged.arrays.obs.shape[1]),
        "actions": logged.actions,
        "discrete": logged.discrete,
        "episodes": len(ends),
        "steps": len(logged.arrays.reward),
        "return_mean": float(returns.mean()),
        "return_std": float(returns.std()),
        "return_min": float(returns.min()),
        "return_max": float(returns.max()),
        "length_mean": float(np.diff(ends, prepend=-1).mean()),
        "terminated": int(logged.arrays.terminated.sum()),
        "truncated": int(logged.arrays.truncated.sum()),
        "references": [pair._asdict() | {"score_mean": float(pair.score(returns.mean()))} for pair in pairs],
        "score": float(pairs[0].score(returns.mean())) if pairs else None,
        "no_score": "" if pairs else reference.no_reference(dataset_id),
        "author": metadata.get("author", []),
        "algorithm": metadata.get("algorithm_name", ""),
        "description": metadata.get("description", ""),
        "minari_version": metadata.get("minari_version", ""),
        "fingerprint": fingerprint(data),
    }
