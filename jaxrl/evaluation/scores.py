"""The file that every table is made from: one row a run and checkpoint."""

import csv
import io
import os
import re
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from jaxrl.core.check import InputError


class Score(NamedTuple):
    """One evaluation of one run.

    settings: what differs from the card's defaults, "q_scale=4 width=128", "" for none. update: updates so far.
    env_steps: environment steps that the run learned from so far, 0 where it learns from data.
    return_mean, return_std: of undiscounted returns over `episodes`. score: normalized by the reference that
    `score_convention` names, None where there is none; score_d4rl: the D4RL-compatible one, None where unknown.
    success: share of episodes that reached their goal, in percent, None where the environment has none.
    diverged: 1 where the parameters, or the actions, were no longer finite; the run ends there.
    Seconds are this run's share (those of the compiled call, divided by its runs) since the checkpoint before, so that
    sums over rows are totals. versions: "jax=0.10.2;numpy=2.4.6".
    """

    suite: str
    task: str
    card: str
    settings: str
    seed: int
    update: int
    env_steps: int
    return_mean: float
    return_std: float
    score: float | None
    score_convention: str
    score_d4rl: float | None
    success: float | None
    episodes: int
    diverged: int
    compile_seconds: float
    train_seconds: float
    evaluate_seconds: float
    dataset_hash: str
    environment: str
    environment_version: str
    device: str
    precision: str
    versions: str
    commit: str


RunKey = tuple[str, str, str, str, int]
"""(suite, task, card, settings, seed): what makes a run."""
HEADER = ",".join(Score._fields)
_OPTIONAL = {"score", "score_d4rl", "success"}
_NUMBERS = {name: kind for name, kind in Score.__annotations__.items() if kind in (int, float)}


def run_key(row: Score) -> RunKey:
    """The run that a row belongs to."""
    return row.suite, row.task, row.card, row.settings, row.seed


def append(path: str | os.PathLike, rows: Iterable[Score]) -> None:
    """Write rows at the end of the file in one go, under a lock; folder, file and header are made where missing.

    Either all rows are in the file afterwards, or none. Raises InputError for a file with another header or a broken
    last line, and for a place that cannot be written.
    """
    path, text = Path(path), "".join(_line(row) for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            before = os.fstat(file).st_size
            if before:
                _check_ends(path, file, before)
            _write(file, text if before else HEADER + "\n" + text, before)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; choose a folder that can be written with --out"
        ) from None


class Sheet(NamedTuple):
    """What a file holds. rows: those that can be read, in file order; lines: the line of each, counted from 1.

    broken: the lines that are no rows, each with a sentence that names it and the remedy; empty for a sound file.
    """

    rows: tuple[Score, ...]
    lines: tuple[int, ...]
    broken: dict[int, str]


def sheet(path: str | os.PathLike) -> Sheet:
    """All rows that can be read, with their lines, and which lines cannot; InputError for a file that is none of ours.

    For tables and reports, which show what there is and name the rest. What goes on writing uses `read` and `repair`.
    """
    lines = _lines(path)
    _check_header(path, lines[0] if lines else "")
    found = {number: _parse(line) for number, line in enumerate(lines[1:], start=2)}
    good = {number: row for number, row in found.items() if row is not None}
    inside = "not a row of scores; correct or delete that line"
    last = "the last line is cut off; run again to repair it, or delete it"
    broken = {
        number: f"{path}, line {number}: {last if number == len(lines) else inside}"
        for number in found
        if number not in good
    }
    return Sheet(tuple(good.values()), tuple(good), broken)


def read(path: str | os.PathLike, strict: bool = True) -> list[Score]:
    """All rows in file order. A broken last line is an InputError, or is skipped where `strict` is false."""
    found = sheet(path)
    end = max(*found.lines, *found.broken, 0, 0)
    for number, said in found.broken.items():
        if strict or number < end:
            raise InputError(said)
    return list(found.rows)


def repair(path: str | os.PathLike) -> int:
    """Drop the last line if it is broken, as after a crash in mid-write. Returns the number of bytes dropped.

    A file that is not there needs no repair. Raises InputError for a file that is not one of scores.
    """
    path = Path(path)
    if not path.exists():
        return 0
    try:
        with _locked(path, os.O_RDWR) as file:
            data = path.read_bytes()
            start = data.rfind(b"\n", 0, -1) + 1
            last = data[start:].decode(errors="replace")
            if start or not HEADER.startswith(last):
                _check_header(path, data.split(b"\n", 1)[0].decode(errors="replace"))
            sound = last == HEADER + "\n" or _parse(last) is not None
            dropped = 0 if sound else len(data) - start
            os.ftruncate(file, len(data) - dropped)
            os.fsync(file)
            return dropped
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; make it writable, or give --out") from None


def finished(rows: Iterable[Score], updates: int) -> set[RunKey]:
    """Runs that need not go on: evaluated after `updates` updates, or diverged before."""
    return {run_key(row) for row in rows if row.update == updates or (row.diverged and row.update <= updates)}


def _line(row: Score) -> str:
    values = []
    for name, value in row._asdict().items():
        kind = float if name in _OPTIONAL else _NUMBERS.get(name, str)
        text = "" if value is None else repr(kind(value)) if kind is not str else value
        if "\n" in text or "\r" in text:
            raise InputError(f"scores: {name} is {text!r}; it must be one line")
        values.append(text)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()


def _parse(line: str) -> Score | None:
    """The row in a line; None if it is cut off or malformed."""
    values = next(csv.reader([line]), [])
    if not line.endswith("\n") or len(values) != len(Score._fields):
        return None
    try:
        return Score(*(_value(name, text) for name, text in zip(Score._fields, values, strict=True)))
    except ValueError:
        return None


def _value(name: str, text: str):
    if name in _OPTIONAL:
        return float(text) if text else None
    return _NUMBERS.get(name, str)(text)


def _lines(path) -> list[str]:
    try:
        text = Path(path).read_bytes().decode(errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; run `jaxrl bench` first") from None
    return [line for line in re.split(r"(?<=\n)", text.replace("\r\n", "\n")) if line]


def _check_header(path, line: str) -> None:
    if line.strip() != HEADER:
        raise InputError(f"{path} has another header than this version writes; move it away, or give another --out")


def _check_ends(path: Path, file: int, size: int) -> None:
    head = os.pread(file, len(HEADER) + 2, 0).decode(errors="replace")
    _check_header(path, head.split("\n")[0])
    if os.pread(file, 1, size - 1) != b"\n":
        raise InputError(f"{path}: the last line is cut off; repair it before adding rows")


def _write(file: int, text: str, before: int) -> None:
    data = text.encode()
    try:
        written = os.write(file, data)
        if written < len(data):
            raise OSError(f"only {written} of {len(data)} bytes fitted")
        os.fsync(file)
    except OSError:
        os.ftruncate(file, before)
        raise


@contextmanager
def _locked(path: Path, flags: int):
    """File descriptor under an exclusive lock, where the system has locks."""
    file = os.open(path, flags, 0o644)
    try:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except ImportError:
            pass
        yield file
    finally:
        os.close(file)
