"""Our cells beside what others published about them, with every reason why the two are not the same measurement."""

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jaxrl.data.reference import references
from jaxrl.evaluation import aggregate, runs
from jaxrl.evaluation.published.files import Return, Row, bands, relations, returns, rows
from jaxrl.evaluation.scores import Score

CARDS = {
    "bc": "BC", "percent_bc": "10%BC", "td3_bc": "TD3+BC", "awac": "AWAC", "cql": "CQL", "iql": "IQL",
    "rebrac": "ReBRAC", "sac_n": "SAC-N", "edac": "EDAC", "dt": "DT", "mopo": "MOPO",
}  # fmt: skip
"""Card -> its algorithm's name in the tables of offline learners."""
FINETUNED = {"cal_ql": "Cal-QL", "cql_finetune": "CQL"}
"""Card -> its algorithm's name in the table of scores after fine-tuning."""
PAPER, CORL = "paper", "CORL"
NOTES = {
    "training return": "protocol",
    "tuned": "settings",
    "v2 body": "simulator",
    "v3 body": "simulator",
    "v4 body": "simulator",
    "MuJoCo Playground on MJWarp": "simulator",
}
"""What a published return's notes are about."""
ALIKE = "alike in name only, other policies on a v5 body, at most 200,000 steps"
EXTERNAL = re.compile(r"external/((?:hopper|halfcheetah)-[a-z-]+)-v\d+")


class Ours(NamedTuple):
    """Our side of a comparison: the last checkpoint of a cell's sound and complete runs.

    mean, error: mean and standard error over seeds, the error None for a single run. convention: their units, "d4rl"
    for D4RL's scale, "expert score" or "metadata score" for other references, "return". seeds: runs that were averaged.
    episodes: of each evaluation. updates, env_steps: of the last checkpoint; env_steps 0 where a card learns from data.
    """

    mean: float
    error: float | None
    convention: str
    seeds: int
    episodes: int
    updates: int
    env_steps: int


class Cited(NamedTuple):
    """A number of others. std: over seeds, None where not given. caution: why it is no anchor, "" where it may be."""

    source: str
    mean: float
    std: float | None
    caution: str


class Compared(NamedTuple):
    """One of our cells beside what was published under the same names; the two are never averaged or ranked together.

    task, card: the cell. settings: ours, "" unless the task was run with several settings of the card.
    dataset: the published dataset with its version, "hopper-medium-v2"; the task itself where it is an environment.
    published: what the authors of the algorithm report; None where their numbers are not in the tables. For an
    environment, one published return: several returns of one cell are several records.
    reruns: the same by others, CORL first. Empty for environments.
    ours: our mean with its error and units.
    difference: `ours.mean` less the anchor, which is `published`, else CORL's; None where nothing may be subtracted.
    marks: reasons why the two are not the same measurement, each "WHAT: text" with WHAT one of data, simulator,
    protocol, seeds, episodes, budget, settings, scale, anchor; never empty for a dataset, since none of ours is D4RL's.
    anchor: whether the authors' number, or else CORL's, is there and bears no caution; for returns, whether the one has
    none.
    band: from the lowest to the highest published mean, each widened by its standard deviation; None where unknown.
    """

    task: str
    card: str
    settings: str
    dataset: str
    published: Cited | None
    reruns: tuple[Cited, ...]
    ours: Ours
    difference: float | None
    marks: tuple[str, ...]
    anchor: bool
    band: tuple[float, float] | None


def counterpart(task: str) -> str:
    """D4RL id whose scores stand beside those of one of our datasets, "" where there is none.

    Minari's sets by `minari.csv`; `external/{hopper,halfcheetah}-*` by their names, which is all they share.
    """
    external = EXTERNAL.fullmatch(task)
    if external:
        return f"{external[1]}-v2"
    return next((row.d4rl_id for row in relations() if row.minari_id == task), "")


def compared(scores: Iterable[Score]) -> list[Compared]:
    """A record for each cell (card, task, settings) of the rows that others published a number for, in the rows' order.

    Ours are last checkpoints; runs that were cut short or diverged do not count. [] for no rows. Raises InputError for
    rows of several suites, and for a table of `benchmarks/published` that cannot be read.
    """
    scores = list(scores)
    found = runs.complete(runs.runs(scores))[0] if scores else []
    names = runs.labels(found)
    cells: dict[tuple[str, str, str], list[Score]] = {}
    for run in found:
        if runs.sound(run.last):
            _, task, card, settings, _ = run.key
            label = names[card, settings].removeprefix(card).strip()
            cells.setdefault((task, card, label), []).append(run.last)
    return [one for cell, last in cells.items() for one in (*_offline(cell, last), *_online(cell, last))]


def _offline(cell: tuple[str, str, str], last: list[Score]) -> list[Compared]:
    """The cell beside D4RL's scores, if there are any."""
    task, card, settings = cell
    dataset = counterpart(task)
    algorithm = FINETUNED.get(card) or CARDS.get(card, "")
    protocols = ("fine-tuned",) if card in FINETUNED else ("last", "unstated")
    there = [row for row in _by_name().get((dataset, algorithm), ()) if row.protocol in protocols]
    if not there:
        return []
    papers = [row for row in there if row.kind == PAPER]
    reruns = sorted((row for row in there if row.kind != PAPER), key=lambda row: row.source != CORL)
    anchors = [*papers, *(row for row in reruns if row.source == CORL)]
    anchor = next((row for row in anchors if not row.caution), None)
    ours = _scored(last)
    marks = (
        _data(task, dataset),
        *_simulator(last[0].environment, dataset),
        *_protocol(ours, anchor or there[0]),
        *(() if anchor else (_unanchored(anchors),)),
        *(() if ours.convention == "d4rl" else (f"scale: ours is the {ours.convention}, theirs D4RL's score",)),
    )
    band = next((one for one in bands() if (one.dataset, one.algorithm) == (dataset, algorithm)), None)
    return [
        Compared(
            task, card, settings, dataset,
            _cited(papers[0]) if papers else None,
            tuple(_cited(row) for row in reruns),
            ours,
            ours.mean - anchor.mean if anchor and ours.convention == "d4rl" else None,
            marks,
            anchor is not None,
            (band.low, band.high) if band and card not in FINETUNED else None,
        )
    ]  # fmt: skip


