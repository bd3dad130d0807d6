"""A suite's work in pieces that can be done anywhere: a card on a task over some seeds, in one compiled call."""

import contextlib
import hashlib
import math
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl import registry, store, suites, tasks, trackers
from jaxrl.core import hyper as records
from jaxrl.core import versions
from jaxrl.core.check import InputError
from jaxrl.core.types import Task
from jaxrl.data.reference import no_reference
from jaxrl.evaluation.scores import Score
from jaxrl.experiment import Checkpoint, Result, grid, sweep

CHECKPOINTS = "checkpoints"
"""Folder of work under way, in the folder of the results."""


class Work(NamedTuple):
    """One piece. options: as the suite and the command gave them. folder: of the results, where checkpoints are kept
    while it goes on and a run when it ends; None to keep nothing. track: specifications of trackers that follow it.
    memory: GiB of a device, None for what is free."""

    suite: str
    card: str
    task: str
    options: dict[str, Any]
    seeds: list[int]
    updates: int
    evaluate_every: int
    episodes: int
    folder: str | None
    track: tuple[str, ...] = ()
    memory: float | None = None


class Ended(NamedTuple):
    """What a piece of work brought: rows of scores and a line about them; or, in `error`, why it could not be done."""

    work: Work
    rows: list[Score] = []
    line: str = ""
    error: str = ""


def perform(work: Work, task: Task, progress: Callable[[str], None], say: Callable[[str], None]) -> Ended:
    """Do it, or go on where an earlier call was stopped. Raises InputError for bad input."""
    where = f"{work.card} on {work.task}"

    progress(f"{where}: compiling")
    name, known = slug(work), {**work._asdict(), "seeds": len(work.seeds)}
    with trackers.following(work.track, name, known, labels(work) if work.track else ()) as follow:

        def report(checkpoint: Checkpoint) -> None:
            reached = f"update {checkpoint.update:,} of {work.updates:,}, return {checkpoint.returns.mean():.1f}"
            progress(f"{where}: {reached}")
            follow(checkpoint)

        found = sweep(
            work.card, task, seeds=work.seeds, updates=work.updates, evaluate_every=work.evaluate_every,
            episodes=work.episodes, report=report, checkpoint=place(work), memory=work.memory,
            say=say, **work.options,
        )  # fmt: skip
    results = found if isinstance(found, list) else [found]
    for result in results if work.folder else []:
        store.keep(result, Path(work.folder or ""), suite=work.suite)
    made = [row for result in results for row in rows(result, work.suite, one_value(result, work.options))]
    return Ended(work, made, "\n".join(map(summary, results)))


def one_value(result: Result, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a result where some were lists: of numbers, which its records tell, or of anything else."""
    chosen = result.settings
    own = {**chosen.structure, **chosen.collection, **chosen.preparation}
    numbers = result.card.numbers()
    single = {name: own.get(name) if isinstance(value, list) else value for name, value in options.items()}
    return {name: value for name, value in single.items() if name not in numbers or not isinstance(options[name], list)}


def place(work: Work) -> Path | None:
    """Folder of its checkpoints."""
    if work.folder is None:
        return None
    digest = hashlib.sha1(repr(work._replace(folder=None, track=(), memory=None)).encode()).hexdigest()[:8]
    return Path(work.folder) / CHECKPOINTS / f"{slug(work)}-{digest}"


def slug(work: Work) -> str:
    """A short name, fit for a folder."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", f"{work.card}-{work.task.rsplit('/', 1)[-1]}")


def labels(work: Work) -> list[str]:
    """A name for each member, for trackers; InputError where members are of several programs."""
    numbers, lists = registry.card(work.card).numbers(), {n: v for n, v in work.options.items() if isinstance(v, list)}
    other = [name for name in lists if name not in numbers]
    if other:
        raise InputError(f"--track follows one program, and {', '.join(other)} lists several; run them one by one")
    return trackers.members(grid(work.card, **lists) if lists else None, work.seeds)


