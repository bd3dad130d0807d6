"""`jaxrl runs list|show|diff`: what earlier runs left in their folders."""

import argparse
import json
from pathlib import Path
from typing import Any

from jaxrl.cli.commands import print_rows

COLUMNS = (
    *("id", "card", "task", "hypers x seeds", "updates", "return", "score", "diverged"),
    *("device", "commit", "started"),
)
SPARE = ("started", "device", "commit", "card", "task", "updates", "hypers x seeds")
"""Columns of the list that a narrow terminal does without, the first one first: the id says the most of them."""
LONG = 8
"""Values of a list that are shown one by one."""


def add_runs(command: argparse.ArgumentParser) -> None:
    """Commands under `runs`."""
    from jaxrl.cli.arguments import add

    kinds = command.add_subparsers(required=True, metavar="WHAT")
    listing = add(kinds, "list", list_runs, "finished runs, newest first")
    text = "folder that is searched, with all below it (default results)"
    listing.add_argument("root", metavar="ROOT", nargs="?", default="results", help=text)
    listing.add_argument("--card", metavar="CARD", help="only runs of this card")
    listing.add_argument("--task", metavar="TASK", help="only runs on this task")
    show = add(kinds, "show", show_run, "everything that is known of a run")
    show.add_argument("id", metavar="ID", help="id of a run or its beginning, see `jaxrl runs list`, or its folder")
    diff = add(kinds, "diff", compare_runs, "what differs between two runs")
    diff.add_argument("ids", metavar="ID", nargs=2, help="id of a run or its beginning, or its folder")
    for one in (show, diff):
        one.add_argument("--root", metavar="ROOT", default="results", help="where ids are looked for (default results)")
    for one in (listing, show, diff):
        one.add_argument("--json", action="store_true", help="for machines")


def list_runs(arguments) -> int:
    """`jaxrl runs list`."""
    from jaxrl import store

    notes: list[str] = []
    runs = store.found(Path(arguments.root), notes.append)
    wanted = {name: getattr(arguments, name) for name in ("card", "task") if getattr(arguments, name) is not None}
    chosen = [one for one in runs if all(one[name] == value for name, value in wanted.items())]
    if arguments.json:
        print(json.dumps({"runs": chosen, "notes": notes}, indent=1))
        return 0
    if chosen:
        columns = _fitting(dict(zip(COLUMNS, zip(*map(_row, chosen), strict=True), strict=True)))
        print_rows(columns, zip(*columns.values(), strict=True))
    else:
        of = "".join(f" of {name} {value!r}" for name, value in wanted.items())
        others = [f"{name}s {', '.join(sorted({one[name] for one in runs}))}" for name in wanted] if runs else []
        print(f"no runs{of} under {arguments.root}" + "".join(f"; there are {one}" for one in others))
    for note in notes:
        print(f"note: {note}")
    return 0


def _fitting(columns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The columns that a terminal has room for; all of them where the output goes elsewhere."""
    from rich.console import Console

    console, left = Console(), dict(columns)
    width = lambda: sum(max(map(len, (name, *texts))) + 2 for name, texts in left.items())
    for name in SPARE if console.is_terminal else ():
        if width() > console.width:
            del left[name]
    return left


def show_run(arguments) -> int:
    """`jaxrl runs show`."""
    from jaxrl import store

    run = store.read(store.locate(arguments.id, Path(arguments.root)))
    if arguments.json:
        print(json.dumps(run, indent=1))
        return 0
    policies = Path(run["folder"]) / "policy"
    facts = {**store.settled(run), "policies": policies if policies.is_dir() else "not stored"}
    lines = {name: run[name] for name in ("id", "folder", "started")} | facts
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:<{width}}  {_text(value)}")
    print()
    labels = store.labelled(run["numbers"])
    members = [(labels[h], h, k) for h in range(len(labels)) for k in range(len(run["seeds"]))]
    rows = [(label, str(run["seeds"][k]), *_outcome(run, h, k)) for label, h, k in members]
    print_rows(("numbers", "seed", "return", "score", "success", "diverged"), rows)
    return 0


def compare_runs(arguments) -> int:
    """`jaxrl runs diff`."""
    from rich.table import Column

    from jaxrl import store

    first, second = (store.read(store.locate(one, Path(arguments.root))) for one in arguments.ids)
    rows = store.difference(first, second)
    if arguments.json:
        runs = [one["id"] for one in (first, second)]
        print(json.dumps({"runs": runs, "differences": [row._asdict() for row in rows]}, indent=1))
        return 0
    if not rows:
        print(f"nothing differs between {first['id']} and {second['id']}")
        return 0
    change = lambda row: "" if row.change is None else f"{row.change:+.4g}"
    lines = [(row.what, _text(row.first), _text(row.second), change(row)) for row in rows]
    print_rows((Column("", no_wrap=True), first["id"], second["id"], "change"), lines)
    return 0


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    """A run's line in the list."""
    from jaxrl.store import lost, mean

    sizes = f"{len(run['numbers'])} x {len(run['seeds'])}"
    average = ["" if one is None else f"{one:.1f}" for one in (mean(run["returns"]), mean(run["scores"]))]
    where = run.get("device", ""), run.get("commit", ""), run["started"]
    return run["id"], run["card"], run["task"], sizes, f"{run['updates'][-1]:,}", *average, str(lost(run)), *where


def _outcome(run: dict[str, Any], h: int, k: int) -> tuple[str, ...]:
    """What came of a member."""
    end = run["diverged"][h][k]
    place = "" if end is None else f"update {end['update']:,}" + (f", {end['part']}" if end["part"] else "")
    return *(_text(run[name][h][k] if run[name] else None) for name in ("returns", "scores", "success")), place


def _text(value: Any) -> str:
    """A value for people: nothing for None, few digits, a long list by its length."""
    if isinstance(value, list):
        return ", ".join(map(_text, value)) if len(value) <= LONG else f"{len(value)} values from {_text(value[0])}"
    if isinstance(value, float):
        return f"{value:.7g}"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
