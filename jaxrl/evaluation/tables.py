"""From rows of scores to the leaderboard: every number in a table is computed here, from `scores.csv` alone."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from jaxrl.core.check import known
from jaxrl.evaluation import aggregate, bootstrap
from jaxrl.evaluation.provenance import conventions, protocol, remarks
from jaxrl.evaluation.render import Entry, Section, Table, csv, latex, markdown, rich_table
from jaxrl.evaluation.runs import Run, best, complete, labels, runs, short_names, sound
from jaxrl.evaluation.scores import Score

__all__ = ["Entry", "Section", "Table", "csv", "latex", "leaderboard", "markdown", "rich_table"]

Checkpoint = Literal["last", "best", "both"]
D4RL = (
    "Scaled by D4RL's reference returns only: where data or environment are not D4RL's, not comparable with its tables."
)
SUCCESS = "Share of episodes that reached their goal at some step; in the kitchen, of its tasks that were completed."
BOLD = "Bold: the best of a column and what lies within its standard error (in the aggregate: within its interval)."


class Board(NamedTuple):
    """Runs sorted into cells. names: rows in order of rank; tasks: columns; cells: (name, task) -> runs."""

    names: tuple[str, ...]
    tasks: tuple[str, ...]
    cells: dict[tuple[str, str], list[Run]]


Choose = Callable[[Run], Score]
Value = Callable[[Score], float | None]


def leaderboard(scores: Iterable[Score], *, checkpoint: Checkpoint = "last", key, notes: Sequence[str] = ()) -> Table:
    """Cards x tasks: normalized scores with their aggregate, returns, and D4RL-compatible scores where they differ.

    checkpoint: "last"; "best", which is an oracle and is headed so; or "both". key: for the bootstrap. notes: reasons
    for what is missing, shown under the tables. Runs cut short and diverged runs are counted and named, not averaged.
    Raises InputError for no scores, or those of several suites.
    """
    known("checkpoint", checkpoint, ["last", "best", "both"])
    found = runs(scores)
    kept, unfinished = complete(found)
    board = _ranked(_board(kept), _last if checkpoint != "best" else best)
    sections: list[Section] = []
    if checkpoint != "best":
        sections += _sections(board, _last, "at the last checkpoint", "", key)
    if checkpoint != "last":
        sections += _sections(board, best, "at the best checkpoint", "Best checkpoint (an oracle): ", key)
    suite = found[0].key[0]
    return Table(
        f"Leaderboard: {suite}", protocol(kept, found), tuple(sections), remarks(kept, unfinished, sections, notes)
    )


def _last(run: Run) -> Score:
    return run.last


def _score(row: Score) -> float | None:
    return row.score


def _return(row: Score) -> float | None:
    return row.return_mean


def _d4rl(row: Score) -> float | None:
    return row.score_d4rl


def _success(row: Score) -> float | None:
    return row.success


def _board(found: list[Run]) -> Board:
    name_of = labels(found)
    cells: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        cells.setdefault((name_of[run.key[2:4]], run.key[1]), []).append(run)
    return Board(tuple(dict.fromkeys(name_of.values())), tuple(dict.fromkeys(run.key[1] for run in found)), cells)


def _values(board: Board, name: str, task: str, choose: Choose, value: Value) -> list[float]:
    """Numbers of the cell's sound runs."""
    rows = [choose(run) for run in board.cells.get((name, task), [])]
    return [number for row in rows if sound(row) and (number := value(row)) is not None]


def _with(board: Board, value: Value) -> list[str]:
    """Tasks for which the number is known."""
    there = {
        task for (_, task), cell in board.cells.items() for run in cell for row in run.rows if value(row) is not None
    }
    return [task for task in board.tasks if task in there]


def _ranked(board: Board, choose: Choose) -> Board:
    """The board with its rows by falling interquartile mean; those that lack tasks come after those that have all."""
    tasks = _with(board, _score)

    def rank(name):
        columns = [_values(board, name, task, choose, _score) for task in tasks]
        columns = [column for column in columns if column]
        middle = float(aggregate.interquartile_mean(aggregate.matrix(columns))) if columns else -math.inf
        return len(tasks) - len(columns), -middle

    return board._replace(names=tuple(sorted(board.names, key=rank)))


