"""What is wrong with a file of scores: rows that contradict each other, cells and columns that were not measured alike.

`tables.leaderboard` calls `find` and shows what it says; another page that shows numbers of rows calls
`find(sheet.rows, sheet.lines)` on a `scores.Sheet`, leaves out what `cells` names, compares nothing within what
`columns` names, and prints `notes` and `sheet.broken`. `pairs` gives the matrices of a paired comparison, or refuses.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError, known
from jaxrl.evaluation.runs import Run, complete, labels, ranges, runs, sound
from jaxrl.evaluation.scores import RunKey, Score, run_key

Cell = tuple[str, str]
"""(name of a table's row, task)."""
MIXED, TWICE, NOT_FINITE = "mixed", "twice", "not finite"
ALIKE = ("episodes", "dataset_hash", "environment", "environment_version", "score_convention")
"""What the rows of a cell, and the cells of a column, must share to be averaged or compared."""
NUMBERS = ("return_mean", "return_std", "score", "score_d4rl", "success")
MEASURED = (*NUMBERS, "env_steps", "diverged", *ALIKE)
"""What a row that is written again must repeat."""
EXAMPLES = 3
"""Rows that a note spells out before it counts the rest."""


class Faults(NamedTuple):
    """What is wrong, for programs and in words.

    cells: {(name, task): MIXED, TWICE or NOT_FINITE}, whose rows are not averaged. uneven: {(name, task): why} of cells
    whose runs were evaluated at different updates, which may be averaged at the last one only. columns: {task: what its
    cells differ in}, which are shown but not compared. lacking: {(name, task): seeds that others of its row or column
    have}. notes: a sentence for each, with the lines where they are known, and the remedy.
    """

    cells: Mapping[Cell, str]
    uneven: Mapping[Cell, str]
    columns: Mapping[str, str]
    lacking: Mapping[Cell, tuple[int, ...]]
    notes: tuple[str, ...]


class Placed(NamedTuple):
    """A row with its line in the file, 0 where that is not known."""

    row: Score
    line: int


def find(scores: Iterable[Score], lines: Sequence[int] = ()) -> Faults:
    """All faults among the rows that tables average: those of runs that reached their last update, or diverged.

    lines: the line of each row in its file, where known. Raises InputError as `runs.runs` does.
    """
    kept, name_of, cells = _sorted(list(scores), lines)
    notes: list[str] = [*_repeats(cells)]
    wrong: dict[Cell, str] = {}
    for look, word in ((_mixed, MIXED), (_not_finite, NOT_FINITE), (_twice, TWICE)):
        for cell, found in cells.items():
            if said := look(_named(cell), found):
                wrong[cell] = word
                notes.append(said)
    alike = {cell: found for cell, found in cells.items() if cell not in wrong}
    columns = _columns(alike, notes)
    return Faults(wrong, _uneven(alike), columns, _lacking(kept, name_of, notes), tuple(notes))


def pairs(
    scores: Iterable[Score], first: str, second: str, value: Callable[[Score], float | None] = lambda row: row.score
) -> tuple[np.ndarray, np.ndarray]:
    """Last values of two rows of the table, both [seeds, tasks] and alike in seeds, for `compare.paired`.

    Over the tasks that both have; NaN for a run that diverged, or has no such value. Raises InputError for an unknown
    name, no common task, and where seeds are missing on one side, rows are at fault, or cells were not measured alike.
    """
    rows = list(scores)
    kept, name_of, cells = _sorted(rows, ())
    for name in (first, second):
        known("row", name, set(name_of.values()))
    at = {name: [task for other, task in cells if other == name] for name in (first, second)}
    tasks = [task for task in at[first] if task in at[second]]
    if not tasks:
        raise InputError(f"{first} and {second} have no task in common; run both on the same tasks")
    both = {(name, task): cells[name, task] for task in tasks for name in (first, second)}
    chosen = [run for run in kept if (name_of[run.key[2:4]], run.key[1]) in both]
    _refuse(find(rows).cells, _columns(both, []), _lacking(chosen, name_of, []), tasks, (first, second))
    seeds = sorted({run.key[4] for run in chosen})
    last = {(name_of[run.key[2:4]], run.key[1], run.key[4]): run.last for run in chosen}
    number = lambda row: value(row) if sound(row) and value(row) is not None else math.nan
    one, other = (
        np.array([[number(last[name, task, seed]) for task in tasks] for seed in seeds], np.float64)
        for name in (first, second)
    )
    return one, other


def averaged(scores: Iterable[Score]) -> list[Score]:
    """The rows but those of cells that must not be averaged: what pictures and comparisons may be made of."""
    rows = list(scores)
    wrong, name_of = find(rows).cells, labels(complete(runs(rows))[0])
    return [row for row in rows if (name_of.get((row.card, row.settings)), row.task) not in wrong]


def _sorted(rows: list[Score], lines: Sequence[int]) -> tuple[list[Run], dict, dict[Cell, list[Placed]]]:
    """(runs that are averaged, names of table rows, their rows by cell)."""
    placed = [Placed(*one) for one in zip(rows, lines or [0] * len(rows), strict=True)]
    kept, _ = complete(runs(rows))
    name_of, there = labels(kept), {run.key for run in kept}
    cells: dict[Cell, list[Placed]] = {}
    for one in placed:
        if run_key(one.row) in there:
            cells.setdefault((name_of[one.row.card, one.row.settings], one.row.task), []).append(one)
    return kept, name_of, cells


def _refuse(cells, columns, lacking, tasks: Sequence[str], names: tuple[str, str]) -> None:
    """InputError where two rows cannot be paired on these tasks."""
    for task in tasks:
        for name, other in (names, names[::-1]):
            if word := cells.get((name, task)):
                raise InputError(f"{name} on {task} is not averaged ({word}); the notes of `jaxrl table` name its rows")
            if seeds := lacking.get((name, task)):
                raise InputError(
                    f"{name} on {task} lacks seed {ranges(seeds)}, which {other} or another task has; a paired "
                    "comparison needs the same seeds on both sides: run the missing ones"
                )
        if task in columns:
            raise InputError(f"{' and '.join(names)} on {task} differ in {columns[task]}; run one of them again")


def _named(cell: Cell) -> str:
    return f"{cell[0]} on {cell[1]}"


def _at(found: Iterable[Placed]) -> str:
    """Where rows stand: their lines, or their seeds where lines are not known."""
    found = list(found)
    lines = sorted({one.line for one in found} - {0})
    if lines:
        return f"line {ranges(lines)}" if len(lines) == 1 else f"lines {ranges(lines)}"
    seeds = sorted({one.row.seed for one in found})
    return f"seed {ranges(seeds)}" if len(seeds) == 1 else f"seeds {ranges(seeds)}"


def _value(row: Score, field: str) -> str:
    """A field as it is compared and shown; the convention of a score that is not there says nothing."""
    if field == "score_convention" and row.score is None:
        return "none"
    return str(getattr(row, field)) or "none"


def _by_checkpoint(found: Iterable[Placed]) -> dict[tuple[RunKey, int], list[Placed]]:
    out: dict[tuple[RunKey, int], list[Placed]] = {}
    for one in found:
        out.setdefault((run_key(one.row), one.row.update), []).append(one)
    return {key: several for key, several in out.items() if len(several) > 1}


def _differing(several: Sequence[Placed]) -> list[str]:
    """Fields in which rows of one checkpoint contradict each other."""
    return [field for field in MEASURED if len({_value(one.row, field) for one in several}) > 1]


def _repeats(cells: Mapping[Cell, list[Placed]]) -> list[str]:
    """A note, once, on checkpoints that were written again with the same numbers."""
    every = [several for found in cells.values() for several in _by_checkpoint(found).values()]
    again = [one for several in every if not _differing(several) for one in several[1:]]
    if not again:
        return []
    were = "row was" if len(again) == 1 else "rows were"
    return [
        f"{len(again)} {were} written again with the same numbers, as where a run went on ({_at(again)}); counted once."
    ]


def _listed(name: str, said: Sequence[str], remedy: str) -> str:
    """One note of several examples."""
    rest = f"; and {len(said) - EXAMPLES} more" if len(said) > EXAMPLES else ""
    return f"{name} {'; '.join(said[:EXAMPLES])}{rest}. {remedy}"


def _twice(name: str, found: Sequence[Placed]) -> str:
    said = []
    for (key, update), several in _by_checkpoint(found).items():
        if fields := _differing(several):
            shown = ", ".join(f"{_value(one.row, fields[0])} ({_at([one])})" for one in several)
            said.append(f"seed {key[4]} at update {update:,} differs in {' and '.join(fields)}: {shown}")
    remedy = "Delete the lines that are wrong, or keep each kind of run in a folder of its own."
    return _listed(f"{name} has a checkpoint more than once, with different numbers:", said, remedy) if said else ""


def _not_finite(name: str, found: Sequence[Placed]) -> str:
    said = []
    for one in found:
        numbers = {field: getattr(one.row, field) for field in NUMBERS}
        bad = [f"{field} {x}" for field, x in numbers.items() if x is not None and not math.isfinite(x)]
        if bad and not one.row.diverged:
            said.append(f"{', '.join(bad)} at update {one.row.update:,} ({_at([one])}{_seed(one)})")
    remedy = "Delete those lines and run the seeds again; a run that broke down is marked diverged."
    return _listed(f"{name} holds numbers that are not finite:", said, remedy) if said else ""


def _seed(one: Placed) -> str:
    return f", seed {one.row.seed}" if one.line else ""


def _mixed(name: str, found: Sequence[Placed]) -> str:
    rows = [one for one in found if not one.row.diverged]
    said = []
    for field in ALIKE:
        kinds: dict[str, list[Placed]] = {}
        for one in rows:
            kinds.setdefault(_value(one.row, field), []).append(one)
        if len(kinds) > 1:
            shown = ", ".join(f"{value} ({_at(several)})" for value, several in kinds.items())
            said.append(f"{field.replace('_', ' ')}: {shown}")
    remedy = "Keep the rows of one kind and run the other seeds again."
    return _listed(f"{name} is not averaged, since its rows differ in", said, remedy) if said else ""


def _uneven(cells: Mapping[Cell, list[Placed]]) -> dict[Cell, str]:
    """Cells whose runs were evaluated at different updates, up to where one diverged."""
    out = {}
    for cell, found in cells.items():
        updates: dict[int, set[int]] = {}
        for one in found:
            updates.setdefault(one.row.seed, set()).add(one.row.update)
        whole = [seen for seed, seen in updates.items() if not any(o.row.diverged for o in found if o.row.seed == seed)]
        if any(seen != whole[0] for seen in whole):
            out[cell] = (
                f"{_named(cell)}: its runs were evaluated at different updates; run them with one --evaluate-every"
            )
    return out


def _columns(cells: Mapping[Cell, list[Placed]], notes: list[str]) -> dict[str, str]:
    """Tasks whose cells, each sound, differ from each other; adds to the notes."""
    out: dict[str, str] = {}
    for task in dict.fromkeys(task for _, task in cells):
        for field in ALIKE:
            kinds: dict[str, list[str]] = {}
            for (name, where), found in cells.items():
                rows = [one.row for one in found if not one.row.diverged]
                if where == task and rows:
                    kinds.setdefault(_value(rows[-1], field), []).append(name)
            if len(kinds) > 1:
                plain = field.replace("_", " ")
                out[task] = f"{out[task]} and {plain}" if task in out else plain
                shown = "; ".join(f"{value} ({', '.join(names)})" for value, names in kinds.items())
                notes.append(
                    f"§: the cells of {task} differ in {plain}: {shown}. They are shown, not compared, and go into no "
                    "aggregate. Run the cards again that are unlike the rest."
                )
    return out


def _lacking(kept: Sequence[Run], name_of, notes: list[str]) -> dict[Cell, tuple[int, ...]]:
    """Seeds that a cell lacks although another of its row or column has them; adds a note."""
    seeds: dict[Cell, set[int]] = {}
    for run in kept:
        seeds.setdefault((name_of[run.key[2:4]], run.key[1]), set()).add(run.key[4])
    out = {}
    for (name, task), own in seeds.items():
        wanted = set().union(*(those for (n, t), those in seeds.items() if n == name or t == task))
        if wanted > own:
            out[name, task] = tuple(sorted(wanted - own))
    if out:
        said = "; ".join(f"{_named(cell)} lacks {ranges(missing)}" for cell, missing in out.items())
        notes.append(
            f"Seeds are missing that other cells of the row or column have: {said}. Means are over the seeds that "
            "are there; no cell is compared seed by seed with one of other seeds."
        )
    return out
