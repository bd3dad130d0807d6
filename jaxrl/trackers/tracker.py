"""What a tracker is, and what of a checkpoint is sent to it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.experiment import Checkpoint

Numbers = Mapping[str, np.ndarray]
"""Figures by name: [S], one for each member, or [] for the whole call. What is not finite is left out."""

MEAN = "mean"
"""Stands for all members where their mean is shown."""


class Tracker(NamedTuple):
    """Follows one sweep.

    log(update, numbers, places): figures after so many updates of the members at these places [S] in the sweep, all of
    them or a chunk. end(facts): no more will come.
    """

    log: Callable[[int, Numbers, Sequence[int]], None]
    end: Callable[[Mapping[str, Any]], None]

    def report(self, checkpoint: Checkpoint) -> None:
        """Log an evaluation: the `report` of `jaxrl.sweep`."""
        self.log(int(checkpoint.update), measures(checkpoint), places(checkpoint))


def places(checkpoint: Checkpoint) -> list[int]:
    """Where a checkpoint's members stand in the sweep, [S]."""
    stated = checkpoint.places
    return list(range(len(checkpoint.returns))) if stated is None else [int(place) for place in stated]


def diverged(checkpoint: Checkpoint) -> np.ndarray:
    """Which members had diverged, [S] bool."""
    broken = ~np.asarray(checkpoint.finite)
    return broken if checkpoint.diverged is None else broken | (np.asarray(checkpoint.diverged) >= 0)


def measures(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """A checkpoint's figures: mean returns, success, divergence and mean losses by part, [S]; seconds by kind, []."""
    figures = {"return": checkpoint.returns.mean(-1), "diverged": diverged(checkpoint)}
    if checkpoint.success is not None:
        figures["success"] = checkpoint.success.mean(-1)
    leaves = jax.tree_util.tree_leaves_with_path(checkpoint.metrics)
    losses = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    seconds = {f"seconds/{name}": value for name, value in checkpoint.seconds.items()}
    return {name: np.asarray(value, float) for name, value in {**figures, **losses, **seconds}.items()}


def by_member(numbers: Numbers, members: Sequence[str], places: Sequence[int]) -> dict[str, dict[str, float]]:
    """Finite figures as label -> name -> value; under MEAN those of the whole call, and means where all are there.

    members: labels of the whole sweep's members, or none for their numbers.
    """
    labels = [members[place] if members else str(place) for place in places]
    whole = not members or len(places) == len(members)
    table: dict[str, dict[str, float]] = {MEAN: {}}
    for name, values in numbers.items():
        if values.ndim == 0:
            table[MEAN][name] = float(values)
            continue
        found = [(label, float(value)) for label, value in zip(labels, values, strict=True) if np.isfinite(value)]
        for label, value in found:
            table.setdefault(label, {})[name] = value
        if found and whole:
            table[MEAN][name] = sum(value for _, value in found) / len(found)
    return table


def flat(numbers: Numbers, members: Sequence[str], places: Sequence[int]) -> dict[str, float]:
    """The same as `name/label` -> value; figures of the whole call keep their names."""
    return {
        name if numbers[name].ndim == 0 else f"{name}/{label}": value
        for label, figures in by_member(numbers, members, places).items()
        for name, value in figures.items()
    }


def missing(extra: str) -> InputError:
    """The complaint where a tracker's library is not installed."""
    return InputError(f"tracker {extra} is not installed; install it with: pip install 'jaxrl-suite[{extra}]'")


def first_line(error: Exception) -> str:
    """What an error says, short."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
