"""A user's arrays in an `.npz` file -> a Minari dataset.

Arrays, one row a step, episodes one after the other; other names that are understood stand behind each:

- `observations` (obs, observation, states): [n, ...]
- `actions` (action, acts): [n, A] in the environment's own units, or [n] class indices from 0
- `rewards` (reward, rews): [n]
- `terminations` (terminals, terminated): [n] flags; without them every episode counts as cut
- `truncations` (timeouts, truncated): [n] flags
- `episode_ends`: the exclusive end of each episode as a row number, or [n] flags
- `next_observations` (next_obs, next_states), optional: [n, ...]

One of terminations, truncations and episode_ends must be there. Without `next_observations` the successor inside an
episode is the next row, and the last step of an episode that was cut is dropped, because its successor is unknown, as
in D4RL's `qlearning_dataset`. Anything else in the file is ignored and said so. Nothing is unpickled.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.paths import dataset_roots
from jaxrl.core.types import Reference, Spec
from jaxrl.data import export
from jaxrl.data.dataset import Arrays
from jaxrl.data.local import brief
from jaxrl.data.spaces import check_finite

NAMES = {
    "observations": ("observations", "obs", "observation", "states"),
    "actions": ("actions", "action", "acts"),
    "rewards": ("rewards", "reward", "rews"),
    "terminations": ("terminations", "terminals", "terminated"),
    "truncations": ("truncations", "timeouts", "truncated"),
    "episode_ends": ("episode_ends",),
    "next_observations": ("next_observations", "next_obs", "next_states"),
}


class Found(NamedTuple):
    """Arrays of a file, and lines that say what was done with it."""

    arrays: Arrays
    notes: tuple[str, ...]


def import_npz(
    path: Path | str,
    *,
    environment_spec: Spec | None,
    env_spec: Any,
    dataset_id: str,
    root: Path | str | None = None,
    references: Reference | tuple | None = None,
    metadata: Mapping[str, Any] = {},
    replace: bool = False,
    report: Callable[[str], None] = print,
) -> Path:
    """Write the file's steps as a Minari dataset and return its folder; `report` gets the lines of a summary.

    environment_spec: sizes and bounds that the arrays must fit, None to accept any. env_spec: Gymnasium EnvSpec or
    None. root: None for Minari's own path. Actions outside their bounds stay as they are; loading clips them.
    Raises InputError for files that cannot be read or do not fit, and what `export.write` raises.
    """
    path = Path(path)
    arrays, notes = read_npz(path, environment_spec)
    space = None
    if environment_spec is not None and not environment_spec.discrete and env_spec is None:
        from gymnasium.spaces import Box

        space = Box(np.float32(environment_spec.low), np.float32(environment_spec.high), dtype=np.float32)
    target = export.write(
        dataset_id,
        arrays,
        root=dataset_roots()[0] if root is None else root,
        env_spec=env_spec,
        action_space=space,
        references=references,
        metadata={"description": f"imported from {path.name}", **metadata},
        replace=replace,
    )
    report(f"{path.name}: {len(arrays.reward)} steps in {int(arrays.last.sum())} episodes written as {dataset_id}")
    for note in notes:
        report(f"{path.name}: {note}")
    return target


def read_npz(path: Path | str, spec: Spec | None = None) -> Found:
    """Arrays of a file, checked against each other and against `spec` where given; [n, D], [n, A] or [n]."""
    path = Path(path)
    columns, ignored = opened(path)
    count = len(columns["rewards"])
    check_lengths(path, columns, count)
    obs, following = flat(columns["observations"]), None
    if "next_observations" in columns:
        following = flat(columns["next_observations"])
        if following.shape != obs.shape:
            raise InputError(
                f"{path.name}: next_observations are {following.shape}, observations {obs.shape}; they must agree"
            )
    action = typed_actions(path, columns["actions"], spec)
    check_spec(path, obs, action, spec)
    with np.errstate(over="ignore"):
        reward = np.asarray(columns["rewards"], np.float32).reshape(-1)
    terminated, truncated, last = flags(path, columns, obs, following)
    arrays, dropped = with_successors(Arrays(obs, action, reward, following, terminated, truncated, last))
    for name in ("obs", "action", "reward", "next_obs"):
        check_finite(f"{name} of {path.name}", getattr(arrays, name), "remove those episodes from the file")
    notes = [f"ignored arrays: {', '.join(ignored)}"] if ignored else []
    if following is None:
        notes.append(f"no next_observations: the last step of {dropped} cut episodes dropped, its successor is unknown")
    if "terminations" not in columns:
        notes.append("no terminations: every episode counts as cut")
    return Found(arrays, (*notes, *outside(arrays.action, spec)))


def opened(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The file's arrays by the names above, and the names that mean nothing here."""
    try:
        # Opened here, because numpy leaves the file open where it is no archive.
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not hasattr(file, "files"):
                raise InputError(f"{path.name} holds a single array; save several by name with numpy.savez")
            chosen = {name: next((n for n in names if n in file.files), None) for name, names in NAMES.items()}
            needed = [name for name in ("observations", "actions", "rewards") if chosen[name] is None]
            if not any(chosen[name] for name in ("terminations", "truncations", "episode_ends")):
                needed.append("terminations, truncations or episode_ends")
            if needed:
                raise InputError(f"{path.name} lacks {' and '.join(needed)}; it has {', '.join(file.files)}")
            columns = {name: file[key] for name, key in chosen.items() if key}
            ignored = sorted(set(file.files) - set(chosen.values()))
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as .npz ({brief(error)}); write it with numpy.savez, without objects"
        ) from error
    for name, column in columns.items():
        if column.dtype.kind not in "biuf" or column.ndim == 0:
            raise InputError(f"{name} in {path.name} is no array of numbers ({column.dtype}); give one row a step")
    return columns, ignored


