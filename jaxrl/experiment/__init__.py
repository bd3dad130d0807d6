"""What people call: make an algorithm, list its numbers, sweep seeds and numbers in one compiled call."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxrl import __version__, registry, tasks
from jaxrl.cluster import Cluster
from jaxrl.core import compilation
from jaxrl.core import hyper as records
from jaxrl.core.card import Card, check_actions
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Task
from jaxrl.experiment import running, shares
from jaxrl.experiment.options import Settings, chosen_hypers, chosen_seeds, prepared, settings, stretches
from jaxrl.experiment.programs import (
    EVALUATION,
    Checkpoint,
    Members,
    Trial,
    compiled,
    functions,
    make,
    members,
    phases,
    trained,
    trial,
)
from jaxrl.experiment.result import Result

__all__ = [
    "EVALUATION",
    "Checkpoint",
    "Members",
    "Result",
    "Settings",
    "Trial",
    "draws",
    "functions",
    "grid",
    "make",
    "members",
    "phases",
    "points",
    "settings",
    "stretches",
    "sweep",
    "trained",
    "trial",
]


def grid(name: str, **values):
    """A card's hyperparameters for every combination of the listed values, stacked; the last name varies fastest.

    Raises InputError for a name that is no number of the card, saying so where it is a keyword of its factory.
    """
    return records.grid(numbers(name, values), **values)


def points(name: str, values: Sequence[Mapping[str, float]]):
    """A card's hyperparameters for each of the listed mappings of names to numbers, stacked; others have defaults."""
    if not values:
        raise InputError(f"an empty list of points for {name}; give at least one")
    record = numbers(name, {key: None for one in values for key in one})
    return records.stack(*(record(**one) for one in values))


def draws(name: str, count: int, key, **ranges: tuple[float, float]):
    """A card's hyperparameters drawn at random, stacked: `count` of them, each number between its two bounds.

    Bounds are drawn between evenly in the logarithm where both are positive and the upper is ten times the lower or
    more, evenly otherwise. Raises InputError for names as `grid` does, and for bounds that are none.
    """
    record, found = numbers(name, ranges), []
    for place, (field, bounds) in enumerate(ranges.items()):
        low, high = records.bounds(field, bounds)
        share = jax.random.uniform(jax.random.fold_in(key, place), (positive("count", count),))
        found.append(low * (high / low) ** share if 0 < 10 * low <= high else low + (high - low) * share)
    rows = zip(*(column.tolist() for column in found), strict=True)
    return records.stack(*(record(**dict(zip(ranges, row, strict=True))) for row in rows))


def numbers(name: str, values: Mapping[str, Any]):
    """The record class of a card; InputError for a name in `values` that is none of its numbers."""
    card = registry.card(name)
    for one in values:
        elsewhere = {**card.structure(), **card.collection(), **card.preparation()}
        if one in elsewhere and one not in card.numbers():
            raise InputError(
                f"{one} is no number of {name} but part of its program; list it in the call itself, as in "
                f"jaxrl.sweep({name!r}, task, {one}=[{elsewhere[one]!r}, ...])"
            )
    return card.hyper


