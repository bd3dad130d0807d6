"""Published D4RL scores as acceptance bands, which Minari set stands where which D4RL set stood, and online returns.

Returns of online learners are of the same tasks as ours and stand beside them. Bands go from the lowest to the highest
published mean, each widened by its standard deviation. They are of other data than Minari's, so they are shown apart
from our numbers and never beside them.
"""

import csv
import functools
from collections.abc import Iterable
from typing import NamedTuple

from jaxrl.core import paths
from jaxrl.evaluation import runs
from jaxrl.evaluation.scores import Score

FOLDER = "benchmarks/published"
CARDS = {
    "bc": "BC", "td3_bc": "TD3+BC", "awac": "AWAC", "cql": "CQL", "iql": "IQL", "rebrac": "ReBRAC", "sac_n": "SAC-N",
    "edac": "EDAC",
}  # fmt: skip
"""Card -> its algorithm's name in the bands."""
HEADING = "Published D4RL v2 bands (other data, for orientation only)"
SOURCES = (
    "C CORL (last checkpoint), U unifloral, K OfflineRL-Kit, J JAX-CORL, R ReBRAC's paper, A IQL's authors; "
    "† left out of the band as not trustworthy"
)


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


def table(name: str) -> list[dict[str, str]]:
    """Rows of a file in `benchmarks/published`, by column."""
    with (paths.shared(FOLDER) / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@functools.cache
def bands() -> tuple[Band, ...]:
    """All bands, in the file's order."""
    return tuple(Band(**{**row, "low": float(row["low"]), "high": float(row["high"])}) for row in table("bands"))


@functools.cache
def relations() -> tuple[Relation, ...]:
    """All Minari sets that are known to relate to D4RL, in the file's order."""
    sizes = ("transitions", "episodes")
    return tuple(
        Relation(**{**row, **{name: int(row[name]) if row[name] else None for name in sizes}})
        for row in table("minari")
    )


def counterpart(task: str) -> str:
    """D4RL id that a Minari id stands for, "" where there is none."""
    return next((row.d4rl_id for row in relations() if row.minari_id == task), "")


def corresponding(cells: Iterable[tuple[str, str]]) -> list[tuple[str, str, Band]]:
    """(card, task, band) of the cells (card, task) for whose D4RL counterpart there is a band, without repetitions."""
    known = {(band.dataset, band.algorithm): band for band in bands()}
    pairs = ((card, task, known.get((counterpart(task), CARDS.get(card, "")))) for card, task in dict.fromkeys(cells))
    return [(card, task, band) for card, task, band in pairs if band]


def remarks(scores: Iterable[Score]) -> list[str]:
    """A note on where the bands stand, none where no cell of the rows has one."""
    found = corresponding((row.card, row.task) for row in scores)
    if not found:
        return []
    return [
        f"Published D4RL v2 bands stand at the end of leaderboard.md ({len(found)} of these cells have one); they are "
        "of different data, and no number here is compared with them."
    ]


class Return(NamedTuple):
    """A published return of an online learner. env_steps, spread: None where not said; note: what differs from ours."""

    task: str
    card: str
    env_steps: int | None
    mean: float
    spread: float | None
    source: str
    note: str


@functools.cache
def returns() -> tuple[Return, ...]:
    """All published returns, in the file's order."""
    number = lambda text, kind: kind(text) if text else None
    numbers = {"env_steps": int, "mean": float, "spread": float}
    return tuple(
        Return(**{**row, **{name: number(row[name], kind) for name, kind in numbers.items()}})
        for row in table("online")
    )


def online_section(scores: Iterable[Score]) -> str:
    """Markdown of published returns beside those of the rows' cells, "" where there are none."""
    cells: dict[tuple[str, str], list[Score]] = {}
    for run in runs.complete(runs.runs(scores))[0]:
        if run.last.env_steps and runs.sound(run.last):
            cells.setdefault((run.key[1], run.key[2]), []).append(run.last)
    there = [one for one in returns() if (one.task, one.card) in cells]
    if not there:
        return ""
    lines = [
        "\n## Published returns of the same tasks\n",
        f"Returns as their authors report them ({FOLDER}/online.csv); budgets, tuning and the way of measuring differ, "
        "as noted. Ours: mean over seeds of the last checkpoint's deterministic episodes.\n",
        "| task | card | ours | at steps | published | at steps | by | note |",
        "|:-----|:-----|-----:|---------:|----------:|---------:|:---|:-----|",
    ]
    for one in there:
        rows = cells[one.task, one.card]
        mean = sum(row.return_mean for row in rows) / len(rows)
        said = f"{one.mean:g}" + (f" ± {one.spread:g}" if one.spread is not None else "")
        steps = f"{one.env_steps:,}" if one.env_steps else ""
        ours = f"{one.task} | {one.card} | {mean:.1f} | {rows[0].env_steps:,}"
        lines.append(f"| {ours} | {said} | {steps} | {one.source} | {one.note} |")
    return "\n".join(lines) + "\n"


def section(scores: Iterable[Score]) -> str:
    """Markdown of the bands of the rows' cells under their own heading, "" where there are none."""
    found = corresponding((row.card, row.task) for row in scores)
    if not found:
        return ""
    lines = [
        f"\n## {HEADING}\n",
        "**Different data:** the bands are of D4RL's v2 sets, the tables above of Minari's sets, which bear the same "
        "quality in their names but are new data on v5 bodies. The two are never compared silently: a number above "
        "that lies inside or outside a band says nothing about the implementation.\n",
        "Normalized score, from the lowest to the highest published mean, each widened by its standard deviation "
        f"({FOLDER}/bands.csv). Sources: {SOURCES}.\n",
        "| card | our data | published data | band | means of the sources |",
        "|:-----|:---------|:---------------|-----:|:---------------------|",
    ]
    lines += [f"| {card} | {task} | {b.dataset} | {b.low} … {b.high} | {b.sources} |" for card, task, b in found]
    return "\n".join(lines) + "\n"
