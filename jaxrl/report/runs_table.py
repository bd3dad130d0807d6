"""Every run of a report: a line in a table, and all that is known of it for the page's drill-down."""

import math
from pathlib import Path
from typing import Any

from jaxrl import store
from jaxrl.core.check import InputError
from jaxrl.evaluation.runs import Run, sound
from jaxrl.report.facts import Facts, known
from jaxrl.report.figures import number
from jaxrl.report.markup import Cell, Column, Html, Row, element, grid
from jaxrl.report.reproduce import family, of_run

MAKING = (
    *("environment", "environment_version", "dataset_hash", "device", "precision", "versions", "commit"),
    *("score_convention", "episodes"),
)
"""Columns of a row that most runs share; they stand once on the page."""
OUTCOMES = ("returns", "scores", "success", "spec", "scaler", "references", "diverged", "numbers", "seeds")
"""What run.json tells of all members together, and the rows tell of each."""


def state(run: Run, unfinished: bool) -> str:
    """What became of a run, in a word or two."""
    if not sound(run.last):
        return "diverged" if run.last.diverged else "not finite"
    return "cut short" if unfinished else "finished"


def table(boards: list[Facts]) -> Html:
    """A row a run, with a button that opens what is known of it."""
    titles = ("card", "-suite", "-dataset", "-settings", "seed", "updates", "return", "score", "-state")
    columns = [Column(one.removeprefix("-"), place > 0 and one[0] != "-") for place, one in enumerate(titles)]
    rows, place = [], 0
    for facts in boards:
        late = {run.key for run in facts.unfinished}
        names = {run.key: name for (name, _), own in facts.cells.items() for run in own}
        for run in facts.runs:
            became = state(run, run.key in late)
            rows.append(_row(facts.board.label, run, names.get(run.key, run.key[2]), became, place))
            place += 1
    caption = "All runs, each at its last checkpoint; the button opens settings, versions and checkpoints"
    more = Column("more", False, sortable=False)
    return grid("all-runs", caption, [columns[0], more, *columns[1:]], rows)


def _row(suite: str, run: Run, name: str, became: str, place: int) -> Row:
    _, task, card, settings, seed = run.key
    label = f"Details of {card} on {task}, seed {seed}, suite {suite}"
    button = element("button", "Details", type="button", class_="details", data_run=place, aria_label=label)
    cells = (
        Cell(card, card), Cell(button), Cell(suite), Cell(task),
        Cell(settings.replace(";", " ") or "defaults", kind="settings"),
        Cell(seed, seed), number(run.last.update, 0), number(known(run.last.return_mean)),
        number(None if run.last.score is None else known(run.last.score)),
        Cell(became, kind="" if became == "finished" else "bad"),
    )  # fmt: skip
    return Row(cells, {"suite": suite, "task": task, "name": name, "family": family(card)})


def details(boards: list[Facts], folder: Path) -> dict[str, Any]:
    """{runs: one record a run in the table's order, makings: what several runs share, stored: facts of run.json}."""
    kept = stored(folder)
    makings: dict[tuple, int] = {}
    recorded: dict[int, dict[str, Any]] = {}
    out = []
    for facts in boards:
        late = {run.key for run in facts.unfinished}
        for run in facts.runs:
            making = tuple(str(getattr(run.last, field)) for field in MAKING)
            index = next((i for i, one in enumerate(kept) if matches(one, run)), None)
            if index is not None:
                recorded[index] = flat(kept[index], folder)
            _, task, card, settings, seed = run.key
            out.append(
                {
                    "title": f"{card} on {task}, seed {seed}", "suite": facts.board.label, "card": card,
                    "family": family(card), "dataset": task, "settings": settings, "seed": seed,
                    "state": state(run, run.key in late), "making": makings.setdefault(making, len(makings)),
                    "stored": index, "command": of_run(run), "file": _below(facts.board.file, folder),
                    "checkpoints": [_checkpoint(row) for row in run.rows],
                }
            )  # fmt: skip
    shared = [dict(zip(MAKING, one, strict=True)) for one in makings]
    return {"runs": out, "makings": shared, "stored": recorded}


def _checkpoint(row) -> list[float | None]:
    """update, environment steps, mean return and its spread, score, success, seconds."""
    seconds = row.compile_seconds + row.train_seconds + row.evaluate_seconds
    values = (row.update, row.env_steps, row.return_mean, row.return_std, row.score, row.success, seconds)
    return [value if value is None or isinstance(value, int) else _short(value) for value in values]


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def stored(folder: Path) -> list[dict[str, Any]]:
    """Runs under the folder that have a run.json; those that cannot be read are left out."""
    try:
        return store.found(folder)
    except InputError:
        return []


def matches(record: dict[str, Any], run: Run) -> bool:
    """Whether a run.json tells of this run: card, task, seed, updates, and the very return that it ended with."""
    _, task, card, _, seed = run.key
    if (record["card"], record["task"], record["updates"][-1:]) != (card, task, [run.last.update]):
        return False
    if seed not in record["seeds"]:
        return False
    place = record["seeds"].index(seed)
    ends = [one[place] for one in record["returns"]]
    return any(end is not None and math.isclose(end, run.last.return_mean, rel_tol=1e-6) for end in ends)


def flat(record: dict[str, Any], folder: Path) -> dict[str, str]:
    """What run.json tells of how a run was made, as text."""
    facts = {name: value for name, value in record.items() if name not in OUTCOMES}
    plain = store.settled({**facts, "numbers": record["numbers"]}) if record["numbers"] else facts
    place = {"id": record["id"], "folder": _below(Path(record["folder"]), folder), "started": record["started"]}
    return {name: _text(value) for name, value in {**place, **plain}.items()}


def _below(place: Path, folder: Path) -> str:
    """A path as seen from the report's folder: pages tell nothing of the machine they were made on."""
    return place.relative_to(folder).as_posix() if place.is_relative_to(folder) else place.name


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value[:12])) + (", …" if len(value) > 12 else "")
    return f"{value:.7g}" if isinstance(value, float) else "" if value is None else str(value)
