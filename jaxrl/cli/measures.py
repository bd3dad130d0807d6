"""`jaxrl data report`: what a dataset is like, in numbers and in one picture."""

import json
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl.cli.commands import print_rows
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Reference

OWN = ("SACo", "stitching gain", "stitching gain, any")
"""Measures whose notes are about one dataset."""


class Described(NamedTuple):
    """A dataset as the report needs it."""

    id: str
    dataset: Dataset
    reference: Reference | None


def add_report(kinds) -> None:
    """The command `report` under `data`."""
    from jaxrl.cli.arguments import add, whole

    command = add(kinds, "report", report, "measure datasets: quality, coverage, diversity, what stitching could gain")
    command.add_argument("ids", metavar="ID", nargs="+", help="see `jaxrl data list`; ID+NAME:LEVEL for a variant")
    text = "the online learner's replay, for coverage (default: a replay set of the same name, where one is here)"
    command.add_argument("--replay", metavar="ID", help=text)
    command.add_argument("--bins", type=whole, default=100, metavar="N", help="bins on each axis (default 100)")
    text = "return of random behaviour and best return of online learning, instead of the dataset's references"
    command.add_argument("--low", type=float, metavar="RETURN", help=text)
    command.add_argument("--high", type=float, metavar="RETURN", help="see --low")
    command.add_argument("--estimate", action="store_true", help="count unique pairs by HyperLogLog instead of exactly")
    command.add_argument("--json", action="store_true", help="for machines")
    command.add_argument("--out", metavar="DIR", help="folder for measures.png")


def report(arguments) -> int:
    """`jaxrl data report`."""
    from jaxrl import forge
    from jaxrl.data.local import replay_twin
    from jaxrl.measures import report as measures

    pair = _pair(arguments.low, arguments.high)
    found = [_described(one, pair) for one in dict.fromkeys(arguments.ids)]
    replays: dict[str, measures.Replay | None] = {}
    results = {}
    for one in found:
        name = arguments.replay or replay_twin(one.id, forge.recipes())
        if name and name not in replays:
            replays[name] = measures.Replay(name, _described(name, pair).dataset)
        replay = replays.get(name) if name else None
        context = measures.Context(one.dataset, one.reference, replay, arguments.bins, not arguments.estimate)
        results[one.id] = measures.report(context)
    if arguments.json:
        print(json.dumps({"datasets": {name: measures.as_dict(rows) for name, rows in results.items()}}, indent=1))
    else:
        _print(results)
    if arguments.out:
        written = _draw(found, results, Path(arguments.out))
        print(f"written: {written}", file=sys.stderr if arguments.json else sys.stdout)
    return 0


def _pair(low: float | None, high: float | None) -> Reference | None:
    """The pair given on the command line."""
    if low is None and high is None:
        return None
    if low is None or high is None or not -math.inf < low < high < math.inf:
        raise InputError(f"--low {low} and --high {high} span no scale; give both, the lower one first")
    return Reference(low, high, "given", "the command line")


def _described(dataset_id: str, pair: Reference | None) -> Described:
    """A dataset by its id; InputError where it cannot be had."""
    from jaxrl import forge, tasks
    from jaxrl.core.check import known
    from jaxrl.data import load, local, reference
    from jaxrl.data.dataset import from_arrays

    if "+" in dataset_id:
        task = tasks.load(dataset_id)
        return Described(dataset_id, task.dataset, pair or next(iter(task.references), None))
    if dataset_id.startswith("embedded/") and local.find(dataset_id) is None:
        known("embedded dataset", dataset_id, forge.recipes())
    forge.ensure(dataset_id, report=lambda text: print(text, file=sys.stderr))
    logged = load.read(dataset_id, download=False)
    environment = load.environment_id(logged.metadata)
    pairs = reference.references(dataset_id, logged.metadata, environment)
    return Described(dataset_id, from_arrays(load.scaled(logged)[0]), pair or next(iter(pairs), None))


def _print(results: dict[str, list[Any]]) -> None:
    """A table: a row a measure, a column a dataset; below it, why numbers are missing."""
    from jaxrl.evaluation.runs import short_names

    short, _ = short_names(list(results))
    rows = []
    for same in zip(*results.values(), strict=True):
        notes = {one.note for one in same if one.value is not None and (len(same) == 1 or one.name not in OWN)}
        extra = [f"[{same[0].source}]" if same[0].source else "", "; ".join(notes) if len(notes) == 1 else ""]
        rows.append((same[0].name, *map(_text, same), "  ".join([same[0].meaning, *filter(None, extra)])))
    print_rows(("measure", *short.values(), "meaning"), rows)
    for name, measures in results.items():
        _print_notes(short[name], measures, len(results) > 1)


def _print_notes(name: str, measures: list[Any], several: bool) -> None:
    """Why a dataset's numbers are missing; and, where there are several datasets, what is to be said of its own."""
    notes: dict[tuple[str, str], list[str]] = {}
    for one in measures:
        if one.note and (one.value is None or (several and one.name in OWN)):
            notes.setdefault(("no " if one.value is None else "", one.note), []).append(one.name)
    for (lost, note), names in notes.items():
        print(f"{name}: {lost}{', '.join(names)}: {note}")


def _text(one) -> str:
    """A measure's value for people."""
    if one.value is None:
        return "-"
    return f"{one.value:,.0f}" if one.value == int(one.value) else f"{one.value:.5g}"


def _draw(found: list[Described], results: dict[str, list[Any]], out: Path) -> Path:
    """The picture; returns its path."""
    import numpy as np

    from jaxrl.data.dataset import episode_returns
    from jaxrl.evaluation import measure_plots
    from jaxrl.measures.quality import episode_lengths

    pictured = []
    for one in found:
        values = {row.name: row.value for row in results[one.id]}
        columns = episode_returns(one.dataset), episode_lengths(one.dataset), np.asarray(one.dataset.steps.action)
        pictured.append(measure_plots.Pictured(one.id, *columns, values["TQ"], values["SACo"]))
    path = out / "measures.png"
    measure_plots.draw(pictured, path)
    return path
