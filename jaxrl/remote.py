"""A suite's work on the machines of a cluster: where its checkpoints lie there, and how its runs come back."""

import itertools
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl import jobs
from jaxrl.cluster import Answer, Call, Cluster, free, mark, sees, spread
from jaxrl.core import paths
from jaxrl.core.check import InputError
from jaxrl.jobs import Ended, Work


class Brought(NamedTuple):
    """What a job brought: its rows and line, lines said on the way, and the files of its runs, where the folder of the
    results is not shared, by their paths in it."""

    rows: list
    line: str
    notes: list[str] = []
    files: dict[str, bytes] = {}


def pieces(work: list[Work], chunk: int | None) -> list[Work]:
    """The work with at most `chunk` seeds in a piece; None leaves it as it is."""
    parts = lambda one: [one.seeds[i : i + chunk] for i in range(0, len(one.seeds), chunk)] if chunk else [one.seeds]
    return [one._replace(seeds=seeds) for one in work for seeds in parts(one)]


def there(work: list[Work], clock: Any, say: Callable[[str], None], cluster: Cluster) -> Iterator[Ended]:
    """Work done on a cluster, in the order in which it ends; each task is loaded here, and sent to a machine once.

    clock: told when a wait begins. Raises InputError where the cluster cannot be reached, or is lost.
    """
    if not work:
        return
    clock.start()
    for answer in spread(perform, calls(work, say), cluster):
        one, brought = answer.tag, answer.value
        if brought is None:
            yield Ended(one, error=answer.error)
        else:
            for note in brought.notes:
                say(note)
            write(Path(one.folder), brought.files)
            yield Ended(one, brought.rows, brought.line)
        clock.start()


def calls(work: list[Work], say: Callable[[str], None]) -> Iterator[Call | Answer]:
    """A call for each piece; an answer for those of a task that cannot be loaded."""
    for name, same in itertools.groupby(work, key=lambda one: one.task):
        try:
            task = jobs.loaded(name, say)
        except InputError as error:
            yield from (Answer(one, error=str(error)) for one in same)
            continue
        for one in same:
            args = one._replace(folder=str(Path(one.folder).resolve())), mark(Path(one.folder))
            yield Call(one, f"{one.card} on {name}", task, args)


def perform(task, work: Work, text: str) -> Brought:
    """On the worker: do a piece, or go on where it was stopped on a machine that sees the same folder."""
    shared = sees(Path(work.folder), text)
    local = work if shared else work._replace(folder=str(own(work, text)))
    free(jobs.place(local))
    notes: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            ended = jobs.perform(local, task, lambda line: None, notes.append)
    except InputError as error:
        raise InputError(f"{work.card} on {work.task}: {error}") from error
    notes += [f"  note: {one.message}" for one in caught if issubclass(one.category, UserWarning)]
    files = {} if shared else collected(Path(local.folder))
    if not shared:
        shutil.rmtree(local.folder, ignore_errors=True)
    return Brought(ended.rows, ended.line, notes, files)


def own(work: Work, text: str) -> Path:
    """A folder of this machine alone, the same whenever the piece is begun here."""
    return paths.cache() / "cluster" / text / jobs.place(work).name


def collected(folder: Path) -> dict[str, bytes]:
    """Files of the runs in a folder, by their paths there."""
    files = [one for one in (folder / "runs").rglob("*") if one.is_file()]
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Files of runs, each run whole or not at all. InputError where they cannot be written."""
    runs = sorted({Path(name).parts[1] for name in files})
    try:
        for run in runs:
            aside = folder / "runs" / f".{run}.tmp"
            for name in (one for one in files if Path(one).parts[1] == run):
                file = aside.joinpath(*Path(name).parts[2:])
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(files[name])
            aside.rename(folder / "runs" / run)
    except OSError as error:
        raise InputError(f"runs cannot be written to {folder} ({error.strerror}); free space there") from error
