"""Following a sweep from outside: TensorBoard, Weights & Biases, MLflow, all behind one interface, none required."""

import dataclasses
import importlib
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jaxrl.core import hyper as records
from jaxrl.core.check import InputError, known
from jaxrl.experiment import Checkpoint
from jaxrl.store import labelled
from jaxrl.trackers.tracker import Tracker, diverged, first_line, measures, places

__all__ = ["KINDS", "Tracker", "check", "following", "measures", "members", "open"]

KINDS = {"tensorboard": "DIR", "wandb": "PROJECT", "mlflow": "DIR"}
"""What follows the colon in a tracker's specification."""


def check(spec: str) -> tuple[str, str]:
    """The kind of a tracker and its place, from "tensorboard:DIR", "wandb:PROJECT" or "mlflow:DIR"; InputError for
    another form."""
    kind, _, place = spec.partition(":")
    known("tracker", kind, KINDS)
    if not place.strip():
        raise InputError(f"tracker {spec!r} lacks its place; write it as {kind}:{KINDS[kind]}")
    return kind, place


def open(spec: str, name: str = "run", facts: Mapping[str, Any] = {}, members: Sequence[str] = ()) -> Tracker:
    """Begin to follow a sweep.

    spec: "tensorboard:DIR", "wandb:PROJECT" (offline unless WANDB_MODE says otherwise) or "mlflow:DIR" (or a tracking
    URI). name: the run's. facts: what is known of it beforehand. members: labels of the S members, default their
    numbers. `jaxrl.sweep(..., report=tracker.report)` sends every evaluation. Raises InputError for another spec, where
    its library is not installed, or where its place cannot be used.
    """
    kind, place = check(spec)
    begin = importlib.import_module(f"jaxrl.trackers.{kind}").begin
    clean = lambda text: re.sub(r"[^\w.+=,-]", "_", text)
    return begin(place, clean(name), facts, [clean(member) for member in members])


def members(hypers, seeds: int | Sequence[int]) -> list[str]:
    """Labels of a sweep's members, seeds fastest: "q_scale=1,seed=0", with the numbers that vary.

    hypers, seeds: as for `jaxrl.sweep`.
    """
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    numbers = [{}] if hypers is None else [dataclasses.asdict(one) for one in records.unstack(hypers)]
    return [f"{label},seed={seed}".lstrip(",") for label in labelled(numbers) for seed in seeds]


@contextmanager
def following(
    specs: Sequence[str], name: str = "run", facts: Mapping[str, Any] = {}, members: Sequence[str] = ()
) -> Iterator[Callable[[Checkpoint], None]]:
    """A context that opens several trackers and gives one `report` for `jaxrl.sweep`; they are ended with it.

    A tracker that fails on the way is dropped with a warning: training goes on.
    """
    for spec in (specs := list(dict.fromkeys(specs))):
        check(spec)
    trackers: dict[str, Tracker] = {}
    last: dict[str, Any] = {}
    outcomes: dict[int, tuple[float, bool]] = {}

    def attempt(spec: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # each library raises its own
            trackers.pop(spec, None)
            warnings.warn(f"tracker {spec} failed ({first_line(error)}) and is left out from here on", stacklevel=3)

    def report(checkpoint: Checkpoint) -> None:
        returns = checkpoint.returns.mean(-1).tolist()
        outcomes.update(zip(places(checkpoint), zip(returns, diverged(checkpoint), strict=True), strict=True))
        last["final_update"] = int(checkpoint.update)
        for spec, tracker in list(trackers.items()):
            attempt(spec, lambda tracker=tracker: tracker.report(checkpoint))

    try:
        for spec in specs:
            trackers[spec] = open(spec, name, facts, members)
        yield report
    except BaseException as error:
        last["failed"] = type(error).__name__
        raise
    finally:
        for spec, tracker in list(trackers.items()):
            attempt(spec, lambda tracker=tracker: tracker.end({**last, **_summary(list(outcomes.values()))}))


def _summary(outcomes: list[tuple[float, bool]]) -> dict[str, Any]:
    """What is told at the end of members' last (mean return, whether diverged)."""
    sound = [value for value, lost in outcomes if math.isfinite(value) and not lost]
    mean = {"final_return": sum(sound) / len(sound)} if sound else {}
    return {"final_diverged": sum(bool(lost) for _, lost in outcomes), **mean}
