"""What a tune tried so far, in its folder: `tune.json` to go on from, `trials.csv` and `tuned.toml` for people."""

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl.core import files
from jaxrl.core.check import InputError
from jaxrl.suites import show
from jaxrl.train.keeper import differences

FORMAT = 1


class Entry(NamedTuple):
    """What a trial had come to at a rung, over its seeds.

    value: mean of normalized scores, of returns where the task has no reference; None where a seed diverged.
    diverged: how many seeds did. part: what broke first. parent: the trial whose place it took before this rung; -1
    for its own.
    """

    trial: int
    batch: int
    rung: int
    updates: int
    values: dict[str, Any]
    value: float | None
    diverged: int = 0
    part: str = ""
    parent: int = -1

    @property
    def rank(self) -> float:
        """Its value, or minus infinity where it has none."""
        return -float("inf") if self.value is None else self.value


class Log:
    """The file of a tune under way. identity: what a tune has to share with it to go on from it, as JSON has it.

    Raises InputError where the file is of another tune, or cannot be read or written.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], names: list[str]):
        self.folder, self._names = folder, names
        self._identity = {"format": FORMAT, **identity}
        self.proposals: list[list[dict[str, Any]]] = []
        self.entries: list[Entry] = []
        self.batches = 0
        if self._file.exists():
            self._read()

    @property
    def _file(self) -> Path:
        return self.folder / "tune.json"

    def _read(self) -> None:
        try:
            table = json.loads(self._file.read_text(encoding="utf-8"))
            identity, self.proposals, self.batches = table["identity"], table["proposals"], table["batches"]
            self.entries = [Entry(**one) for one in table["entries"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._file} cannot be read ({error}); delete it, or choose another --out") from None
        found = differences(identity, self._identity)
        if found:
            raise InputError(
                f"{self.folder} holds another tune: {'; '.join(found)}; give the same settings, or choose another --out"
            )

    def propose(self, values: list[dict[str, Any]]) -> None:
        """A batch's trials, before the first of them is trained."""
        self.proposals.append(values)
        self._write()

    def add(self, entries: list[Entry]) -> None:
        """What trials of a batch came to at a rung; kept in `trials.csv` at once."""
        self.entries += entries
        files.write(self.folder / "trials.csv", self._csv())

    def close(self) -> None:
        """A batch is over."""
        self.batches += 1
        self._write()

    def _write(self) -> None:
        ended = [one._asdict() for one in self.entries if one.batch < self.batches]
        table = {
            "identity": self._identity, "batches": self.batches, "proposals": self.proposals, "entries": ended,
        }  # fmt: skip
        files.write(self._file, json.dumps(table, indent=1))

    def _csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["trial", "batch", "rung", "updates", *self._names, "value", "diverged", "part", "parent"])
        for one in self.entries:
            numbers = [exact(one.values[name]) for name in self._names]
            value = "" if one.value is None else repr(one.value)
            parent = "" if one.parent < 0 else one.parent
            writer.writerow(
                [one.trial, one.batch, one.rung, one.updates, *numbers, value, one.diverged, one.part, parent]
            )
        return out.getvalue()


def exact(value: Any) -> str:
    """A setting's value as TOML has it, to the last digit."""
    return show(value) if isinstance(value, bool) else repr(value)


def suite(card: str, task: str, options: dict[str, Any], notes: list[str], **counts: int) -> str:
    """A suite of that card on that task with those options, as `bench` reads it."""
    quoted = lambda text: json.dumps(text, ensure_ascii=False)
    lines = [
        f"# Written by `jaxrl tune`. {notes[0]}",
        f"title = {quoted(f'{card} on {task}, tuned')}",
        f"tasks = [{quoted(task)}]",
        f"cards = [{quoted(card)}]",
        *(f"{name} = {value}" for name, value in counts.items()),
        f"notes = [{', '.join(map(quoted, notes))}]",
        "",
        f"[card.{quoted(card)}]",
        *(f"{name} = {exact(value)}" for name, value in options.items()),
    ]
    return "\n".join(lines) + "\n"
