"""Finished sweeps on disk: what ran, where, how long, what came of it, and the trained policies.

A run is a folder `OUT/runs/<id>/` with `run.json` and, unless left out, `policy/`.
"""

import difflib
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrl.core import hyper as records
from jaxrl.core import versions
from jaxrl.core.check import InputError
from jaxrl.core.types import Scaler
from jaxrl.experiment import Result
from jaxrl.train import checkpoint

FORMAT = 1
"""Of run.json; a reader refuses any other."""
FILE = "run.json"
NEEDED = {"id", "card", "task", "started", "numbers", "seeds", "updates", "returns", "scores", "success", "diverged"}
"""What every run tells."""
CANDIDATES = 5
"""Runs that a complaint names at most."""


def keep(result: Result, out: Path, *, suite: str, policies: bool = True) -> str:
    """Write a finished sweep as `out/runs/<id>/`, whole or not at all; returns the id.

    policies: whether the learners' states of all members are stored too. Raises InputError where nothing can be
    written.
    """
    record = facts(result, suite)
    runs = Path(out).resolve() / "runs"
    aside = runs / f".{record['id']}.tmp"
    try:
        aside.mkdir(parents=True)
        if policies:
            checkpoint.save(aside / "policy", result._state)
        _write(aside / FILE, json.dumps(record, indent=1, allow_nan=False) + "\n")
        aside.rename(runs / record["id"])
        _flush(runs)
    except OSError as error:
        raise InputError(
            f"run {runs / record['id']} cannot be written ({error.strerror or error}); free space there, or give "
            "another --out"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return record["id"]


def facts(result: Result, suite: str) -> dict[str, Any]:
    """What run.json holds, as plain values; a number that is not finite becomes None.

    started: the present less the seconds that the sweep took. numbers: one dict for each of the H hyperparameter
    records. returns, scores, success, diverged: [H][K], at the last checkpoint, K seeds.
    """
    card, task, chosen, spec = result.card, result.task, result.settings, result.task.env.spec
    seconds = {name: float(values.sum()) for name, values in result.seconds.items()}
    began = datetime.now(UTC) - timedelta(seconds=sum(seconds.values()))
    machine = versions.machine()
    return {
        "format": FORMAT,
        "id": identity(card.name, task.name, began),
        "card": card.name,
        "task": task.name,
        "suite": suite,
        "environment": spec.name,
        "environment_version": versions.of_environment(task.env),
        "dataset_hash": task.version,
        "preparation": {**card.preparation(), **chosen.preparation},
        "structure": {**card.structure(), **chosen.structure},
        "collection": {**card.collection(), **chosen.collection},
        "numbers": [_numbers(one) for one in records.unstack(result.hypers)],
        "seeds": [int(seed) for seed in result.seeds],
        "batch": chosen.batch,
        "updates": result.updates.tolist(),
        "env_steps": int(result.env_steps[-1]),
        "episodes": result.episode_returns.shape[-1],
        "versions": dict(part.split("=", 1) for part in machine["versions"].split(";")),
        "commit": machine["commit"],
        "device": machine["device"],
        "precision": machine["precision"],
        "started": began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": seconds,
        "references": [one._asdict() for one in task.references],
        "returns": _plain(result.returns[..., -1]),
        "scores": _plain(result.scores[..., -1]) if task.references else None,
        "success": None if result.success is None else _plain(result.success[..., -1, :].mean(-1)),
        "diverged": _diverged(result),
        "spec": {name: np.asarray(value).tolist() for name, value in spec._asdict().items()},
        "scaler": _scaler(task.scaler),
    }


def identity(card: str, task: str, began: datetime) -> str:
    """A name that no other run has: `<card>-<task's last part>-<time>-<6 hexadecimal digits>`, fit for a folder."""
    text = f"{card}-{task.rsplit('/', 1)[-1]}-{began:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text)


def read(folder: Path) -> dict[str, Any]:
    """The run in a folder, with the folder's path added as "folder"; InputError where it is broken or of another
    format."""
    file = Path(folder) / FILE
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"run {file} cannot be read ({error.strerror or error}); see `jaxrl runs list`") from None
    except ValueError:
        raise InputError(f"run {file} is broken; delete that folder and run again") from None
    number = record.get("format") if isinstance(record, dict) else None
    if number != FORMAT:
        raise InputError(f"run {file} has format {number}, not {FORMAT}; read it with the version that wrote it")
    if not record.keys() >= NEEDED:
        raise InputError(f"run {file} is broken; delete that folder and run again")
    return {**record, "folder": str(folder)}


def found(root: Path, say: Callable[[str], None] = lambda text: None) -> list[dict[str, Any]]:
    """All runs under a folder, newest first; each that cannot be read is told to `say` in one line."""
    runs = []
    for folder in folders(root):
        try:
            runs.append(read(folder))
        except InputError as error:
            say(str(error))
    return sorted(runs, key=lambda one: (one["started"], one["id"]), reverse=True)


