"""The main job: run a suite, keep every finished run in `scores.csv`, and write the leaderboard and its picture."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl import jobs, remote, suites
from jaxrl.cluster import Cluster
from jaxrl.core.check import InputError, positive
from jaxrl.evaluation import faults, plots, published, scores, tables
from jaxrl.evaluation.scores import Score
from jaxrl.jobs import Ended, Work

Print = Callable[[str], None]


class Plan(NamedTuple):
    """A suite as it will be run: counts that may differ from the suite's own, options from outside, output folder.

    updates, evaluate_every: None for what the suite gives each job.
    """

    suite: suites.Suite
    updates: int | None
    evaluate_every: int | None
    seeds: int
    episodes: int
    extra: dict[str, Any]
    out: Path

    @property
    def file(self) -> Path:
        """Where the runs' scores are kept."""
        return self.out / "scores.csv"


def plan(
    name: str,
    *,
    updates: int | None = None,
    seeds: int | None = None,
    evaluate_every: int | None = None,
    episodes: int | None = None,
    out: str | None = None,
    extra: dict[str, Any] = {},
    cards: list[str] | None = None,
    only: list[str] | None = None,
) -> Plan:
    """The suite with what was asked for replaced; InputError for bad counts, cards, options or an unwritable folder."""
    suite = suites.read(name)
    if cards:
        suite = suite._replace(cards=tuple(dict.fromkeys(cards)))
    if only:
        suite = suite._replace(tasks=tuple(dict.fromkeys(only)))
    suites.check_extra(suite, extra)
    suites.jobs(suite, extra)
    return Plan(
        suite,
        None if updates is None else positive("updates", updates),
        None if evaluate_every is None else positive("evaluate_every", evaluate_every),
        suite.seeds if seeds is None else positive("seeds", seeds),
        suite.episodes if episodes is None else positive("episodes", episodes),
        extra, writable(Path(out or f"results/{suite.name}")),
    )  # fmt: skip