def _sections(board: Board, choose: Choose, when: str, prefix: str, key) -> list[Section]:
    warning = (
        ("Each run's checkpoint is picked by the evaluations that it is judged by: optimistic, not a result.",)
        if prefix
        else ()
    )
    spread = f"Mean ± standard error over seeds, {when}. "
    out = []
    if tasks := _with(board, _score):
        said = conventions(board.cells, tasks)
        text = (spread + _aggregate_text(f"Rows are ranked by it, on {said}.", tasks), BOLD)
        out.append(_grid(board, tasks, choose, _score, f"{prefix}Normalized score", warning + text, key))
    lines = [spread + "Undiscounted, in the environment's own units."]
    if without := [task for task in board.tasks if task not in tasks]:
        lines.append(
            f"No normalized score for {', '.join(without)}: no reference returns are known, neither in the dataset's "
            "metadata nor in the registry." + ("" if tasks else " Rows are not ranked.")
        )
    out.append(_grid(board, board.tasks, choose, _return, f"{prefix}Return", (*warning, *lines), None))
    if reached := _with(board, _success):
        text = (spread + _aggregate_text("It does not rank the rows.", reached), SUCCESS)
        out.append(_grid(board, reached, choose, _success, f"{prefix}Success rate, %", warning + text, key))
    if d4rl := _differing(board):
        text = (spread + _aggregate_text("It does not rank the rows.", d4rl), D4RL)
        out.append(_grid(board, d4rl, choose, _d4rl, f"{prefix}D4RL-compatible score", warning + text, key))
    return out


def _aggregate_text(rest: str, tasks: Sequence[str]) -> str:
    interval = (
        "with its 95 % stratified-bootstrap interval"
        if len(tasks) > 1
        else "without an interval, since drawing the few runs of one task again says too little of the spread"
    )
    return f"IQM: interquartile mean over all tasks and seeds, {interval}. {rest}"


def _differing(board: Board) -> list[str]:
    """Tasks with a D4RL-compatible score, if any of them is ranked by another one; else none."""
    tasks = _with(board, _d4rl)
    rows = [run.last for (_, task), cell in board.cells.items() if task in tasks for run in cell]
    return tasks if any(row.score_d4rl is not None and row.score_convention != "d4rl" for row in rows) else []


def _grid(board: Board, tasks: Sequence[str], choose: Choose, value: Value, heading: str, lines, key) -> Section:
    """Cells of the tasks, with the aggregate in front where a key is given."""
    short, pattern = short_names(tasks)
    columns = [_marked([_cell(board, name, task, choose, value) for name in board.names]) for task in tasks]
    heads = [short[task] for task in tasks]
    if key is not None:
        columns.insert(0, _marked([_aggregate(board, name, tasks, choose, value, key) for name in board.names]))
        heads.insert(0, "IQM [95 %]")
    rows = tuple((name, tuple(column[i] for column in columns)) for i, name in enumerate(board.names))
    lines = (*lines, f"Tasks are {pattern}.") if pattern else tuple(lines)
    return Section(heading, lines, tuple(heads), rows)


def _cell(board: Board, name: str, task: str, choose: Choose, value: Value) -> Entry:
    cell = board.cells.get((name, task), [])
    numbers = np.asarray(_values(board, name, task, choose, value), np.float64)
    diverged = sum(not sound(choose(run)) for run in cell)
    mean, error = aggregate.run_mean(numbers, 0), aggregate.standard_error(numbers, 0)
    return Entry(float(mean), float(error), None, len(cell), diverged, mark="†" if diverged else "")


def _aggregate(board: Board, name: str, tasks: Sequence[str], choose: Choose, value: Value, key) -> Entry:
    columns = [_values(board, name, task, choose, value) for task in tasks]
    there = aggregate.matrix([column for column in columns if column])
    if not there.size:
        return Entry()
    cells = [run for task in tasks for run in board.cells.get((name, task), [])]
    diverged = sum(not sound(choose(run)) for run in cells)
    mark = ("†" if diverged else "") + ("‡" if there.shape[1] < len(tasks) else "")
    interval = bootstrap.interval(key, there)
    middle = float(aggregate.interquartile_mean(there))
    return Entry(middle, math.nan, interval, len(cells), diverged, mark=mark)


def _marked(entries: list[Entry]) -> list[Entry]:
    """Entries of one column, the best marked, with equally many places. Incomplete aggregates never lead."""
    means = [e.mean for e in entries if not math.isnan(e.mean)]
    size = max((abs(mean) for mean in means), default=0.0)
    places = 0 if size >= 1000 else 1 if size >= 2 else 2 if size >= 0.2 else 3
    leaders = [e for e in entries if not math.isnan(e.mean) and "‡" not in e.mark]
    if not leaders:
        return [e._replace(places=places) for e in entries]
    top = max(leaders, key=lambda e: e.mean)
    floor = top.interval[0] if top.interval else top.mean - (0.0 if math.isnan(top.error) else top.error)
    return [e._replace(places=places, best=e in leaders and e.mean >= floor) for e in entries]
