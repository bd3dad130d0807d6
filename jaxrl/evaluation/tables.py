"""From rows of scores to the leaderboard: every number in a table is computed here, from `scores.csv` alone.

`leaderboard` is all that a page needs: its `notes` hold everything that a reader has to be told, its entries say
themselves why a number is not there (`Entry.refused`), and columns whose cells must not be compared end in §.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxrl.evaluation import aggregate, bootstrap
from jaxrl.evaluation.checkpoints import Choice, choices, optimism_of
from jaxrl.evaluation.faults import MIXED, Faults, find
from jaxrl.evaluation.provenance import conventions, protocol, remarks
from jaxrl.evaluation.render import Entry, Section, Table, csv, latex, markdown, rich_table
from jaxrl.evaluation.runs import Run, complete, labels, runs, short_names, sound
from jaxrl.evaluation.scores import Score

__all__ = ["Entry", "Section", "Table", "csv", "latex", "leaderboard", "markdown", "rich_table"]

D4RL = (
    "Scaled by D4RL's reference returns only: where data or environment are not D4RL's, not comparable with its tables."
)
SUCCESS = "Share of episodes that reached their goal at some step; in the kitchen, of its tasks that were completed."
BOLD = "Bold: the best of a column and what lies within its standard error (in the aggregate: within its interval)."


OPTIMISM = (
    "How far picking the best of each run's noisy evaluations puts the number above the true value of what was picked: "
    "mean ± standard error over seeds of the coupled bootstrap on return_std and episodes (evaluation/checkpoints.py). "
    "An upper estimate: where learning itself goes up and down, that counts as noise.",
    "Noise that a run's checkpoints share, as where all play the same episodes, picks nothing; it is taken off as far "
    "as neighbouring checkpoints move together. What remains of the lead over the last checkpoint was there, and still "
    "could not be had without the environment.",
)


class Board(NamedTuple):
    """Runs sorted into cells. names: rows in order of rank; tasks: columns; cells: (name, task) -> runs.

    refused: {(name, task): why in a word} for cells that are not averaged. columns: {task: what its cells differ in}.
    """

    names: tuple[str, ...]
    tasks: tuple[str, ...]
    cells: dict[tuple[str, str], list[Run]]
    refused: Mapping[tuple[str, str], str] = {}
    columns: Mapping[str, str] = {}


Value = Callable[[Score], float | None]


def leaderboard(
    scores: Iterable[Score], *, checkpoint: str = "last", key, notes: Sequence[str] = (), lines: Sequence[int] = ()
) -> Table:
    """Cards x tasks: normalized scores with their aggregate, returns, and D4RL-compatible scores where they differ.

    checkpoint: "last"; "mean:K", of the last K; "best", which is an oracle and is headed so, with an estimate of how
    much it flatters; or "both" of last and best. key: for the bootstrap. notes: reasons for what is missing, shown
    under the tables. lines: of the rows in their file, so that notes can name them (`scores.sheet`). Runs cut short and
    diverged runs are counted and named, not averaged; so are cells that `faults.find` objects to. Raises InputError for
    no scores, those of several suites, and runs of fewer than K checkpoints.
    """
    shown, rows = choices(checkpoint), list(scores)
    found, wrong = runs(rows), find(rows, lines)
    kept, unfinished = complete(found)
    whole = _board(kept, wrong)
    board = _ranked(_refusing(whole, wrong, shown[0]), shown[0])
    sections: list[Section] = []
    for choice in shown:
        sections += _sections(_refusing(board, wrong, choice), choice, key)
    notes = [*notes, *(wrong.uneven.values() if any(choice.several for choice in shown) else ())]
    return Table(
        f"Leaderboard: {found[0].key[0]}", protocol(kept, found, shown), tuple(sections),
        remarks(kept, unfinished, sections, notes, wrong.notes),
    )  # fmt: skip


def _refusing(board: Board, wrong: Faults, choice: Choice) -> Board:
    """The board with the cells that a protocol cannot average."""
    uneven = dict.fromkeys(wrong.uneven, "uneven") if choice.several else {}
    return board._replace(refused={**uneven, **wrong.cells})


def _score(row: Score) -> float | None:
    return row.score


def _return(row: Score) -> float | None:
    return row.return_mean


def _d4rl(row: Score) -> float | None:
    return row.score_d4rl


def _success(row: Score) -> float | None:
    return row.success


def _board(found: list[Run], wrong: Faults) -> Board:
    name_of = labels(found)
    cells: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        cells.setdefault((name_of[run.key[2:4]], run.key[1]), []).append(run)
    tasks = tuple(dict.fromkeys(run.key[1] for run in found))
    return Board(tuple(dict.fromkeys(name_of.values())), tasks, cells, columns=wrong.columns)


def _values(board: Board, name: str, task: str, choice: Choice, value: Value) -> list[float]:
    """Numbers of the cell's sound runs; none where the cell is refused."""
    if (name, task) in board.refused:
        return []
    rows = [choice.choose(run) for run in board.cells.get((name, task), [])]
    return [number for row in rows if sound(row) and (number := value(row)) is not None]


