"""Rows of scores sorted into runs, named as tables and pictures show them."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jaxrl.core.check import InputError
from jaxrl.evaluation.scores import RunKey, Score, run_key


class Run(NamedTuple):
    """One run's rows in order of updates; a checkpoint that was written twice counts once, as written last.

    Where the two differ, `faults.find` objects to the run's cell.
    """

    key: RunKey
    rows: tuple[Score, ...]

    @property
    def last(self) -> Score:
        """The last checkpoint."""
        return self.rows[-1]


def sound(row: Score) -> bool:
    """Whether the row's numbers may be averaged."""
    return not row.diverged and math.isfinite(row.return_mean)


def best(run: Run) -> Score:
    """The checkpoint with the highest return among the sound ones, else the last; an oracle's choice."""
    rows = [row for row in run.rows if sound(row)]
    return max(rows, key=lambda row: row.return_mean, default=run.last)


def runs(scores: Iterable[Score]) -> list[Run]:
    """Runs in order of first appearance. Raises InputError for no rows, or rows of several suites."""
    found: dict[RunKey, dict[int, Score]] = {}
    for row in scores:
        found.setdefault(run_key(row), {})[row.update] = row
    if not found:
        raise InputError("there are no scores to show; run `jaxrl bench SUITE` first")
    suites = sorted({key[0] for key in found})
    if len(suites) > 1:
        raise InputError(f"the scores are of {len(suites)} suites ({', '.join(suites)}); show one suite at a time")
    return [Run(key, tuple(rows[update] for update in sorted(rows))) for key, rows in found.items()]


def complete(found: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs that reached the last update of their card and settings on that task, or diverged; and the others."""
    target: dict[tuple, int] = {}
    for run in found:
        target[run.key[:4]] = max(target.get(run.key[:4], 0), run.last.update)
    parts: tuple[list[Run], list[Run]] = [], []
    for run in found:
        parts[run.last.update < target[run.key[:4]] and sound(run.last)].append(run)
    return parts


def labels(found: Sequence[Run]) -> dict[tuple[str, str], str]:
    """{(card, settings): name}. A card has one name unless a task was run with several of its settings."""
    per_task: dict[tuple[str, str], dict[str, None]] = {}
    for _, task, card, settings, _ in (run.key for run in found):
        per_task.setdefault((card, task), {})[settings] = None
    many = {card for (card, _), settings in per_task.items() if len(settings) > 1}
    pairs = dict.fromkeys((run.key[2], run.key[3]) for run in found)
    return {(card, settings): f"{card} {settings}".strip() if card in many else card for card, settings in pairs}


def short_names(tasks: Sequence[str]) -> tuple[dict[str, str], str]:
    """{task: name without what all share}, and the shared pattern ("external/…-v0"), "" where nothing is shared."""
    if len(set(tasks)) < 2:
        return {task: task for task in tasks}, ""
    start = tasks[0].rsplit("/", 1)[0] + "/" if "/" in tasks[0] else ""
    end = "-v" + tasks[0].rsplit("-v", 1)[1] if "-v" in tasks[0] else ""
    start = start if all(task.startswith(start) for task in tasks) else ""
    end = end if all(task.endswith(end) for task in tasks) else ""
    short = {task: task[len(start) : len(task) - len(end)] for task in tasks}
    return short, f"{start}…{end}" if start or end else ""


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers, neighbours drawn together: 2-4, 7."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
