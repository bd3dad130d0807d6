"""The D4RL ladder of any environment: an online card is trained, and its policies are recorded on the way.

Scripted behaviours have their recipes in `jaxrl.forge`; here they are learned.
"""

import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.acting import evaluate
from jaxrl.core import paths, versions
from jaxrl.core.check import InputError, known
from jaxrl.core.types import Policy, Reference
from jaxrl.data import export
from jaxrl.envs import scripted
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.ladder.collecting import Logged, by_episode, collect, joined
from jaxrl.ladder.recipes import QUALITIES, Recipe, names, read, recipe_of
from jaxrl.ladder.training import Snapshot, Trained, train

__all__ = ["QUALITIES", "Recipe", "build", "known_recipe", "names", "read", "recipe_of"]


class Rungs(NamedTuple):
    """What the ladder is made from: two snapshots, and mean returns over `reference_episodes` of the lowest and the
    highest policy."""

    medium: Snapshot
    expert: Snapshot
    low: float
    high: float


def known_recipe(text: str) -> Recipe:
    """The recipe that a name, a file's path or a dataset's id stands for; InputError for any other text."""
    name = recipe_of(text) or text.removeprefix("trained/")
    if not name.endswith(".toml"):
        known("dataset recipe", name, names())
    return read(name, accelerated=jax.default_backend() != "cpu")


def build(text: str, root: Path | None = None, report: Callable[[str], Any] = print) -> list[Path]:
    """Make a recipe's datasets, or the one of a dataset's id, under `root` (default `paths.built()`).

    Each folder appears whole or not at all and replaces an older one. A build that was stopped goes on from its last
    snapshot. Returns the folders; InputError for unknown names and for recipes that cannot be used.
    """
    start, recipe = time.perf_counter(), known_recipe(text)
    wanted = [quality for quality, one in zip(QUALITIES, recipe.ids, strict=True) if text == one]
    trained = train(recipe, report)
    rungs = chosen(trained)
    made: dict[str, Logged] = {}
    folders = []
    for quality in wanted or QUALITIES:
        logged = rung(quality, trained, rungs, made)
        folders.append(publish(quality, logged, trained, rungs, root or paths.built()))
        report(summary(recipe, quality, logged, rungs))
    report(f"{recipe.name}: {time.perf_counter() - start:.0f} s")
    return folders


def key_of(recipe: Recipe, purpose: str):
    """A key of its own for every purpose."""
    return jax.random.fold_in(jax.random.key(recipe.seed), zlib.crc32(purpose.encode()) % 2**31)


def chosen(trained: Trained) -> Rungs:
    """The best snapshot as expert; as medium the one nearest to a third of the way from random to it, out of the first
    that is beyond and the one before. InputError where no policy is better than random.
    """
    recipe, env = trained.recipe, trained.task.env
    returns = lambda policy, purpose: float(
        evaluate(policy, env, key_of(recipe, purpose), recipe.reference_episodes).mean()
    )
    expert = max(trained.snapshots, key=lambda one: (one.score, one.update))
    low, high = returns(scripted.random(env.spec), "low"), returns(trained.policy(expert.update), "high")
    if not low < high:
        raise InputError(
            f"recipe {recipe.name} learned nothing: its best return is {high:.1f}, that of random actions {low:.1f}; "
            "raise env_steps or change its settings"
        )
    third = low + (high - low) / 3
    beyond = next(i for i, one in enumerate(trained.snapshots) if one.score >= min(third, expert.score))
    near = trained.snapshots[max(beyond - 1, 0) : beyond + 1]
    return Rungs(min(near, key=lambda one: abs(one.score - third)), expert, low, high)


def rung(quality: str, trained: Trained, rungs: Rungs, made: dict[str, Logged]) -> Logged:
    """The steps of a quality; those already made are used again."""
    if quality not in made:
        made[quality] = _rung(quality, trained, rungs, made)
    return made[quality]


def _rung(quality: str, trained: Trained, rungs: Rungs, made: dict[str, Logged]) -> Logged:
    recipe = trained.recipe
    if quality == "medium-expert":
        return joined([rung(one, trained, rungs, made) for one in ("medium", "expert")])
    if quality in ("medium-replay", "full-replay"):
        return replayed(trained, rungs.medium if quality == "medium-replay" else trained.snapshots[-1])
    policies: dict[str, Callable[[], Policy]] = {
        "random": lambda: scripted.random(trained.task.env.spec),
        "medium": lambda: trained.explore(rungs.medium.update),
        "expert": lambda: trained.explore(rungs.expert.update),
    }
    return collect(key_of(recipe, quality), trained.task.env, policies[quality](), recipe.steps)


def replayed(trained: Trained, last: Snapshot) -> Logged:
    """All experience up to a snapshot; of a card that keeps none, equally many episodes of every snapshot so far."""
    recipe, spec = trained.recipe, trained.task.env.spec
    if trained.experience is not None:
        columns = last.env_steps // np.shape(trained.experience.reward)[1]
        return by_episode(spec, jax.tree.map(lambda x: x[:columns], trained.experience), cut=True)
    so_far = [one for one in trained.snapshots if one.update <= last.update]
    share = -(-recipe.steps // len(so_far))
    key = lambda one: key_of(recipe, f"replay {one.update}")
    return joined([collect(key(one), trained.task.env, trained.explore(one.update), share) for one in so_far])


def publish(quality: str, logged: Logged, trained: Trained, rungs: Rungs, root: Path) -> Path:
    """Write the Minari dataset with where it comes from; returns its folder."""
    recipe = trained.recipe
    env_spec = adapter.find(recipe.environment)
    origin = f"mean returns of random actions and of the best policy over {recipe.reference_episodes} episodes each"
    about = {
        "algorithm_name": recipe.card,
        "jaxrl_recipe": json.dumps(recipe._asdict()),
        "jaxrl_rungs": json.dumps({"medium": rungs.medium._asdict(), "expert": rungs.expert._asdict()}),
        "jaxrl_provenance": json.dumps(
            {**versions.machine(), "environment": versions.of_environment(trained.task.env)}
        ),
    }
    return export.write(
        f"trained/{recipe.name}-{quality}-v0", logged.arrays, root=Path(root), env_spec=env_spec,
        references=Reference(rungs.low, rungs.high, "metadata", origin),
        metadata=about, infos={"log_prob": logged.log_prob}, replace=True,
    )  # fmt: skip


def summary(recipe: Recipe, quality: str, logged: Logged, rungs: Rungs) -> str:
    """One line about a dataset."""
    mean = logged.arrays.reward.sum(dtype=np.float64) / logged.arrays.last.sum()
    score = 100 * (mean - rungs.low) / (rungs.high - rungs.low)
    steps, episodes = len(logged.log_prob), int(logged.arrays.last.sum())
    return (
        f"trained/{recipe.name}-{quality}-v0: {steps} steps, {episodes} episodes, return {mean:.1f}, score {score:.1f}"
    )