def _with(board: Board, value: Value) -> list[str]:
    """Tasks for which the number is known."""
    there = {
        task for (_, task), cell in board.cells.items() for run in cell for row in run.rows if value(row) is not None
    }
    return [task for task in board.tasks if task in there]


def _unsound(board: Board, name: str, tasks: Sequence[str]) -> str:
    """Why a row has no aggregate over the tasks, in a word: of a refused cell, or of one in a marked column."""
    words = [board.refused.get((name, task)) for task in tasks]
    compared = [MIXED for task in tasks if task in board.columns and (name, task) in board.cells]
    return next((word for word in [*words, *compared] if word), "")


def _ranked(board: Board, choice: Choice) -> Board:
    """The board with its rows by falling interquartile mean; then those that lack tasks, then those without one."""
    tasks = _with(board, _score)

    def rank(name):
        columns = [_values(board, name, task, choice, _score) for task in tasks]
        columns = [column for column in columns if column]
        refused = bool(_unsound(board, name, tasks))
        known = columns and not refused
        middle = float(aggregate.interquartile_mean(aggregate.matrix(columns))) if known else -math.inf
        return refused, len(tasks) - len(columns), -middle

    return board._replace(names=tuple(sorted(board.names, key=rank)))


def _sections(board: Board, choice: Choice, key) -> list[Section]:
    warning = (
        ("Each run's checkpoint is picked by the evaluations that it is judged by: optimistic, not a result.",)
        if choice.oracle
        else ()
    )
    spread = f"Mean ± standard error over seeds, {choice.when}. "
    grid = functools.partial(_grid, board, choice)
    out = []
    if tasks := _with(board, _score):
        said = conventions(board.cells, tasks)
        text = (spread + _aggregate_text(f"Rows are ranked by it, on {said}.", tasks), BOLD)
        out.append(grid(tasks, _score, "Normalized score", warning + text, key))
        if choice.oracle:
            out.append(_optimism(board, tasks, _score, f"{choice.prefix}Optimism of the normalized score", key))
    lines = [spread + "Undiscounted, in the environment's own units."]
    if without := [task for task in board.tasks if task not in tasks]:
        lines.append(
            f"No normalized score for {', '.join(without)}: no reference returns are known, neither in the dataset's "
            "metadata nor in the registry." + ("" if tasks else " Rows are not ranked.")
        )
    out.append(grid(board.tasks, _return, "Return", (*warning, *lines), None))
    if choice.oracle and not tasks:
        out.append(_optimism(board, board.tasks, _return, f"{choice.prefix}Optimism of the return", key))
    if reached := _with(board, _success):
        text = (spread + _aggregate_text("It does not rank the rows.", reached), SUCCESS)
        out.append(grid(reached, _success, "Success rate, %", warning + text, key))
    if d4rl := _differing(board):
        text = (spread + _aggregate_text("It does not rank the rows.", d4rl), D4RL)
        out.append(grid(d4rl, _d4rl, "D4RL-compatible score", warning + text, key))
    return out