def forget(work: Work) -> None:
    """Delete its checkpoints: its scores are stored."""
    where = place(work)
    if where:
        shutil.rmtree(where, ignore_errors=True)
        # The folder above goes with its last one.
        with contextlib.suppress(OSError):
            where.parent.rmdir()


def loaded(name: str, say: Callable[[str], None]) -> Task:
    """The task; warnings met on the way are said, one line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        task = tasks.load(name)
    for warning in caught:
        say(f"  note: {warning.message}")
    if not task.references:
        say(f"  note: {no_reference(name)}")
    return task


def summary(result: Result) -> str:
    """One line of what came out."""
    last, where = result.scores[0, :, -1], "score" if result.task.references else "return"
    error = f" ± {last.std(ddof=1) / math.sqrt(len(last)):.1f}" if len(last) > 1 else ""
    spent = {name: seconds.sum() for name, seconds in result.seconds.items()}
    shares = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items())
    lost = f", {breakdowns(result)}" if result.diverged[..., -1].any() else ""
    return f"{result.card.name} on {result.task.name}: {where} {last.mean():.1f}{error}{lost} ({shares})"


def breakdowns(result: Result) -> str:
    """How many runs diverged, and the first of them with the update and the part that broke."""
    where = [tuple(int(i) for i in index) for index in zip(*result.diverged[..., -1].nonzero(), strict=True)]
    earliest = min(where, key=lambda index: result.diverged_at[index])
    part, update = result.diverged_part[earliest], result.diverged_at[earliest]
    seed = result.seeds[earliest[1]]
    return f"{len(where)} of {result.diverged[..., -1].size} diverged (seed {seed} first: {part} at update {update:,})"


def rows(result: Result, suite: str, options: dict[str, Any] = {}) -> list[Score]:
    """One Score a run and checkpoint. Seconds are the compiled call's, shared equally among its runs."""
    task, spec = result.task, result.task.env.spec
    shared = {
        "suite": suite, "task": task.name, "card": result.card.name, "episodes": result.episode_returns.shape[-1],
        "dataset_hash": task.version, "environment": spec.name,
        "environment_version": versions.of_environment(task.env), **versions.machine(),
    }  # fmt: skip
    labels = [suites.canonical(result.card.name, {**options, **numbers}) for numbers in varied(result)]
    return [
        Score(
            **shared,
            settings=labels[h],
            seed=seed,
            update=int(update),
            **measured(result, h, k, c),
        )
        for h in range(len(labels))
        for k, seed in enumerate(result.seeds)
        for c, update in enumerate(result.updates)
    ]


def varied(result: Result) -> list[dict[str, float]]:
    """For each hyperparameter record, the numbers that differ from the card's defaults."""
    defaults = result.card.numbers()
    return [
        {
            name: getattr(record, name)
            for name, default in defaults.items()
            if not math.isclose(getattr(record, name), default, rel_tol=1e-6)
        }
        for record in records.unstack(result.hypers)
    ]


def measured(result: Result, h: int, k: int, c: int) -> dict[str, Any]:
    """The figures of one run at one checkpoint."""
    returns = result.episode_returns[h, k, c]
    references = result.task.references
    first = references[0] if references else None
    d4rl = next((one for one in references if one.convention == "d4rl"), None)
    members = result.episode_returns.shape[0] * result.episode_returns.shape[1]
    seconds = {f"{name}_seconds": float(values[c]) / members for name, values in result.seconds.items()}
    return {
        "return_mean": float(returns.mean()),
        "return_std": float(returns.std()),
        "env_steps": int(result.env_steps[c]),
        "success": None if result.success is None else 100.0 * float(result.success[h, k, c].mean()),
        "score": float(first.score(returns.mean())) if first else None,
        "score_convention": first.convention if first else "",
        "score_d4rl": float(d4rl.score(returns.mean())) if d4rl else None,
        "diverged": int(result.diverged[h, k, c]),
        **seconds,
    }