def check_lengths(path: Path, columns: dict[str, np.ndarray], count: int) -> None:
    """InputError unless every array has one row a step and there are steps."""
    lengths = {name: len(column) for name, column in columns.items() if name != "episode_ends"}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"arrays in {path.name} differ in length ({', '.join(f'{n} {k}' for n, k in lengths.items())}); "
            f"give one row a step"
        )
    if count == 0:
        raise InputError(f"{path.name} is empty: its arrays have no rows; it needs at least one full episode")
    for name in ("rewards", "terminations", "truncations"):
        if name in columns and columns[name].size != count:
            raise InputError(f"{name} in {path.name} has shape {columns[name].shape}; give one number a step")


def flat(column: np.ndarray) -> np.ndarray:
    """[n, ...] -> [n, D] float32."""
    with np.errstate(over="ignore"):
        return column.reshape(len(column), -1).astype(np.float32)


def typed_actions(path: Path, action: np.ndarray, spec: Spec | None) -> np.ndarray:
    """[n] int32 for classes, [n, A] float32 otherwise; without a spec the type of the array decides."""
    whole = np.issubdtype(action.dtype, np.integer)
    if not (spec.discrete if spec else whole):
        if spec and whole:
            raise InputError(
                f"actions in {path.name} are whole numbers, but {spec.name} takes continuous ones; check --env"
            )
        return flat(action)
    if action.size != len(action):
        raise InputError(
            f"actions in {path.name} have shape {action.shape}, but discrete ones are one class index a step"
        )
    action = action.reshape(-1)
    if not whole and not (np.isfinite(action).all() and (action == np.round(action)).all()):
        raise InputError(
            f"actions in {path.name} are not whole numbers, but {spec.name} has {spec.action} classes; check --env"
        )
    return action.astype(np.int32)


