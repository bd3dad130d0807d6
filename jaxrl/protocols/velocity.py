"""D5RL's tests between and beyond the speeds of the data (arXiv:2408.08441), on a point mass that circles.

Speeds to test are kept out of the data: every task made here is checked for them, by hashes of the speeds asked for.
Departures: a point mass in place of the A1 quadruped; a score for each speed, so that harder speeds do not count as
worse generalization: 0 for random actions at that speed, 100 for the expert.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxrl import tasks
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Env, Policy, Reference, Task
from jaxrl.envs import scripted, tracking
from jaxrl.protocols import conditions
from jaxrl.protocols.conditions import Outcomes, check_apart, hashes

SPEEDS = (0.2, 0.4, 0.8, 1.0)


class Speeds(NamedTuple):
    """kind: "interpolation" or "extrapolation". train: speeds of the data; held_out: those to test."""

    kind: str
    train: tuple[float, ...]
    held_out: tuple[float, ...]


def interpolation(train: Sequence[float] = SPEEDS, held_out: Sequence[float] = (0.6,)) -> Speeds:
    """Tests between the data's speeds; InputError for one outside of them, or among them."""
    return _speeds("interpolation", train, held_out, lambda one: min(train) < one < max(train))


def extrapolation(train: Sequence[float] = SPEEDS, held_out: Sequence[float] = (1.4,)) -> Speeds:
    """Tests above or below all of the data's speeds; InputError for one within them."""
    return _speeds("extrapolation", train, held_out, lambda one: not min(train) <= one <= max(train))


def _speeds(kind: str, train, held_out, fits) -> Speeds:
    check_apart("speeds", {"train": train, "held_out": held_out})
    for one in held_out:
        if not fits(one):
            raise InputError(f"held-out speed {one:g} is no {kind} of the data's {min(train):g} to {max(train):g}")
    for one in (*train, *held_out):
        if not one > 0:
            raise InputError(f"speed {one:g} must be above 0")
    return Speeds(kind, tuple(map(float, train)), tuple(map(float, held_out)))


def asked(obs) -> np.ndarray:
    """The speed that each observation [N, D] asks for, [N, 1]."""
    return np.asarray(obs)[:, tracking.TARGET :]


def sealed(speeds: Speeds, dataset: Dataset) -> Dataset:
    """The dataset, if none of its rows asks for a held-out speed; else InputError."""
    held = hashes(np.array(speeds.held_out)[:, None])
    for name in ("obs", "next_obs"):
        found = hashes(asked(getattr(dataset.steps, name))) & held
        if found:
            raise InputError(f"{name} of the data asks for {len(found)} of the held-out speeds {speeds.held_out}")
    return dataset


def task(key, speeds: Speeds, *, steps: int = 5_000, noise: float = 0.0) -> Task:
    """Data of the expert with Gaussian noise on its actions, at the speeds to train on; scores are of those speeds."""
    env = environment(speeds.train)
    behaviour = scripted.noisy(tracking.expert(), env.spec, 0.0, noise)
    dataset = sealed(speeds, conditions.recorded(key, env, behaviour, steps))
    return conditions.task(f"made/speed-{speeds.kind}-v0", env, dataset, reference(env))


def environment(targets: Sequence[float]) -> Env:
    """The environment that asks for these speeds."""
    env = tasks.known_environment("PointMassSpeed-v0")
    return env._replace(params=env.params._replace(targets=np.array(targets, np.float32)))


def reference(env: Env) -> Reference:
    """Mean returns of random actions and of the expert at the environment's speeds."""
    return conditions.reference(env, *ends())


@functools.cache
def ends() -> tuple[Policy, Policy]:
    """The policies of scores 0 and 100, the same objects at every call."""
    return scripted.random(tracking.point_mass_speed().spec), tracking.expert()


def scores(card: str, task: Task, speeds: Sequence[float], **settings) -> dict[float, np.ndarray]:
    """Train once, test at each speed: speed -> normalized scores [K] of K seeds after the last update.

    settings: as of `conditions.evaluated`.
    """
    envs = {f"{one:g}": environment([one]) for one in speeds}
    found: Outcomes = conditions.evaluated(card, task, {key: env.params for key, env in envs.items()}, **settings)
    return {one: reference(envs[f"{one:g}"]).score(found.mean(f"{one:g}")[:, -1]) for one in speeds}
