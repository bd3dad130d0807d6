"""The generalization gap of offline learners: trained on some levels, chosen on others, tested on levels never seen.

Source: arXiv:2312.05742. Departures: `envs.proc_grid` in place of Procgen, a variant of it in place of a game; a
shortest-path expert in place of PPO; scores are 0 for random actions and 100 for the expert, for each variant.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from jaxrl import tasks
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Env, Policy, Reference, Task
from jaxrl.envs import proc_grid, scripted
from jaxrl.evaluation import bootstrap
from jaxrl.evaluation.aggregate import interquartile_mean
from jaxrl.evaluation.bootstrap import Interval
from jaxrl.protocols import conditions
from jaxrl.protocols.conditions import Outcomes

VALIDATION, TEST = 1_000_000, 2_000_000
"""The first validation level and the first test level; training levels count from 0."""
BEHAVIOURS = {"expert": 0.0, "suboptimal": 0.4}
"""Name -> probability of a random action in place of the expert's."""
VARIANTS = {
    "walls": {},
    "narrow": {"openness": 0.1},
    "hazards": {"hazards": 0.5},
    "keys": {"locked": 1.0},
    "keys and hazards": {"hazards": 0.5, "locked": 1.0},
}
"""Name -> what its levels are, as in `envs.proc_grid.Levels`; they share one compiled program."""


class LevelSplit(NamedTuple):
    """Numbers of levels, in which no level is twice: to train on, to choose checkpoints on, to test on."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def split(train: int = 200, validation: int = 50, test: int = 100) -> LevelSplit:
    """The first so many levels of three ranges that do not meet: a larger training set has the same tests.

    InputError for counts that are none, or that leave their range.
    """
    counts = {"training": train, "validation": validation, "test": test}
    for name, count in counts.items():
        if positive(f"{name} levels", count) > TEST - VALIDATION:
            raise InputError(f"{count} {name} levels would be among those of the next part; at most {VALIDATION}")
    starts = (0, VALIDATION, TEST)
    return checked(LevelSplit(*(tuple(range(at, at + n)) for at, n in zip(starts, counts.values(), strict=True))))


def checked(levels: LevelSplit) -> LevelSplit:
    """The split, if it is one; InputError for a level that is twice, none at all, or a number out of range."""
    parts: dict[int, str] = {}
    for name, numbers in levels._asdict().items():
        if not numbers:
            raise InputError(f"a split without {name} levels; give at least one")
        for number in numbers:
            if not 0 <= number < 2**32:
                raise InputError(f"{name} level {number} is none; levels are numbered from 0 to 2^32 - 1")
            if number in parts:
                raise InputError(f"level {number} is in {parts[number]} and in {name}; a level may be there once")
            parts[number] = name
    return levels


def environment(variant: str, levels: tuple[int, ...], size: int | None = None) -> Env:
    """A variant's environment that draws among these levels. size: length of the list, by repetition, so that lists of
    different levels share a compiled program; with as many of each as can be. InputError for an unknown variant."""
    numbers = VARIANTS[known("variant", variant, VARIANTS)]
    seeds = np.resize(np.asarray(levels, np.uint32), size or len(levels))
    kind = {name: np.float32(value) for name, value in {**KIND, **numbers}.items()}
    return tasks.known_environment("ProcGrid-v0")._replace(params=proc_grid.Levels(seeds, **kind))


KIND = proc_grid.Levels._field_defaults


def task(
    key, variant: str, levels: LevelSplit, *, steps: int = 20_000, behaviour: str = "expert", size: int | None = None
) -> Task:
    """Data of a behaviour on the training levels alone, so many steps in all; scores as on test levels.

    size: as for `environment`. InputError for a split that is none and for unknown names.
    """
    env = environment(variant, checked(levels).train, size)
    dataset = conditions.recorded(key, env, behaviours()[known("behaviour", behaviour, BEHAVIOURS)], steps)
    name = f"made/procgrid-{variant}-{behaviour}-v0".replace(" ", "-")
    return conditions.task(name, env, dataset, reference(variant, levels, size))


def reference(variant: str, levels: LevelSplit, size: int | None = None) -> Reference:
    """Mean returns of random actions and of the expert on the test levels."""
    return conditions.reference(environment(variant, levels.test, size), behaviours()["random"], behaviours()["expert"])


@functools.cache
def behaviours() -> dict[str, Policy]:
    """Policies by name, the same objects at every call: those of `BEHAVIOURS`, and random actions."""
    expert, spec = proc_grid.expert(), tasks.known_environment("ProcGrid-v0").spec
    noisy = {name: scripted.noisy(expert, spec, rate) for name, rate in BEHAVIOURS.items() if rate > 0}
    return {"expert": expert, "random": scripted.random(spec), **noisy}


def evaluated(card: str, task: Task, variant: str, levels: LevelSplit, size: int | None = None, **settings) -> Outcomes:
    """Train on the task's data, test on each part of the split at every checkpoint; settings: `conditions.evaluated`.

    The outcomes' conditions are "train", "validation" and "test".
    """
    parts = {name: environment(variant, part, size).params for name, part in checked(levels)._asdict().items()}
    return conditions.evaluated(card, task, parts, **settings)


def chosen(outcomes: Outcomes) -> np.ndarray:
    """Index of each seed's checkpoint, [K]: the first of those that are best on validation levels. Neither training
    nor test levels are looked at."""
    return outcomes.mean("validation").argmax(-1)


class Gap(NamedTuple):
    """Interquartile means over seeds and variants of normalized scores at the chosen checkpoints, and their intervals.

    train, validation, test; gap: train less test. test_interval, gap_interval: 95 %, None where there are too few runs;
    both sides of the gap are drawn apart, which makes its interval too wide rather than too narrow.
    scores: part -> [K, variants].
    """

    train: float
    validation: float
    test: float
    gap: float
    test_interval: Interval | None
    gap_interval: Interval | None
    scores: dict[str, np.ndarray]


def difference(first, second, weights=None, weights_second=None):
    """Interquartile mean of one matrix [runs, tasks] less that of another."""
    return interquartile_mean(first, weights) - interquartile_mean(second, weights_second)


def gap(key, found: Mapping[str, Outcomes], references: Mapping[str, Reference]) -> Gap:
    """What a learner loses from training levels to test levels, over variants; each normalized by its own reference.

    found, references: by variant. InputError where they are not of the same variants.
    """
    if found.keys() != references.keys() or not found:
        raise InputError(f"outcomes are of {sorted(found)} and references of {sorted(references)}; give the same")
    scores = {part: _columns(part, found, references) for part in LevelSplit._fields}
    train, validation, test = (float(interquartile_mean(scores[part])) for part in LevelSplit._fields)
    k_test, k_gap = jax.random.split(key)
    return Gap(
        train,
        validation,
        test,
        train - test,
        bootstrap.interval(k_test, scores["test"], resamples=10_000),
        bootstrap.interval(k_gap, (scores["train"], scores["test"]), difference, resamples=10_000),
        scores,
    )


def _columns(part: str, found: Mapping[str, Outcomes], references: Mapping[str, Reference]) -> np.ndarray:
    """Normalized scores at the chosen checkpoints, [K, variants]."""
    columns = []
    for variant, one in found.items():
        scores = references[variant].score(one.mean(part))
        columns.append(np.take_along_axis(scores, chosen(one)[:, None], 1)[:, 0])
    return np.stack(columns, 1)
