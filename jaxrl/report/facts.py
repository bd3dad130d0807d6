"""From a board's rows to plain records: the leaderboard, aggregates, curves, profiles and comparisons, each with its
interval or with the reason for which there is none."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.evaluation import aggregate, bootstrap, faults, runs, tables
from jaxrl.evaluation.render import Table
from jaxrl.evaluation.runs import Run
from jaxrl.report.boards import Board

ENOUGH = 100.0
"""Normalized score that the optimality gap is counted to: the reference's upper end."""
RESAMPLES = 2_000
"""Of probabilities of improvement, one for each pair; all others have the leaderboard's 50,000."""
LEVELS = 61
"""Thresholds of a performance profile."""
STATISTICS: dict[str, Callable] = {
    "IQM": aggregate.interquartile_mean,
    "median": aggregate.median,
    "mean": aggregate.mean,
    "optimality gap": functools.partial(aggregate.optimality_gap, threshold=ENOUGH),
}
Record = dict[str, Any]


class Group(NamedTuple):
    """Cards that have scores on the same tasks, and may be compared. matrices: name -> [runs, tasks]."""

    tasks: tuple[str, ...]
    matrices: dict[str, np.ndarray]


class Facts(NamedTuple):
    """All that a report says about a board. names: rows of the leaderboard in order of rank; cards: their cards.

    cells: (name, task) -> complete runs. aggregates: {name, over, statistic, value, low, high}; profiles: {name, over,
    level, share, low, high}; improvements: {first, second, probability, low, high, tasks}; curves: {name, task, place,
    mean, low, high, runs}. reasons: why intervals are missing. place: what curves are drawn against.
    """

    board: Board
    table: Table
    names: tuple[str, ...]
    cards: dict[str, str]
    tasks: tuple[str, ...]
    cells: dict[tuple[str, str], list[Run]]
    runs: tuple[Run, ...]
    unfinished: tuple[Run, ...]
    aggregates: list[Record]
    profiles: list[Record]
    improvements: list[Record]
    curves: list[Record]
    reasons: tuple[str, ...]
    place: str


def gathered(key, board: Board, notes: Sequence[str] = ()) -> Facts:
    """Everything that is computed from a board's rows. key: of all resampling; notes: lines for the leaderboard.

    Rows that `evaluation.faults` objects to are shown by the leaderboard and left out of everything else.
    """
    found = runs.runs(board.scores)
    kept, unfinished = runs.complete(found)
    notes = [*notes, *board.notes]
    table = tables.leaderboard(board.scores, checkpoint="both", key=key, notes=notes, lines=board.lines)
    name_of, names = runs.labels(kept), tuple(name for name, _ in table.sections[0].rows)
    wrong = faults.find(board.scores)
    cells: dict[tuple[str, str], list[Run]] = {}
    for run in kept:
        cells.setdefault((name_of[run.key[2:4]], run.key[1]), []).append(run)
    fair = {cell: own for cell, own in cells.items() if cell not in wrong.cells and cell[1] not in wrong.columns}
    tasks = tuple(dict.fromkeys(run.key[1] for run in found))
    groups = grouped(names, tasks, fair)
    aggregates, profiles = summarized(key, groups, tasks)
    drawn = [run for cell, own in cells.items() if cell not in wrong.cells for run in own]
    walked = any(row.env_steps for row in board.scores)
    return Facts(
        board, table, names, {name_of[run.key[2:4]]: run.key[2] for run in kept}, tasks, cells, tuple(found),
        tuple(unfinished), aggregates, profiles, improvements(key, names, tasks, fair),
        curves(drawn, name_of, walked), withheld(groups), "environment steps" if walked else "updates",
    )  # fmt: skip


def scored(cells: dict[tuple[str, str], list[Run]], name: str, task: str) -> list[float]:
    """Last scores of a cell's sound runs."""
    rows = [run.last for run in cells.get((name, task), [])]
    return [row.score for row in rows if runs.sound(row) and row.score is not None]


def grouped(names: Sequence[str], tasks: Sequence[str], cells) -> list[Group]:
    """Cards by the tasks that they have sound scores on, the group with the most tasks first."""
    out: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for name in names:
        own = tuple(task for task in tasks if scored(cells, name, task))
        if own:
            matrix = aggregate.matrix([scored(cells, name, task) for task in own])
            out.setdefault(own, {})[name] = matrix
    return [Group(own, out[own]) for own in sorted(out, key=lambda own: -len(own))]


def over(group: Group, tasks: Sequence[str]) -> str:
    """Which of the board's tasks a group's numbers are over, in words."""
    short, _ = runs.short_names(tasks)
    if len(group.tasks) == len(tasks):
        return f"over all {len(tasks)} tasks"
    return f"over {', '.join(short[task] for task in group.tasks)}"


