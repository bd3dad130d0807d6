"""Every file of scores under a folder, as one board a suite: what a report is made from."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxrl.core.check import InputError
from jaxrl.evaluation import scores
from jaxrl.evaluation.scores import Score

FILE = "scores.csv"


class Board(NamedTuple):
    """A suite's rows in one file. label: the suite's name, with the folder's where several files have that suite.

    digest: the first 12 hexadecimal digits of the file's SHA-256. lines: of the scores in the file. notes: what is
    wrong with other lines of it.
    """

    label: str
    suite: str
    file: Path
    digest: str
    scores: tuple[Score, ...]
    lines: tuple[int, ...]
    notes: tuple[str, ...] = ()


def found(folder: str | os.PathLike) -> tuple[list[Board], list[str]]:
    """Boards in order of their files, and lines on files that cannot be read.

    folder: where a scores.csv lies, or several in folders below it. Raises InputError where no file there can be read.
    """
    folder, complaints = Path(folder), []
    boards: list[Board] = []
    if not folder.is_dir():
        raise InputError(f"folder {folder} does not exist; give the folder of a bench's results, such as results/quick")
    files = sorted(_files(folder))
    for file in files:
        try:
            boards += _boards(file)
        except InputError as error:
            complaints.append(str(error))
    if not boards:
        raise InputError(
            complaints[0] if complaints else f"there is no {FILE} in {folder}, nor below; run `jaxrl bench` first"
        )
    return _labelled(boards, folder), complaints


def _files(folder: Path) -> Iterator[Path]:
    for place, names, inside in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        if FILE in inside:
            yield Path(place) / FILE


def _boards(file: Path) -> list[Board]:
    """A file's rows by suite; InputError for a file without any."""
    sheet = scores.sheet(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    suites: dict[str, list[tuple[Score, int]]] = {}
    for row, line in zip(sheet.rows, sheet.lines, strict=True):
        suites.setdefault(row.suite, []).append((row, line))
    if not suites:
        raise InputError(f"{file} holds no scores; run `jaxrl bench` first")
    broken = tuple(sheet.broken.values())
    return [
        Board(name, name, file, digest, tuple(row for row, _ in rows), tuple(line for _, line in rows), broken)
        for name, rows in suites.items()
    ]


def _labelled(boards: list[Board], folder: Path) -> list[Board]:
    """Labels that tell all boards apart."""
    several = {board.suite for board in boards if sum(one.suite == board.suite for one in boards) > 1}
    place = lambda board: board.file.parent.relative_to(folder).as_posix()
    return [
        board._replace(label=f"{board.suite} ({place(board)})") if board.suite in several else board for board in boards
    ]
