"""A sweep under way: its members in chunks, over devices and processes, with checkpoints from which a run goes on."""

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.core import files
from jaxrl.core.check import InputError
from jaxrl.core.lock import claimed
from jaxrl.core.tree import counter
from jaxrl.core.types import Task, Tree
from jaxrl.experiment import chunks
from jaxrl.experiment.programs import Blame, Checkpoint, Members, Trial, evaluated, evaluator, trained
from jaxrl.train import devices, hosted
from jaxrl.train.driver import Resume, Stretch
from jaxrl.train.keeper import Keeper


class Plan(NamedTuple):
    """What does not change while a sweep runs.

    updates: counts at which members are evaluated. limit: bytes of a device that it may take, None for what is free.
    folder: of checkpoints, None for none. identity: what a run has to share with a stored one to go on from it.
    share: of the time, at most, that checkpoints may take. report: called after each evaluation; say: for a line.
    """

    parts: Trial
    task: Task
    updates: list[int]
    episodes: int
    limit: int | None
    folder: Path | None
    identity: Mapping[str, Any]
    share: float
    report: Callable[[Checkpoint], None] | None
    say: Callable[[str], None]


class Outcome(NamedTuple):
    """What members came to: an evaluation for each count of updates, the learners' states, leaves [S, ...], and those
    of a plan's phases before the last, by name."""

    log: list[Checkpoint]
    state: Tree
    earlier: Mapping[str, Tree]


def run(plan: Plan, who: Members) -> Outcome:
    """All members: a share on each process, in as many chunks as its devices need."""
    if who.size < jax.process_count():
        raise InputError(
            f"{who.size} members for {jax.process_count()} processes; give at least a seed or a value for each process"
        )
    folder = plan.folder
    if folder and jax.process_count() > 1:
        # Orbax lets only the first of several processes write what is not spread over all of them.
        raise InputError(
            f"checkpoint={folder} with {jax.process_count()} processes: sweeps over processes keep no checkpoints; "
            "leave it out, or run one process a machine through --backend ray"
        )
    shares = np.array_split(np.arange(who.size), jax.process_count())
    own = who.take(shares[jax.process_index()])
    plan = plan._replace(task=on_devices(plan.parts, plan.task))
    with claimed(folder) if folder else contextlib.nullcontext():
        before = plan.parts.training_seconds
        count = chunk_size(plan, own, folder)
        measuring = plan.parts.training_seconds - before
        pieces = [own.take(slice(first, first + count)) for first in range(0, own.size, count)]
        places = [folder and (folder / f"chunk-{i}") for i in range(len(pieces))]
        size = count if len(pieces) > 1 else 1
        found = [chunk(plan, one, place, size) for one, place in zip(pieces, places, strict=True)]
    outcome = joined(found)
    # What was compiled to be measured is what trains.
    first_seconds = outcome.log[0].seconds
    outcome.log[0] = outcome.log[0]._replace(seconds={**first_seconds, "compile": first_seconds["compile"] + measuring})
    return outcome if jax.process_count() == 1 else gathered(outcome, [len(share) for share in shares])


def chunk_size(plan: Plan, who: Members, folder: Path | None) -> int:
    """Members in a chunk; a sweep that goes on keeps its chunks, whatever memory is free by now."""
    file = folder and folder / "chunks.json"
    if file and file.exists():
        return int(json.loads(file.read_text())["members"])
    count = chunks.size(plan.parts, plan.task, who, plan.limit, plan.say)
    if file:
        files.write(file, json.dumps({"members": count}))
    return count


def chunk(plan: Plan, who: Members, folder: Path | None, size: int) -> Outcome:
    """Members that are trained together, with copies until `size` divides them: chunks of one size are one program."""
    parts, real = plan.parts, who.size
    own, task = laid_out(parts, chunks.padded(who, size)), plan.task
    evaluate = evaluator(parts, task, own, plan.episodes)
    keeper = Keeper(folder, {**plan.identity, "members": own.size}, plan.share) if folder else None
    blame, log, resume = begun(parts, keeper, own.size)
    state: Tree = None
    earlier: Mapping[str, Tree] = {}
    try:
        for stretch in trained(parts.training, own, task, plan.updates, resume):
            blame.add(stretch)
            if stretch.last:
                log.append(evaluated(stretch, evaluate, parts, blame, own))
                state, earlier = stretch.state, stretch.earlier
                if plan.report:
                    plan.report(cut(log[-1], real))
            if keeper:
                # The end of a chunk is kept in any case, for those that follow.
                final = size > 1 and stretch.last and stretch.update == plan.updates[-1]
                keeper.save((stretch.earlier, stretch.progress), facts(stretch, log, blame), final)
        if resume and state is None:
            state, earlier = finished(parts, own, task, resume)
    finally:
        if keeper:
            keeper.close()
    states = first((state, earlier), real)
    # Of several chunks only the one that is trained lies on the device.
    state, earlier = jax.tree.map(np.asarray, states) if size > 1 else states
    return Outcome([cut(one, real) for one in log], state, earlier)


