"""The tables of `benchmarks/published`: scores and returns of others, bands, and which Minari set stands for which.

Every table is read as a whole and checked: an unknown source, kind or protocol, and a number that is missing, are
InputErrors that name file and line.
"""

import csv
import functools
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args

from jaxrl.core import paths
from jaxrl.core.check import InputError, known

FOLDER = "benchmarks/published"
TABLES = ("corl", "unifloral", "jax-corl", "offlinerl-kit", "rebrac", "iql")
"""Files of rows, in the order in which they are shown."""
SOURCES = {
    "CORL": "corl-team/CORL, README: 4 seeds, last of 1,000,000 updates (SAC-N and EDAC 3,000,000, DT 100,000), "
    "10 episodes (100 on AntMaze)",
    "unifloral": "unifloral paper, appendix G: 5 seeds, 1,000 episodes at the end; from a text conversion of the paper "
    "in which three rows were shifted and have been put back",
    "JAX-CORL": "JAX-CORL, README: 5 seeds, 5 episodes",
    "OfflineRL-Kit": "OfflineRL-Kit, README: 4 seeds",
    "ReBRAC paper": "arXiv:2305.09836, tables 2 to 4: tuned on 4 seeds, reported on 10 others, last checkpoint",
    "IQL authors": "IQL's authors, as the README of gwthomas/IQL-PyTorch lists them",
    "IQL-PyTorch": "an independent port, README of gwthomas/IQL-PyTorch: 3 seeds",
}
"""Source of a row -> where it is printed, and how it was measured as far as that is said."""
KINDS = ("paper", "rerun")
"""By the authors of the algorithm, or by others."""
PROTOCOLS = ("last", "best", "pre-trained", "fine-tuned", "unstated")
"""The checkpoint: "best" is chosen by the evaluations that it is judged by, the next two lie around online training."""
ONLINE = ("CleanRL", "rl-baselines3-zoo", "SLM-Lab", "Brax")
"""Sources of returns."""
ROWS = {"source": SOURCES, "kind": KINDS, "protocol": PROTOCOLS}
"""What the columns of rows may hold."""


class Row(NamedTuple):
    """A published normalized score, D4RL's scale. std: over seeds. None and "" where the source does not say.

    episodes: of each evaluation, and so part of what std holds. caution: why the number is no anchor, or whose it is.
    """

    dataset: str
    dataset_version: str
    algorithm: str
    source: str
    kind: str
    protocol: str
    updates: int | None
    seeds: int | None
    episodes: int | None
    mean: float
    std: float | None
    caution: str

    @property
    def name(self) -> str:
        """Dataset with its version, "hopper-medium-v2"."""
        return f"{self.dataset}-{self.dataset_version}"


class Band(NamedTuple):
    """Normalized scores within which the literature agrees with itself. sources: their means, as "C 48.1; U† 63.9"."""

    dataset: str
    algorithm: str
    low: float
    high: float
    sources: str

    @property
    def excluded(self) -> tuple[str, ...]:
        """Letters of the sources that the band leaves out."""
        return tuple(text.split("†")[0] for text in self.sources.split("; ") if "†" in text)


class Relation(NamedTuple):
    """A Minari id (or pattern of ids) and the D4RL id that it stands for, "" for none. Sizes are None where unknown."""

    minari_id: str
    d4rl_id: str
    transitions: int | None
    episodes: int | None
    references: str
    relation: str


class Return(NamedTuple):
    """A published return of an online learner. env_steps, spread: None where not said; note: what differs from ours.

    caution: why it is no anchor, "" where it may be one.
    """

    task: str
    card: str
    env_steps: int | None
    mean: float
    spread: float | None
    source: str
    note: str
    caution: str


Record = TypeVar("Record", Row, Band, Relation, Return)


def read(path: Path, record: type[Record], names: Mapping[str, Collection[str]] = {}) -> tuple[Record, ...]:
    """Records of a file, in its order. names: column -> what it may hold.

    Raises InputError for another header, an unknown name, or a number that is missing or none.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != record._fields:
            raise InputError(f"{path}, line 1: the columns are {reader.fieldnames}; write {','.join(record._fields)}")
        return tuple(_record(f"{path}, line {reader.line_num}", line, record, names) for line in reader)


def _record(where: str, line: dict, record: type[Record], names: Mapping[str, Collection[str]]) -> Record:
    """One line as a record; where: file and line."""
    if len(line) != len(record._fields) or None in line.values():
        raise InputError(f"{where}: a row has {len(record._fields)} cells; correct or delete that line")
    try:
        for column, allowed in names.items():
            known(column, line[column], allowed)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    kinds = record.__annotations__
    return record(**{column: _value(where, column, text, kinds[column]) for column, text in line.items()})


def _value(where: str, column: str, text: str, kind: Any) -> Any:
    """A cell as what its column holds."""
    if kind is str:
        return text
    kinds = get_args(kind) or (kind,)
    if not text and NoneType in kinds:
        return None
    try:
        number = kinds[0](text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (column in ("std", "spread") and number < 0):
        raise InputError(f"{where}: {column} is {text!r}; write the number that the source prints")
    return number


def _shared(name: str) -> Path:
    return paths.shared(FOLDER) / f"{name}.csv"


@functools.cache
def rows() -> tuple[Row, ...]:
    """All published scores, table by table."""
    return tuple(row for name in TABLES for row in read(_shared(name), Row, ROWS))


@functools.cache
def bands() -> tuple[Band, ...]:
    """All bands, in the file's order."""
    return read(_shared("bands"), Band)


@functools.cache
def relations() -> tuple[Relation, ...]:
    """All Minari sets that are known to relate to D4RL, in the file's order."""
    return read(_shared("minari"), Relation)


@functools.cache
def returns() -> tuple[Return, ...]:
    """All published returns, in the file's order."""
    return read(_shared("online"), Return, {"source": ONLINE})
