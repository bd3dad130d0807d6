"""The embedded datasets: recipes in TOML -> scripted episodes in JAX -> Minari datasets with reference scores."""

import json
import time
import tomllib
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core import paths
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Env, Policy, Reference, Spec
from jaxrl.data import export, local
from jaxrl.data.dataset import Arrays
from jaxrl.envs import bandits, maze, scripted, suites
from jaxrl.envs.adapters import gymnasium as adapter

QUALITIES = ("random", "medium", "medium-replay", "expert")
KINDS = {
    "random": tuple(suites.MAKERS),
    "swing_up": ("Pendulum-v1",),
    "waypoint": tuple(maze.LAYOUTS),
    "thompson": ("Bandits-v0",),
}
"""Kind of behaviour -> environments it knows."""


class Numbers(NamedTuple):
    """What may differ between the episodes of one compiled rollout; the arguments of `envs.scripted`, [N] each."""

    epsilon: Any = 0.0
    sigma: Any = 0.0
    hold: Any = 1
    strength: Any = 1.0
    aim: Any = 1.0
    leave: Any = 0.0


class Behaviour(NamedTuple):
    """Who acts in a `fraction` of the episodes."""

    kind: str
    fraction: float = 1.0
    numbers: Numbers = Numbers()


class Recipe(NamedTuple):
    """One dataset. steps: at least so many, in whole episodes. low, high: whose mean returns are scores 0 and 100."""

    dataset_id: str
    environment: str
    steps: int
    seed: int
    reference_episodes: int
    behaviours: tuple[Behaviour, ...]
    low: tuple[Behaviour, ...]
    high: tuple[Behaviour, ...]


def recipes(folder: Path | None = None) -> dict[str, Recipe]:
    """Every dataset that can be built, by id; InputError for a recipe file that cannot be used."""
    files = sorted((folder or paths.shared("datasets/recipes")).glob("*.toml"))
    return {recipe.dataset_id: recipe for file in files for recipe in read(file)}


def read(file: Path) -> list[Recipe]:
    """The recipes of one family's file: a table for each quality, and what they have in common."""
    try:
        table = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"recipe {file.name} is not valid TOML: {error}; correct or restore the file") from error
    shared = ("environment", "steps", "seed", "reference_episodes")
    for name in table:
        known(f"key in recipe {file.name}", name, (*shared, *QUALITIES))
    for name in (*shared, "random", "expert"):
        if name not in table:
            raise InputError(f"recipe {file.name} lacks {name!r}; add it, see datasets/README.md")
    environment = known(f"environment in recipe {file.name}", str(table["environment"]), suites.names())
    who = {q: behaviours(f"{file.name} [{q}]", environment, table[q]) for q in QUALITIES if q in table}
    numbers = [number(f"{name} in recipe {file.name}", table[name]) for name in shared[1:]]
    steps, seed, episodes = positive(f"steps in recipe {file.name}", numbers[0]), int(numbers[1]), numbers[2]
    episodes = positive(f"reference_episodes in recipe {file.name}", episodes)
    common = (environment, steps, seed, episodes)
    return [
        Recipe(f"embedded/{file.stem}-{quality}-v0", *common, list_, who["random"], who["expert"])
        for quality, list_ in who.items()
    ]


def behaviours(where: str, environment: str, table: Any) -> tuple[Behaviour, ...]:
    """The behaviours of one quality; InputError for unknown keys, unfit kinds, and fractions that do not sum to one."""
    if not isinstance(table, dict) or set(table) != {"behaviours"} or not table["behaviours"]:
        raise InputError(
            f"recipe {where} must hold the key 'behaviours' alone, a list of tables; see datasets/README.md"
        )
    found = []
    for entry in table["behaviours"]:
        for name in entry:
            known(f"key in recipe {where}", name, ("kind", "fraction", *Numbers._fields))
        fits = [kind for kind, names in KINDS.items() if environment in names]
        kind = known(f"kind for {environment} in recipe {where}", str(entry.get("kind")), fits)
        rest = {n: number(f"{n} in recipe {where}", v) for n, v in entry.items() if n not in ("kind", "fraction")}
        fraction = float(number(f"fraction in recipe {where}", entry.get("fraction", 1.0)))
        rest |= {"epsilon": 1.0} if kind == "random" else {}
        found.append(Behaviour(kind, fraction, Numbers(**rest)))
    total = sum(one.fraction for one in found)
    if abs(total - 1) > 1e-6 or min(one.fraction for one in found) < 0:
        raise InputError(f"fractions in recipe {where} sum to {total:g}; make them sum to 1, none negative")
    return tuple(found)