def on_devices(parts: Trial, task: Task) -> Task:
    """The task with its data on each device, once."""
    return task._replace(dataset=devices.placed(parts.mesh, task.dataset, common=True)) if parts.mesh else task


def laid_out(parts: Trial, who: Members) -> Members:
    """Members, with copies of the last until the devices divide them, each where it is trained."""
    full = chunks.padded(who, chunks.width(parts))
    keys, hypers = devices.placed(parts.mesh, (full.keys, full.hypers))
    return full._replace(keys=keys, hypers=hypers)


def begun(parts: Trial, keeper: Keeper | None, count: int) -> tuple[Blame, list[Checkpoint], Resume | None]:
    """What is known of a run when it begins, or goes on."""
    phases = ("",) if isinstance(parts.training, hosted.Program) else tuple(one.phase.name for one in parts.training)
    blame = Blame(count, phases)
    if keeper is None or keeper.facts is None:
        return blame, [], None
    known = keeper.facts
    blame.set(*known["blame"])
    log = [Checkpoint(**one) for one in known["log"]]
    return blame, log, Resume(known["place"], known["update"], keeper.load)


def facts(stretch: Stretch, log: list[Checkpoint], blame: Blame) -> dict[str, Any]:
    """What is stored beside the arrays of a run under way."""
    scores = [one._asdict() for one in log]
    return {"place": stretch.place, "update": stretch.update, "log": scores, "blame": blame.so_far()}


def finished(parts: Trial, who: Members, task: Task, resume: Resume) -> tuple[Tree, Mapping[str, Tree]]:
    """(state, earlier) of a run whose last checkpoint was stored."""
    held = {}

    def load(like):
        held["it"] = resume.load(like)
        return held["it"]

    list(trained(parts.training, who, task, [], resume._replace(load=load)))
    earlier, progress = held["it"]
    return progress.state, earlier


def first(tree: Tree, count: int) -> Tree:
    """The first members of a tree."""
    return jax.tree_util.tree_map_with_path(lambda path, x: x if counter(path) else x[:count], tree)


def cut(one: Checkpoint, count: int) -> Checkpoint:
    """The first members of a checkpoint."""
    arrays = one._replace(update=(), seconds={})
    return jax.tree.map(lambda x: x[:count], arrays)._replace(update=one.update, seconds=one.seconds)


def joined(found: list[Outcome]) -> Outcome:
    """Chunks, one after the other; seconds add up."""
    if len(found) == 1:
        return found[0]
    log = [both(logs) for logs in zip(*(one.log for one in found), strict=True)]
    return Outcome(log, *(rows(trees) for trees in zip(*(one[1:] for one in found), strict=True)))


def both(logs: tuple[Checkpoint, ...]) -> Checkpoint:
    """One checkpoint of the members of several."""
    seconds = {name: sum(one.seconds[name] for one in logs) for name in logs[0].seconds}
    arrays = [one._replace(update=(), seconds={}) for one in logs]
    whole = jax.tree.map(lambda *x: np.concatenate(x), *arrays)
    return whole._replace(update=logs[0].update, seconds=seconds)


def rows(trees) -> Tree:
    """Members of several trees as one, on the host; counters are common."""
    leaf = lambda path, *x: x[0] if counter(path) else np.concatenate([np.asarray(one) for one in x])
    return jax.tree_util.tree_map_with_path(leaf, *trees)


def gathered(own: Outcome, counts: list[int]) -> Outcome:
    """The outcome of all processes' members, in order, on every process; seconds are those of the slowest."""
    from jax.experimental import multihost_utils

    most = max(counts)

    def every(path, x):
        if counter(path):
            return x
        # Bytes, since JAX would round doubles and knows no text.
        x = np.asarray(x).astype("U64") if np.asarray(x).dtype.kind == "U" else np.asarray(x)
        raw = np.zeros((most, x.dtype.itemsize * math.prod(x.shape[1:])), np.uint8)
        raw[: len(x)] = np.ascontiguousarray(x).view(np.uint8).reshape(len(x), -1)
        shares = np.asarray(multihost_utils.process_allgather(raw))
        whole = np.concatenate([share[:count] for share, count in zip(shares, counts, strict=True)])
        return whole.view(x.dtype).reshape(-1, *x.shape[1:])

    log = []
    for one in own.log:
        arrays = jax.tree_util.tree_map_with_path(every, one._replace(update=(), seconds={}))
        names = sorted(one.seconds)
        spent = np.asarray(multihost_utils.process_allgather(np.array([one.seconds[name] for name in names])))
        seconds = dict(zip(names, spent.max(0).tolist(), strict=True))
        log.append(arrays._replace(update=one.update, seconds=seconds))
    return Outcome(log, *(jax.tree_util.tree_map_with_path(every, tree) for tree in own[1:]))