def withheld(groups: Sequence[Group]) -> tuple[str, ...]:
    """Why cards have no interval, a line for each reason."""
    lines: dict[str, list[str]] = {}
    for group in groups:
        for name, matrix in group.matrices.items():
            if reason := bootstrap.withheld(matrix):
                lines.setdefault(reason, []).append(name)
    return tuple(f"{', '.join(names)}: {reason}." for reason, names in lines.items())


def everything(scores, weights=None, *, levels):
    """All statistics, then the profile at each level: [..., runs, tasks] -> [..., statistics + levels]."""
    space = scores.__array_namespace__()
    one = space.stack([statistic(scores, weights) for statistic in STATISTICS.values()], axis=-1)
    return space.concat([one, aggregate.profile(scores, weights, thresholds=levels)], axis=-1)


def summarized(key, groups: Sequence[Group], tasks: Sequence[str]) -> tuple[list[Record], list[Record]]:
    """(each statistic of each card, share of runs above each level), with 95 % intervals from the same resamples."""
    levels, aggregates, profiles = thresholds(groups), [], []
    statistic = functools.partial(everything, levels=levels)
    for group in groups:
        for name, matrix in group.matrices.items():
            ends = bootstrap.interval(key, matrix, statistic)
            nothing = np.full(len(STATISTICS) + len(levels), np.nan)
            columns = zip(statistic(matrix), *(ends or (nothing, nothing)), strict=True)
            values = [{"value": known(value), "low": known(low), "high": known(high)} for value, low, high in columns]
            shared = {"name": name, "over": over(group, tasks)}
            aggregates += [
                {**shared, "statistic": what, **value} for what, value in zip(STATISTICS, values, strict=False)
            ]
            rest = zip(levels, values[len(STATISTICS) :], strict=True)
            profiles += [
                {**shared, "level": float(level), "share": one["value"], "low": one["low"], "high": one["high"]}
                for level, one in rest
            ]
    return aggregates, profiles


def thresholds(groups: Sequence[Group]) -> np.ndarray:
    """Levels of the profiles: [LEVELS], from the lowest score (or 0) to the highest, in whole tens."""
    every = np.concatenate([matrix.ravel() for group in groups for matrix in group.matrices.values()] or [np.zeros(1)])
    low = np.floor(min(np.nanmin(every), 0.0) / 10) * 10
    return np.linspace(low, max(np.ceil(np.nanmax(every) / 10) * 10, low + 10), LEVELS)


def improvements(key, names: Sequence[str], tasks: Sequence[str], cells) -> list[Record]:
    """Probability that a run of the first card scores more than one of the second, over the tasks that both have."""
    out = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            own = [task for task in tasks if scored(cells, first, task) and scored(cells, second, task)]
            if not own:
                continue
            pair = tuple(aggregate.matrix([scored(cells, one, task) for task in own]) for one in (first, second))
            ends = bootstrap.interval(key, pair, aggregate.improvement, resamples=RESAMPLES)
            value, (low, high) = float(aggregate.improvement(*pair)), ends or (None, None)
            there = {"tasks": len(own), "first": first, "second": second}
            out.append({**there, "probability": value, "low": low, "high": high})
            other = {"low": None, "high": None} if ends is None else {"low": 1 - high, "high": 1 - low}
            out.append({**there, "first": second, "second": first, "probability": 1 - value, **other})
    return out


def curves(found: Iterable[Run], name_of: dict[tuple[str, str], str], walked: bool) -> list[Record]:
    """Mean over sound runs at each checkpoint with Student's 95 % interval; returns where a task has no score."""
    points: dict[tuple[str, str, int], list] = {}
    scored_tasks = {run.key[1] for run in found if any(row.score is not None for row in run.rows)}
    for run in found:
        for row in run.rows:
            value = row.score if row.task in scored_tasks else row.return_mean
            if runs.sound(row) and value is not None:
                place = row.env_steps if walked else row.update
                points.setdefault((name_of[run.key[2:4]], row.task, row.update), []).append((place, value))
    out = []
    for (name, task, _), pairs in sorted(points.items()):
        places, values = np.asarray(pairs, np.float64).T
        low, high = aggregate.mean_interval(values[:, None])
        what = "score" if task in scored_tasks else "return"
        ends = {"low": known(low[0]), "high": known(high[0]), "runs": len(pairs), "what": what}
        out.append({"name": name, "task": task, "place": float(places.mean()), "mean": float(values.mean()), **ends})
    return out


def known(value: float) -> float | None:
    """A number, or None for what is not finite."""
    return float(value) if np.isfinite(value) else None


def key():
    """The key of all resampling: that of `leaderboard.md`, so that both say the same."""
    return jax.random.key(0)
