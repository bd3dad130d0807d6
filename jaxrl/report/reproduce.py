"""The command that makes a run, or a whole board, again."""

import functools
import shlex

from jaxrl import registry, suites
from jaxrl.core.check import InputError
from jaxrl.evaluation.runs import Run
from jaxrl.report.boards import Board


def of_board(board: Board) -> str:
    """The command that writes the board's file; "" where the suite is none of the project's."""
    if board.suite not in suites.names():
        return ""
    return shlex.join(["jaxrl", "bench", board.suite, "--out", f"results/{board.suite}"])


def as_today(run: Run) -> bool:
    """Whether the project's suite of that name, as it stands, gives the run its settings and updates."""
    return _today(run) == (run.key[3], run.last.update)


def of_run(run: Run) -> str:
    """The command that makes a run again: `jaxrl bench` where the suite of today gives it the same settings.

    Otherwise `jaxrl train` with every setting that differs from the card's default. Seeds are numbered from 0, so the
    runs of lower seeds are made as well.
    """
    suite, task, card, settings, seed = run.key
    last = run.last
    seeds = ["--seeds", str(seed + 1), "--episodes", str(last.episodes)]
    if as_today(run):
        return shlex.join(["jaxrl", "bench", suite, "--cards", card, "--tasks", task, *seeds])
    every = [*([] if len(run.rows) < 2 else ["--evaluate-every", str(run.rows[1].update - run.rows[0].update)])]
    pairs = [part for one in settings.split(";") if one for part in ("--set", one)]
    return shlex.join(["jaxrl", "train", card, task, *seeds, "--updates", str(last.update), *every, *pairs])


def _today(run: Run) -> tuple[str, int] | None:
    """(settings, updates) that the project's suite of that name gives the run's card and task, None where it does
    not."""
    suite, task, card, *_ = run.key
    return _jobs(suite).get((card, task)) if suite in suites.names() else None


@functools.cache
def _jobs(name: str) -> dict[tuple[str, str], tuple[str, int]]:
    """{(card, task): (settings, updates)} of a suite as it stands."""
    try:
        found = suites.jobs(suites.read(name))
    except InputError:
        return {}
    return {(one.card, one.task): (suites.canonical(one.card, one.options), one.updates) for one in found}


def family(card: str) -> str:
    """The card's family; "unknown" for a card that this version has not."""
    return registry.family(card) if card.split("+")[-1] in registry.modules() else "unknown"