def _online(cell: tuple[str, str, str], last: list[Score]) -> list[Compared]:
    """The cell beside each published return of its environment and card."""
    task, card, settings = cell
    there = [one for one in returns() if (one.task, one.card) == (task, card) and last[0].env_steps]
    ours = _ours(last, [row.return_mean for row in last], "return")
    return [
        Compared(
            task, card, settings, task, Cited(one.source, one.mean, one.spread, one.caution), (), ours,
            None if one.caution else ours.mean - one.mean,
            _budget(ours, one), not one.caution, None,
        )
        for one in there
    ]  # fmt: skip


@functools.cache
def _by_name() -> dict[tuple[str, str], tuple[Row, ...]]:
    """{(dataset with version, algorithm): its rows}."""
    found: dict[tuple[str, str], tuple[Row, ...]] = {}
    for row in rows():
        key = row.name, row.algorithm
        found[key] = (*found.get(key, ()), row)
    return found


def _cited(row: Row) -> Cited:
    return Cited(row.source, row.mean, row.std, row.caution)


def _ours(last: list[Score], values: list[float], convention: str) -> Ours:
    """Mean and error of one number a run."""
    numbers = np.asarray(values, np.float64)
    error = float(aggregate.standard_error(numbers, 0)) if len(values) > 1 else None
    row = last[0]
    return Ours(float(numbers.mean()), error, convention, len(last), row.episodes, row.update, row.env_steps)


def _scored(last: list[Score]) -> Ours:
    """Our side on D4RL's scale where the returns can be put on it, else on the scale that ranks, else the return."""
    classic = [_d4rl(row) for row in last]
    if None not in classic:
        return _ours(last, [value for value in classic if value is not None], "d4rl")
    ranking = [row.score for row in last if row.score is not None]
    if len(ranking) == len(last) and len({row.score_convention for row in last}) == 1:
        return _ours(last, ranking, f"{last[0].score_convention} score")
    return _ours(last, [row.return_mean for row in last], "return")


def _d4rl(row: Score) -> float | None:
    """The row's score by D4RL's references: as stored, else from its return where the registry has the set's pair."""
    if row.score_d4rl is not None:
        return row.score_d4rl
    if row.score_convention == "d4rl":
        return row.score
    pair = next((one for one in references(row.task, {}, "") if one.convention == "d4rl"), None)
    return None if pair is None else float(pair.score(row.return_mean))


def _data(task: str, dataset: str) -> str:
    """What our data is, since it is never D4RL's own."""
    if EXTERNAL.fullmatch(task):
        return f"data: {task}, not D4RL's {dataset}: {ALIKE}"
    relation = next(row.relation for row in relations() if row.minari_id == task)
    return f"data: Minari's {task}, not D4RL's {dataset}: {relation.removesuffix('; not D4RL v2')}"


def _simulator(environment: str, dataset: str) -> tuple[str, ...]:
    """In which body or environment ours was evaluated, where it is not D4RL's: Gym's v2 bodies for locomotion."""
    body = re.fullmatch(r"(?:Hopper|HalfCheetah|Walker2d)-v(\d+)", environment)
    if body:
        return () if body[1] == "2" else (f"simulator: v{body[1]} against v2 bodies",)
    return (f"simulator: {environment} against D4RL's environment of {dataset}",)


def _protocol(ours: Ours, row: Row) -> tuple[str, ...]:
    """Checkpoint, length of training, seeds and episodes, where they differ from the row's or the row does not say."""
    said = f"{row.updates:,}" if row.updates else "an unstated number"
    when = "" if row.protocol == "last" else f" ({row.protocol} checkpoint)"
    marks = []
    if row.protocol == "fine-tuned":
        marks.append(f"protocol: {ours.env_steps:,} environment steps of fine-tuning against an unstated number")
    elif row.updates != ours.updates or when:
        marks.append(f"protocol: last of {ours.updates:,} updates against {said}{when} by {row.source}")
    for what, mine, theirs in (("seeds", ours.seeds, row.seeds), ("episodes", ours.episodes, row.episodes)):
        if mine != theirs:
            marks.append(f"{what}: {mine} against {theirs or 'an unstated number'} by {row.source}")
    return tuple(marks)


def _unanchored(anchors: list[Row]) -> str:
    """Why no number is held against ours."""
    reasons = "; ".join(f"{row.source}: {row.caution}" for row in anchors)
    return f"anchor: none, {reasons or 'neither the authors nor CORL are in the tables'}"


def _budget(ours: Ours, one: Return) -> tuple[str, ...]:
    """Environment steps, where they differ from ours, and what the table notes."""
    marks = [f"{NOTES.get(note, 'note')}: {note}" for note in one.note.split(", ") if note]
    if one.env_steps != ours.env_steps:
        theirs = f"{one.env_steps:,}" if one.env_steps else "an unstated number"
        marks.insert(0, f"budget: {ours.env_steps:,} environment steps against {theirs}")
    return (*marks, *((f"anchor: none, {one.caution}",) if one.caution else ()))