def counts(plan: Plan, job: suites.Job) -> tuple[int, int]:
    """Updates of a job, and how many lie between its evaluations."""
    updates = plan.updates or job.updates
    return updates, plan.evaluate_every or -(-updates // plan.suite.checkpoints)


def writable(folder: Path) -> Path:
    """The folder, made if need be; InputError where nothing can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"output folder {folder} cannot be written ({error.strerror}); choose another with --out"
        ) from error
    return folder


def put_aside(file: Path) -> Path:
    """Rename a file to the first free name of `scores.csv.old`, `scores.csv.old2`, ...; returns that name."""
    names = (file.with_name(f"{file.name}.old{count if count > 1 else ''}") for count in itertools.count(1))
    free = next(name for name in names if not name.exists())
    file.rename(free)
    return free


def stored(file: Path) -> list[Score]:
    """The rows of a file, none where it is missing or empty."""
    return scores.read(file) if file.exists() and file.stat().st_size else []


def kept(plan: Plan, say: Print) -> list[Score]:
    """The rows that earlier runs left, after a repair of the file; InputError where they are of another suite."""
    dropped = scores.repair(plan.file)
    if dropped:
        say(f"  note: the last line of {plan.file} was cut off; dropped its {dropped} bytes, that run is repeated")
    found = stored(plan.file)
    others = sorted({row.suite for row in found} - {plan.suite.name})
    if others:
        raise InputError(
            f"{plan.file} holds runs of suite {', '.join(others)}, not {plan.suite.name}; "
            "choose another folder with --out, or put it aside with --fresh"
        )
    return found


class Missing(NamedTuple):
    """Work of a plan that has no scores yet, task by task, and the cards of what has."""

    work: list[Work]
    there: list[str]


def missing(plan: Plan, known_rows: list[Score]) -> Missing:
    """What is left to do."""
    found = Missing([], [])
    every = suites.jobs(plan.suite, plan.extra)
    for job in (job for name in plan.suite.tasks for job in every if job.task == name):
        seeds, (updates, between) = missing_seeds(plan, job, known_rows), counts(plan, job)
        if seeds:
            found.work.append(
                Work(
                    plan.suite.name, job.card, job.task, job.options, seeds, updates, between, plan.episodes,
                    str(plan.out),
                )
            )  # fmt: skip
        else:
            found.there.append(job.card)
    return found


def run(
    plan: Plan,
    say: Print = print,
    progress: Callable[[str], None] = lambda text: None,
    cluster: Cluster | None = None,
    chunk: int | None = None,
) -> list[str]:
    """Run what is missing, task by task. Returns notes on what could not be run; the rest is in `plan.file`.

    Each (card, task) is one compiled call over its seeds, `chunk` of them at most, and is written when it ends. An
    interrupted bench goes on after its last checkpoint. cluster: whose machines share the work, None for this process.
    """
    left = missing(plan, kept(plan, say))
    work = remote.pieces(left.work, chunk)
    clock = Clock([*left.there, *(one.card for one in work)])
    clock.skip(*left.there)
    notes: list[str] = []
    for ended in remote.there(work, clock, say, cluster) if cluster else here(work, clock, say, progress):
        if ended.error:
            clock.skip(ended.work.card)
            if ended.error not in notes:
                notes.append(ended.error)
                say(f"{clock.place()} {ended.error}")
            continue
        scores.append(plan.file, ended.rows)
        jobs.forget(ended.work)
        clock.stop(ended.work.card)
        say(f"{clock.place()} {ended.line} · {clock.left()}")
    return notes


def here(work: list[Work], clock: "Clock", say: Print, progress: Callable[[str], None]) -> Iterator[Ended]:
    """Work done by this process, one piece after another; each task is loaded once."""
    for name, pieces in itertools.groupby(work, key=lambda one: one.task):
        try:
            task, reason = jobs.loaded(name, say), ""
        except InputError as error:
            task, reason = None, str(error)
        for one in pieces:
            clock.start()
            if task is None:
                yield Ended(one, error=reason)
                continue
            try:
                yield jobs.perform(one, task, lambda text: progress(f"{clock.place()} {text}"), say)
            except InputError as error:
                yield Ended(one, error=f"{one.card} on {one.task}: {error}")


def identity(plan: Plan, job: suites.Job) -> str:
    """The `settings` column of a job's rows."""
    return suites.canonical(job.card, job.options)


def missing_seeds(plan: Plan, job: suites.Job, known_rows: Iterable[Score]) -> list[int]:
    """Seeds of a job whose last checkpoint is not among the rows."""
    label, updates = identity(plan, job), counts(plan, job)[0]
    there = {
        row.seed
        for row in known_rows
        if (row.card, row.task, row.settings, row.update, row.episodes)
        == (job.card, job.task, label, updates, plan.episodes)
    }
    return [seed for seed in range(plan.seeds) if seed not in there]


def selected(plan: Plan) -> list[Score]:
    """The rows of `scores.csv` that belong to the plan as it stands: same settings, updates, episodes, seeds."""
    found_jobs = suites.jobs(plan.suite, plan.extra)
    wanted = {(job.card, job.task): identity(plan, job) for job in found_jobs}
    target = {(job.card, job.task): counts(plan, job)[0] for job in found_jobs}
    found = [
        row
        for row in stored(plan.file)
        if wanted.get((row.card, row.task)) == row.settings and row.episodes == plan.episodes and row.seed < plan.seeds
    ]
    ended = {(row.card, row.task, row.seed) for row in found if row.update == target[row.card, row.task]}
    reached = lambda row: row.update <= target[row.card, row.task]
    return [row for row in found if (row.card, row.task, row.seed) in ended and reached(row)]


def publish(
    found: list[Score], out: Path, notes: Iterable[str] = (), protocol: str | None = None, lines: Sequence[int] = ()
):
    """Write `leaderboard.md` and `scores.png` of the rows; returns the table of last checkpoints.

    Where runs gathered their own experience, `scores.png` is drawn against environment steps, and `clock.png` against
    seconds. protocol: of choosing checkpoints (`evaluation.checkpoints`), for both tables. lines: of the rows in their
    file. Pictures and published scores leave out cells that must not be averaged.
    """
    cautions = [note for name in sorted({row.suite for row in found}) for note in suites.remarks(name)]
    sound, key = faults.averaged(found), jax.random.key(0)
    beside = (published.remarks(sound), published.section(sound)) if sound else ([], "")
    notes = list(dict.fromkeys([*cautions, *notes, *beside[0]]))
    everything = tables.leaderboard(found, notes=notes, checkpoint=protocol or "both", key=key, lines=lines)
    (out / "leaderboard.md").write_text(tables.markdown(everything) + beside[1], encoding="utf-8")
    online = any(row.env_steps for row in found)
    for name, axis in {"scores.png": plots.STEPS if online else plots.UPDATES, "clock.png": plots.CLOCK}.items():
        if sound and (online or name == "scores.png"):
            plots.curves(sound, out / name, axis)
        else:
            (out / name).unlink(missing_ok=True)
    if protocol:
        return everything
    return tables.leaderboard(found, notes=notes, key=key, lines=lines)


class Clock:
    """Time left, from the seconds that jobs of each card took so far."""

    def __init__(self, cards: Iterable[str]):
        self._todo = Counter(cards)
        self._jobs = self._todo.total()
        self._spent: dict[str, list[float]] = {}
        self._from = 0.0

    def start(self) -> None:
        """A job begins."""
        self._from = time.perf_counter()

    def stop(self, card: str) -> None:
        """The job of a card ended."""
        self._spent.setdefault(card, []).append(time.perf_counter() - self._from)
        self.skip(card)

    def skip(self, *cards: str) -> None:
        """Jobs that took no time."""
        self._todo.subtract(cards)

    def place(self) -> str:
        """Jobs that are over, such as [3/20]."""
        return f"[{self._jobs - self._todo.total()}/{self._jobs}]"

    def left(self) -> str:
        """Time left, if a card's jobs take as long as before, and those of a card not yet seen as long as the mean."""
        if not self._todo.total():
            return "all runs finished"
        mean = {card: float(np.mean(seconds)) for card, seconds in self._spent.items()}
        other = float(np.mean(list(mean.values()) or [0.0]))
        seconds = sum(count * mean.get(card, other) for card, count in self._todo.items())
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"
