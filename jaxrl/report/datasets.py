"""What the datasets behind the scores are like, measured here where a dataset is on this machine."""

import contextlib
import json
import re
from collections.abc import Callable
from typing import NamedTuple

from jaxrl.core import files, paths
from jaxrl.core.check import InputError
from jaxrl.evaluation.runs import Run
from jaxrl.measures import report as measures
from jaxrl.measures.report import Measure
from jaxrl.report.facts import Facts

FORMAT = 1
"""Of the kept measures; one more when their meaning changes."""
MOST = 2_000_000
"""Steps of a dataset that is measured for a page; larger ones are left to `jaxrl data report`."""


class Described(NamedTuple):
    """A dataset and its measures. missing: why there are none, "" where there are; notes: what weakens them."""

    id: str
    hashes: tuple[str, ...]
    measures: tuple[Measure, ...] = ()
    missing: str = ""
    notes: tuple[str, ...] = ()


def described(facts: list[Facts], say: Callable[[str], None], measured: bool = True) -> list[Described]:
    """Every dataset that runs learned from, in order of appearance. say: progress; measured: False leaves them out."""
    hashes: dict[str, dict[str, None]] = {}
    for run in (run for one in facts for run in one.runs):
        if logged(run):
            hashes.setdefault(run.key[1], {})[run.last.dataset_hash] = None
    out = []
    for name, seen in hashes.items():
        if measured:
            say(f"measuring {name}")
            out.append(_described(name, tuple(seen)))
        else:
            out.append(Described(name, tuple(seen), missing="not measured: --no-measures was given"))
    return out


def logged(run: Run) -> bool:
    """Whether a run learned from a dataset."""
    return bool(run.last.dataset_hash)


def _described(name: str, hashes: tuple[str, ...]) -> Described:
    """The dataset's measures, or why there are none."""
    from jaxrl import forge, tasks
    from jaxrl.data.local import find, replay_twin

    plain = name.split("+")[0]
    try:
        if find(plain) is None:
            known = "embedded" if plain in forge.recipes() else "trained" if plain.startswith("trained/") else ""
            remedy = f"`jaxrl data build {plain}` makes it" if known else f"`minari download {plain}` may bring it"
            return Described(name, hashes, missing=f"not on this machine; {remedy}, then report again")
        task = tasks.load(name, download=False)
        replay = replay_twin(name)
        twin = tasks.load(replay, download=False) if replay else None
        size = len(task.dataset.last)
        if size > MOST:
            said = f"{size:,} steps are too many to measure for a page; see `jaxrl data report {name}`"
            return Described(name, hashes, missing=said)
        beside = measures.Replay(replay, twin.dataset) if twin else None
        pair = next(iter(task.references), None)
        place = f"{task.version}-{twin.version if twin else 'none'}-{pair.convention if pair else 'none'}"
        context = measures.Context(task.dataset, pair, beside)
        found = tuple(_kept(place, lambda: measures.report(context)))
    except (InputError, OSError, ValueError) as error:
        return Described(name, hashes, missing=f"cannot be measured: {' '.join(str(error).split())}")
    other = [one for one in hashes if one != task.version]
    notes = [f"the data here have the hash {task.version}, runs used {', '.join(other)}"] if other else []
    return Described(name, hashes, found, notes=tuple(notes))


def _kept(place: str, compute: Callable[[], list[Measure]]) -> list[Measure]:
    """Measures kept from an earlier report of the same arrays, else computed now."""
    file = paths.cache() / "measures" / f"{FORMAT}-{re.sub(r'[^A-Za-z0-9-]', '_', place)}.json"
    try:
        return [Measure(**one) for one in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        pass
    found = compute()
    with contextlib.suppress(InputError):  # a cache that cannot be written is no reason to give up
        files.write(file, json.dumps([one._asdict() for one in found]))
    return found