def check_spec(path: Path, obs: np.ndarray, action: np.ndarray, spec: Spec | None) -> None:
    """InputError where sizes or classes are not those of the environment."""
    if spec is None:
        return
    if obs.shape[1] != spec.obs:
        raise InputError(
            f"observations in {path.name} have {obs.shape[1]} numbers, {spec.name} has {spec.obs}; check --env"
        )
    if not spec.discrete and action.shape[1] != spec.action:
        raise InputError(
            f"actions in {path.name} have {action.shape[1]} numbers, {spec.name} has {spec.action}; check --env"
        )
    if spec.discrete and (action.min() < 0 or action.max() >= spec.action):
        raise InputError(
            f"actions in {path.name} run from {action.min()} to {action.max()}, {spec.name} has classes 0 to "
            f"{spec.action - 1}; check --env"
        )


def flags(path: Path, columns, obs, following) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Terminated, truncated and last, [n] bool each. InputError where the arrays contradict each other."""
    count = len(obs)
    none = np.zeros(count, bool)
    terminated, truncated = (columns.get(n, none).reshape(-1).astype(bool) for n in ("terminations", "truncations"))
    jumps = none
    if following is not None:
        # Successors that are not the next row: an episode ends there, as D4RL's readers take it.
        apart = np.abs(following[:-1] - obs[1:]) > 1e-5 * (1 + np.abs(obs[1:]))
        jumps = np.append(apart.any(axis=1), False)
    last = ends(path, columns["episode_ends"], count) if "episode_ends" in columns else terminated | truncated
    if "episode_ends" not in columns and "truncations" not in columns:
        last = last | jumps
    last[-1] = True
    for name, flag in (("terminations", terminated), ("truncations", truncated)):
        if (flag & ~last).any():
            first = np.flatnonzero(flag & ~last)[0]
            raise InputError(
                f"{name} in {path.name} are set inside episodes (first at row {first}); make episode_ends agree"
            )
    if (jumps & ~last).any():
        rows = np.flatnonzero(jumps & ~last)
        raise InputError(
            f"next_observations in {path.name} are not the next row's observation at {len(rows)} rows inside episodes "
            f"(first at row {rows[0]}); mark those rows as ends"
        )
    return terminated, truncated | (last & ~terminated), last


def ends(path: Path, column: np.ndarray, count: int) -> np.ndarray:
    """`episode_ends` as [n] flags; InputError unless they are increasing row numbers up to n."""
    if column.dtype.kind == "b" and column.size == count:
        return column.reshape(-1).copy()
    rows = column.reshape(-1).astype(np.int64)
    if len(rows) == 0 or rows[0] < 1 or (np.diff(rows) < 1).any() or rows[-1] != count:
        raise InputError(
            f"episode_ends in {path.name} must rise from at least 1 to the number of steps, {count} "
            f"(the row after each episode); they run {rows[:1].tolist()} to {rows[-1:].tolist()}"
        )
    last = np.zeros(count, bool)
    last[rows - 1] = True
    return last


def with_successors(arrays: Arrays) -> tuple[Arrays, int]:
    """Arrays whose `next_obs` is known for every step, and how many steps had to go for that."""
    if arrays.next_obs is not None:
        return arrays, 0
    following = np.append(arrays.obs[1:], arrays.obs[-1:], axis=0)
    # Nothing follows a terminal step, so its successor is never looked at.
    following[arrays.terminated] = arrays.obs[arrays.terminated]
    unknown = arrays.last & ~arrays.terminated
    cut = np.append(unknown[1:], False) & ~arrays.last
    full = arrays._replace(next_obs=following, truncated=arrays.truncated | cut, last=arrays.last | cut)
    kept = Arrays(*(column[~unknown] for column in full))
    if not len(kept.reward):
        raise InputError("no step is left without next_observations, all episodes are cut after one step; add them")
    return kept, int(unknown.sum())


def outside(action: np.ndarray, spec: Spec | None) -> list[str]:
    """A note where continuous actions lie outside the environment's bounds."""
    if spec is None or spec.discrete:
        return []
    excess = np.maximum(np.float32(spec.low) - action, action - np.float32(spec.high))
    count = int((excess > 0).sum())
    return (
        [f"{count} of {action.size} action values lie up to {excess.max():.3g} outside their bounds; kept"]
        if count
        else []
    )