def _optimism(board: Board, tasks: Sequence[str], value: Value, heading: str, key) -> Section:
    """What of the best checkpoints' numbers is due to picking among noisy evaluations."""
    short, pattern = short_names(tasks)

    def entry(place: int, name: str, task: str) -> Entry:
        cell = board.cells.get((name, task), [])
        if (name, task) in board.refused:
            return Entry(runs=len(cell), refused=board.refused[name, task])
        if not any(sound(run.last) for run in cell):
            return Entry(runs=len(cell), diverged=len(cell))
        mean, error = optimism_of(jax.random.fold_in(key, place), cell, value)
        return Entry(mean, error, None, len(cell))

    rows = []
    for i, name in enumerate(board.names):
        entries = (entry(i * len(tasks) + j, name, task) for j, task in enumerate(tasks))
        rows.append((name, tuple(one._replace(places=1) for one in entries)))
    lines = (*OPTIMISM, f"Tasks are {pattern}.") if pattern else OPTIMISM
    return Section(heading, lines, tuple(short[task] for task in tasks), tuple(rows))


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


def _grid(board: Board, choice: Choice, tasks: Sequence[str], value: Value, heading: str, lines, key) -> Section:
    """Cells of the tasks, with the aggregate in front where a key is given."""
    short, pattern = short_names(tasks)
    columns = [
        _marked([_cell(board, name, task, choice, value) for name in board.names], task not in board.columns)
        for task in tasks
    ]
    heads = [short[task] + " §" * (task in board.columns) for task in tasks]
    if key is not None:
        columns.insert(0, _marked([_aggregate(board, name, tasks, choice, value, key) for name in board.names]))
        heads.insert(0, "IQM [95 %]")
    rows = tuple((name, tuple(column[i] for column in columns)) for i, name in enumerate(board.names))
    lines = (*lines, f"Tasks are {pattern}.") if pattern else tuple(lines)
    return Section(choice.prefix + heading, lines, tuple(heads), rows)


def _cell(board: Board, name: str, task: str, choice: Choice, value: Value) -> Entry:
    cell = board.cells.get((name, task), [])
    if (name, task) in board.refused:
        return Entry(runs=len(cell), refused=board.refused[name, task])
    numbers = np.asarray(_values(board, name, task, choice, value), np.float64)
    diverged = sum(not sound(choice.choose(run)) for run in cell)
    mean, error = aggregate.run_mean(numbers, 0), aggregate.standard_error(numbers, 0)
    return Entry(float(mean), float(error), None, len(cell), diverged, mark="†" if diverged else "")


def _aggregate(board: Board, name: str, tasks: Sequence[str], choice: Choice, value: Value, key) -> Entry:
    cells = [run for task in tasks for run in board.cells.get((name, task), [])]
    if word := _unsound(board, name, tasks):
        return Entry(runs=len(cells), refused=word)
    columns = [_values(board, name, task, choice, value) for task in tasks]
    there = aggregate.matrix([column for column in columns if column])
    if not there.size:
        return Entry()
    diverged = sum(not sound(choice.choose(run)) for run in cells)
    mark = ("†" if diverged else "") + ("‡" if there.shape[1] < len(tasks) else "")
    interval = bootstrap.interval(key, there)
    middle = float(aggregate.interquartile_mean(there))
    return Entry(middle, math.nan, interval, len(cells), diverged, mark=mark)


def _marked(entries: list[Entry], compared: bool = True) -> list[Entry]:
    """Entries of one column, the best marked, with equally many places. Incomplete aggregates never lead.

    compared: whether its numbers may be compared; else none is marked.
    """
    means = [e.mean for e in entries if not math.isnan(e.mean)]
    size = max((abs(mean) for mean in means), default=0.0)
    places = 0 if size >= 1000 else 1 if size >= 2 else 2 if size >= 0.2 else 3
    leaders = [e for e in entries if compared and not math.isnan(e.mean) and "‡" not in e.mark]
    if not leaders:
        return [e._replace(places=places) for e in entries]
    top = max(leaders, key=lambda e: e.mean)
    floor = top.interval[0] if top.interval else top.mean - (0.0 if math.isnan(top.error) else top.error)
    return [e._replace(places=places, best=e in leaders and e.mean >= floor) for e in entries]