def number(what: str, value: Any) -> Any:
    """`value` if it is a number; else an InputError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what} is {value!r}; it must be a number")
    return value


def policy(spec: Spec, numbers: Numbers) -> Policy:
    """The scripted behaviour of an environment at these numbers; a random one where there is none."""
    if spec.name in KINDS["swing_up"]:
        base = scripted.swing_up(numbers.strength)
    elif spec.name in KINDS["waypoint"]:
        base = scripted.waypoint(spec.name, numbers.strength, numbers.aim, numbers.leave)
    elif spec.name in KINDS["thompson"]:
        base = bandits.thompson(spec.action)
    else:
        base = scripted.random(spec)
    return scripted.noisy(base, spec, numbers.epsilon, numbers.sigma, numbers.hold)


def episode(key, env: Env, params, numbers: Numbers) -> tuple:
    """One episode of `horizon` steps: (obs, action, reward, next_obs, terminated, truncated), leaves [T, ...]."""
    k_reset, k_steps = jax.random.split(key)
    state, timestep = env.reset(k_reset, params)
    actor = policy(env.spec, numbers)

    def one(carry, index):
        state, timestep, memory = carry
        k_act, k_step = jax.random.split(jax.random.fold_in(k_steps, index))
        action, memory = actor.act(k_act, timestep, memory)
        state, after = env.step(k_step, params, state, action)
        return (state, after, memory), (
            timestep.obs,
            action,
            after.reward,
            after.obs,
            after.terminated,
            after.truncated,
        )

    return jax.lax.scan(one, (state, timestep, actor.start()), jnp.arange(env.spec.horizon))[1]


@cache
def roller(environment: str) -> tuple[Env, Callable]:
    """(environment, compiled episodes(keys [N], params, numbers [N])): one program for all qualities of a family."""
    env = suites.environment(environment)
    run = lambda keys, params, numbers: jax.vmap(lambda k, n: episode(k, env, params, n))(keys, numbers)
    return env, jax.jit(run)


def roll(key, environment: str, cast: tuple[Behaviour, ...], episodes: int) -> Arrays:
    """Episodes of these behaviours, in their order and by their fractions, as steps with actions in physical units."""
    env, run = roller(environment)
    edges = np.round(np.cumsum([one.fraction for one in cast]) * episodes).astype(int)
    who = np.searchsorted(edges, np.arange(episodes), side="right")
    columns = zip(*(one.numbers for one in cast), strict=True)
    numbers = Numbers(*(np.asarray(column, np.float32)[who] for column in columns))
    numbers = numbers._replace(hold=numbers.hold.astype(np.int32))
    obs, action, reward, next_obs, terminated, truncated = map(
        np.asarray, run(jax.random.split(key, episodes), env.params, numbers)
    )
    over = (terminated + truncated) > 0
    keep = np.cumsum(over, axis=1) - over == 0
    if not env.spec.discrete:
        low, high = np.array(env.spec.low, np.float32), np.array(env.spec.high, np.float32)
        action = np.clip(low + (action + 1) / 2 * (high - low), low, high)
    fields = (obs, action, reward, next_obs, terminated > 0, truncated > 0, over)
    return Arrays(*(field[keep] for field in fields))


@cache
def references(environment: str, seed: int, low: tuple, high: tuple, episodes: int) -> tuple[float, float]:
    """Mean undiscounted returns of the lowest and the highest behaviour, measured on episodes of their own."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), zlib.crc32(b"references")))
    rolled = (roll(key, environment, cast, episodes) for key, cast in zip(keys, (low, high), strict=True))
    first, second = (float(arrays.reward.sum(dtype=np.float64) / episodes) for arrays in rolled)
    return first, second


def ensure(dataset_id: str, report: Callable[[str], Any] = print) -> None:
    """Build an embedded dataset that is absent, or that was built from another recipe; other ids are left alone."""
    recipe = recipes().get(dataset_id)
    if recipe is None:
        return
    folder = local.find(dataset_id)
    if folder is None or (folder.is_relative_to(paths.built()) and recipe_of(folder) != stored(recipe)):
        build(dataset_id, report=report)


def stored(recipe: Recipe) -> str:
    """The recipe as it stands in a dataset's metadata."""
    return json.dumps(recipe._asdict())


def recipe_of(folder: Path) -> str:
    """The recipe that a dataset was built from, "" where its metadata has none."""
    try:
        return json.loads((folder / "data" / "metadata.json").read_text()).get("jaxrl_recipe", "")
    except (OSError, ValueError):
        return ""


def build(
    dataset_id: str, root: Path | None = None, report: Callable[[str], Any] = print, recipe: Recipe | None = None
) -> Path:
    """Make the dataset of that id under `root` (default `paths.built()`) and return its folder; replaces an older one.

    The folder appears whole or not at all. recipe: instead of the one of that id. InputError for an unknown id.
    """
    start = time.perf_counter()
    table = recipes()
    recipe = recipe or table[known("embedded dataset", dataset_id, table)]
    horizon = suites.environment(recipe.environment).spec.horizon
    key = jax.random.fold_in(jax.random.key(recipe.seed), zlib.crc32(dataset_id.encode()))
    arrays = roll(key, recipe.environment, recipe.behaviours, -(-recipe.steps // horizon))
    low, high = references(recipe.environment, recipe.seed, recipe.low, recipe.high, recipe.reference_episodes)
    folder = publish(dataset_id, arrays, Path(root or paths.built()), (low, high), recipe)
    mean = arrays.reward.sum(dtype=np.float64) / arrays.last.sum()
    score = 100 * (mean - low) / (high - low)
    seconds = time.perf_counter() - start
    report(f"{dataset_id}: {len(arrays.reward)} steps, mean return {mean:.1f}, score {score:.1f}, {seconds:.1f} s")
    return folder


def publish(dataset_id: str, arrays: Arrays, root: Path, pair: tuple[float, float], recipe: Recipe) -> Path:
    """Write the Minari dataset, whole or not at all; returns its folder."""
    import gymnasium

    env_spec = adapter.env_spec(recipe.environment)
    with gymnasium.make(env_spec) as env:
        spaces = env.observation_space, env.action_space
    origin = f"mean returns of the random and the expert behaviour over {recipe.reference_episodes} episodes each"
    return export.write(
        dataset_id,
        arrays,
        root=root,
        env_spec=env_spec,
        observation_space=spaces[0],
        action_space=spaces[1],
        references=Reference(*pair, "metadata", origin),
        metadata={"algorithm_name": "scripted", "jaxrl_recipe": stored(recipe)},
        replace=True,
    )