def folders(root: Path) -> list[Path]:
    """Folders of runs under `root`, itself included; InputError where there is no such folder."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"folder {root} does not exist; give the folder that runs were written to with --out")
    return sorted(_walk(root))


def _walk(root: Path) -> Iterator[Path]:
    for place, names, files in os.walk(root):
        if FILE in files:
            names.clear()
            yield Path(place)
        names[:] = [name for name in names if not name.startswith(".")]


def locate(name: str, root: Path) -> Path:
    """The folder of a run, by its path, its id or the beginning of its id; InputError that names the candidates."""
    if name and (Path(name) / FILE).is_file():
        return Path(name)
    known = folders(root)
    fitting = [one for one in known if one.name == name] or [one for one in known if one.name.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        same = len({one.name for one in fitting}) < len(fitting)
        raise InputError(
            f"run {name!r} is ambiguous: {_few([str(one) if same else one.name for one in fitting])}; "
            f"give {'the folder' if same else 'more of the id'}"
        )
    names = [one.name for one in known]
    near = difflib.get_close_matches(name, names, n=CANDIDATES, cutoff=0.5) or names
    raise InputError(f"unknown run {name!r}; under {root} there are: {_few(near) or 'none'}")


class Difference(NamedTuple):
    """One thing that differs between two runs: its value in each, and by how much the second is larger."""

    what: str
    first: Any
    second: Any
    change: float | None = None


def difference(first: dict[str, Any], second: dict[str, Any]) -> list[Difference]:
    """What differs between two runs: settings, versions, machine, data, seconds, and what came of them.

    A setting that one run lacks is None there. Means are over the members that have a finite value; where both runs
    have the same members, the largest difference of one of them is told too.
    """
    ours, theirs = settled(first), settled(second)
    names = [name for name in dict.fromkeys([*ours, *theirs]) if ours.get(name) != theirs.get(name)]
    rows = [_compared(name, ours.get(name), theirs.get(name)) for name in names]
    for what in ("returns", "scores", "success"):
        if first.get(what) != second.get(what):
            rows += _outcomes(what, first, second)
    return [row for row in rows if row.first != row.second]


def settled(run: dict[str, Any]) -> dict[str, Any]:
    """Everything but names and outcomes, flat: nested names are joined by dots, numbers are those that were tried."""
    flat: dict[str, Any] = {}
    for name, value in run.items():
        if name in ("format", "id", "folder", "started", "returns", "scores", "success"):
            continue
        if name == "numbers":
            value = {one: sorted({record[one] for record in value}) for one in value[0]}
        if name == "references":
            value = value[0] if value else {}
        if name == "diverged":
            value = lost(run)
        flat |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _compared(what: str, first: Any, second: Any) -> Difference:
    """A row, with the change of what is a number in both."""
    numbers = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in (first, second)]
    counts = all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers)
    return Difference(what, first, second, numbers[1] - numbers[0] if counts else None)


def _outcomes(what: str, first: dict[str, Any], second: dict[str, Any]) -> list[Difference]:
    """Rows for an outcome: its mean, the mean of each hyperparameter record that both have, the most of one member."""
    rows = [_compared(f"mean of {what}", mean(first.get(what)), mean(second.get(what)))]
    if first.get(what) is None or second.get(what) is None:
        return rows
    shared = [(h, second["numbers"].index(one)) for h, one in enumerate(first["numbers"]) if one in second["numbers"]]
    if len(first["numbers"]) + len(second["numbers"]) > 2:
        labels = labelled(first["numbers"] + second["numbers"])
        pairs = [(labels[h], first[what][h], second[what][other]) for h, other in shared]
        rows += [_compared(f"mean of {what} ({label})", mean([a]), mean([b])) for label, a, b in pairs]
    seeds = [seed for seed in first["seeds"] if seed in second["seeds"]]
    pick = lambda run, h, seed: run[what][h][run["seeds"].index(seed)]
    pairs = [(pick(first, h, seed), pick(second, other, seed)) for h, other in shared for seed in seeds]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if known:
        rows.append(
            _compared(f"{what} of the member that differs most", *max(known, key=lambda one: abs(one[1] - one[0])))
        )
    return rows


def labelled(numbers: list[dict[str, float]]) -> list[str]:
    """A name for each hyperparameter record: `a=1,b=2` of the numbers that vary among them, "" for a single one."""
    varied = [name for name in numbers[0] if len({record.get(name) for record in numbers}) > 1]
    return [",".join(f"{name}={record[name]:.7g}" for name in varied if name in record) for record in numbers]


def mean(values: list[list[float | None]] | None) -> float | None:
    """Mean of [H][K] over the members that have a value; None where none has."""
    known = [one for row in values or [] for one in row if one is not None]
    return sum(known) / len(known) if known else None


def lost(run: dict[str, Any]) -> int:
    """How many members of a run diverged."""
    return sum(one is not None for row in run["diverged"] for one in row)


def _few(names: list[str]) -> str:
    more = len(names) - CANDIDATES
    return ", ".join(names[:CANDIDATES]) + (f" and {more} more" if more > 0 else "")


def _numbers(record) -> dict[str, float]:
    """A record's numbers by name, each as the shortest decimal that is the same float32."""
    return {name: float(str(np.float32(getattr(record, name)))) for name in records.names(record)}


def _diverged(result: Result) -> list[list[dict | None]]:
    """For each member, None or when and where it was lost."""
    rows = [zip(*pair, strict=True) for pair in zip(result.diverged_at, result.diverged_part, strict=True)]
    return [[{"update": int(at), "part": str(part)} if at >= 0 else None for at, part in row] for row in rows]


def _scaler(scaler: Scaler | None) -> dict[str, list] | None:
    return None if scaler is None else {"mean": np.ravel(scaler.mean).tolist(), "std": np.ravel(scaler.std).tolist()}


def _plain(values: Any) -> Any:
    """An array as nested lists; what is not finite as None."""
    if isinstance(values, np.ndarray):
        return [_plain(value) for value in values]
    return float(values) if math.isfinite(values) else None


def _write(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    _flush(file.parent)


def _flush(folder: Path) -> None:
    """Make the folder's names last through a loss of power, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