def sweep(
    name: str,
    task: Task | str,
    *,
    hypers=None,
    seeds: int | list[int] = 1,
    updates: int = 100_000,
    evaluate_every: int | None = None,
    episodes: int = 10,
    batch: int | None = None,
    report: Callable[[Checkpoint], None] | None = None,
    memory: float | None = None,
    checkpoint: str | Path | None = None,
    saving: float = 0.05,
    say: Callable[[str], None] = print,
    backend: str | None = None,
    address: str | None = None,
    **options,
) -> Any:
    """Train a card on a task for every hyperparameter record and seed at once, evaluating as it goes.

    task: of `jaxrl.load`, or the id of a dataset; for an online card, of an environment.
    hypers: stacked records from `grid`, `points` or `draws`, default the card's numbers. seeds: how many (0, 1, ...),
    or a list of them.
    evaluate_every: updates between evaluations, default a tenth of all. batch: default the card's. options: any number,
    factory keyword or preparation option of the card. A number may be a list, which makes a grid; any other option
    too, which makes a program of its own for each combination: then a list of Results is returned, one for each, the
    last option varying fastest; else a Result.
    memory: GiB of each device that may be used, default what is free. Members are split into chunks that fit.
    checkpoint: a folder for checkpoints. A run that was stopped, and is called again alike, goes on to the same bits
    (with an environment on the host: from new episodes); not with several processes. saving: the share of the time
    that they may take; 1.0 writes one at every stretch. say: gets a line about what was decided.
    Members are shared out among all local devices, and among the processes of `jax.distributed`.
    backend: "ray" shares them out over the machines of a Ray cluster; its evaluations are reported as jobs end.
    address: HOST:PORT of the cluster's head, "auto" for the Ray on this machine; default a Ray started for this call.
    Raises InputError for bad input before any training.
    """
    compilation.keep()
    card = registry.card(name)
    task = tasks.load(task) if isinstance(task, str) else task
    check_actions(card, task.env.spec)
    hypers, programs, single = sorted_out(card, options, hypers)
    call = functools.partial(
        one_program, card, task, hypers=hypers, seeds=chosen_seeds(seeds), updates=positive("updates", updates),
        evaluate_every=evaluate_every, episodes=positive("episodes", episodes), report=report,
        limit=None if memory is None else int(above_zero("memory", memory) * 2**30), share=above_zero("saving", saving),
        say=say, cluster=cluster_of(backend, address),
    )  # fmt: skip
    folder = None if checkpoint is None else Path(checkpoint)
    combined = [dict(zip(programs, one, strict=True)) for one in itertools.product(*programs.values())]
    asked = [settings(card, {**single, **one}, batch) for one in combined]
    if not asked:
        raise InputError(f"an empty list of values for {', '.join(programs)}; give at least one")
    places = [folder and (folder / f"program-{i}" if programs else folder) for i in range(len(asked))]
    results = [call(chosen=one, folder=place) for one, place in zip(asked, places, strict=True)]
    return results if programs else results[0]


def sorted_out(card: Card, options: dict[str, Any], hypers) -> tuple[Any, dict[str, list], dict[str, Any]]:
    """(hypers, with the lists of numbers as a grid; other lists, each value a program of its own; single values)."""
    lists = {key: list(value) for key, value in options.items() if isinstance(value, list | tuple)}
    single = {key: value for key, value in options.items() if key not in lists}
    axes = {key: values for key, values in lists.items() if key in card.numbers()}
    if axes and hypers is not None:
        raise InputError(f"{', '.join(axes)} given both in hypers and as a list; put every number into jaxrl.grid")
    if axes:
        extra = {key: [single.pop(key)] for key in [*single] if key in card.numbers()}
        hypers = grid(card.name, **extra, **axes)
    return hypers, {key: values for key, values in lists.items() if key not in axes}, single


def cluster_of(backend: str | None, address: str | None) -> Cluster | None:
    """The cluster that a backend names, None for this process; InputError for an unknown one."""
    if backend is None and address is not None:
        raise InputError(f"address={address!r} is of a cluster; give backend='ray' too")
    return Cluster(address) if backend is not None and known("backend", backend, ["ray"]) else None


def one_program(
    card: Card, task: Task, *, hypers, seeds: list[int], updates: int, evaluate_every: int | None, episodes: int,
    report, limit: int | None, share: float, say: Callable[[str], None], chosen: Settings, folder: Path | None,
    cluster: Cluster | None,
) -> Result:  # fmt: skip
    """A sweep whose members are all trained by the same program."""
    checkpoints = stretches(updates, evaluate_every, card.online)
    hypers = chosen_hypers(card, chosen.numbers, hypers)
    ready = prepared(card, task, chosen)
    parts = compiled(card, ready.env, chosen, episodes)
    who = members(seeds, hypers)
    identity = {
        "card": card.name, "task": ready.name, "data": ready.version, "seeds": seeds, "checkpoints": checkpoints,
        "episodes": episodes, **chosen._asdict(), "numbers": [vars(one) for one in records.unstack(hypers)],
        "jaxrl": __version__, "jax": jax.__version__, "device": jax.devices()[0].device_kind,
    }  # fmt: skip
    plan = running.Plan(parts, ready, checkpoints, episodes, limit, folder, identity, share, report, say)
    outcome = shares.run(plan, who, card, chosen, task, cluster) if cluster else running.run(plan, who)
    return Result(
        card, ready, parts.algorithm, hypers, seeds, chosen, outcome.log, outcome.state, parts.source, outcome.earlier
    )


def above_zero(name: str, value: float) -> float:
    """The number itself; InputError where it is not above 0."""
    if not value > 0:
        raise InputError(f"{name}={value!r} must be above 0")
    return float(value)
