"""Training of a ladder's policies: snapshots with their returns, kept on disk so that a stopped build goes on."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl import experiment, registry, tasks
from jaxrl.core import files, paths
from jaxrl.core import hyper as records
from jaxrl.core.card import check_actions
from jaxrl.core.check import InputError
from jaxrl.core.tree import counter
from jaxrl.core.types import Env, Policy, Task, Transition, Tree, first_steps
from jaxrl.evaluation import host, rollout
from jaxrl.ladder.recipes import Recipe
from jaxrl.train import checkpoint
from jaxrl.train.driver import Resume
from jaxrl.train.fit import Progress


class Snapshot(NamedTuple):
    """A policy on the way: updates and environment steps so far, mean return of the policy that collects."""

    update: int
    env_steps: int
    score: float


class Trained(NamedTuple):
    """What training brought. state: update -> the learner's state then. experience: rows [C, N, ...] in order, of
    replay; None where the card keeps none."""

    recipe: Recipe
    task: Task
    parts: experiment.Trial
    hyper: Any
    snapshots: tuple[Snapshot, ...]
    state: Callable[[int], Tree]
    experience: Transition | None

    def explore(self, update: int) -> Policy:
        """The policy that collected at a snapshot."""
        return self.parts.algorithm.explore(self.hyper, self.state(update))

    def policy(self, update: int) -> Policy:
        """The policy that is evaluated at a snapshot."""
        return self.parts.algorithm.policy(self.hyper, self.state(update))


def folder_of(recipe: Recipe) -> Path:
    """Where the snapshots of a recipe are kept."""
    return paths.cache() / "ladders" / recipe.name


def train(recipe: Recipe, report: Callable[[str], Any]) -> Trained:
    """Train the recipe's card, or go on where an earlier call was stopped. InputError for bad input."""
    task, card = tasks.load(recipe.environment, download=False), registry.card(recipe.card)
    check_actions(card, task.env.spec)
    chosen = chosen_settings(recipe)
    static = (tuple(sorted(options.items())) for options in (chosen.structure, chosen.collection))
    functions = experiment.functions(task.env)
    parts = experiment.trial(card.name, task.env.spec, *static, chosen.batch, recipe.episodes, functions)
    hypers = records.stack(card.hyper(**chosen.numbers))
    who = experiment.members([recipe.seed], hypers)
    folder = prepared(recipe, folder_of(recipe))
    evaluate = evaluator(recipe, parts, task, records.unstack(hypers)[0])
    kept, last = past(folder), {}

    def load(like):
        report(f"{recipe.name}: going on after {kept[-1].env_steps:,} steps")
        last["progress"] = checkpoint.restore(folder / "progress", like[1])
        return {}, last["progress"]

    resume = Resume(0, kept[-1].update, load) if kept else None
    for stretch in experiment.trained(parts.training, who, task, plan(recipe, parts), resume):
        score = evaluate(member(stretch.state))
        steps = stretch.update * parts.source.cost + parts.source.before
        if not bool(np.all(stretch.finite)):
            raise InputError(f"training of {recipe.name} diverged after {steps:,} steps; lower the card's step sizes")
        kept.append(Snapshot(stretch.update, steps, score))
        keep(folder, stretch.progress, kept)
        report(f"{recipe.name}: {steps:,} steps, return {score:.1f}")
        last["progress"] = stretch.progress
    progress = last["progress"]
    return Trained(
        recipe, task, parts, records.unstack(hypers)[0], tuple(kept),
        lambda update: member(checkpoint.restore(folder / f"state-{update}", progress.state)), ordered(progress.feed),
    )  # fmt: skip


def evaluator(recipe: Recipe, parts: experiment.Trial, task: Task, hyper) -> Callable[[Tree], float]:
    """state -> mean return of its collecting policy over `recipe.episodes` episodes, the same ones at every call."""
    key, env, learner = jax.random.key(recipe.seed), task.env, parts.algorithm
    if isinstance(env, Env):
        play = lambda state, params: rollout.evaluate(
            key, env._replace(params=params), learner.explore(hyper, state), recipe.episodes
        )
        compiled = jax.jit(play)
        return lambda state: float(compiled(state, env.params).mean())
    act = jax.jit(lambda state, key, obs: learner.explore(hyper, state).act(key, first_steps(obs), ())[0])

    def on_host(state):
        keys = (jax.random.fold_in(key, time) for time in itertools.count())
        return float(host.evaluate(env, lambda obs: act(state, next(keys), obs), [recipe.seed], recipe.episodes).mean())

    return on_host


def chosen_settings(recipe: Recipe) -> experiment.Settings:
    """The card's options; replay keeps all experience and its densities, unless the recipe says otherwise."""
    card = registry.card(recipe.card)
    options = {name: value for name, value in recipe.settings.items() if name != "batch"}
    forced = {"capacity": recipe.env_steps + 1, "densities": True}
    options |= {name: value for name, value in forced.items() if name in card.collection() and name not in options}
    return experiment.settings(card, options, recipe.settings.get("batch"))


def plan(recipe: Recipe, parts: experiment.Trial) -> list[int]:
    """Counts of updates at which a snapshot is taken, the last one at the end of the budget."""
    updates = (recipe.env_steps - parts.source.before) // parts.source.cost
    if updates < recipe.snapshots:
        raise InputError(
            f"env_steps={recipe.env_steps} of recipe {recipe.name} allow {updates} updates after the warm-up, fewer "
            f"than its {recipe.snapshots} snapshots; raise env_steps"
        )
    return [updates * (i + 1) // recipe.snapshots for i in range(recipe.snapshots)]


def prepared(recipe: Recipe, folder: Path) -> Path:
    """The folder, emptied where another recipe of that name has used it."""
    identity = json.dumps({**recipe._asdict(), "backend": jax.default_backend()}, sort_keys=True)
    file = folder / "recipe.json"
    try:
        if file.exists() and file.read_text() == identity:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file.write_text(identity)
    except OSError as error:
        raise InputError(f"snapshots cannot be kept in {folder} ({error.strerror}); set JAXRL_CACHE") from error
    return folder


def past(folder: Path) -> list[Snapshot]:
    """Snapshots that were written whole."""
    file = folder / "snapshots.json"
    return [Snapshot(*row) for row in json.loads(file.read_text())] if file.exists() else []


def keep(folder: Path, progress: Progress, snapshots: list[Snapshot]) -> None:
    """Write the newest snapshot; the list of them comes last, and in one step."""
    checkpoint.save(folder / f"state-{snapshots[-1].update}", progress.state)
    checkpoint.save(folder / "progress", progress)
    files.write(folder / "snapshots.json", json.dumps(snapshots))


def member(state: Tree) -> Tree:
    """The only member's state of a state [1, ...] whose counters are unbatched."""

    return jax.tree_util.tree_map_with_path(lambda path, x: x if counter(path) else x[0], state)


def ordered(feed: Tree) -> Transition | None:
    """The rows of a replay ring [C, N, ...] from the oldest to the newest; None for a feed without one."""
    ring = getattr(feed, "ring", feed)
    if not hasattr(ring, "rows"):
        return None
    rows, written = jax.tree.map(lambda x: np.asarray(x[0]), ring.rows), int(ring.step)
    columns = rows.reward.shape[0]
    order = np.arange(written) if written <= columns else (written + np.arange(columns)) % columns
    return jax.tree.map(lambda x: x[order], rows)
