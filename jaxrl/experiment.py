"""What people call: make an algorithm, grid its numbers, sweep seeds and numbers in one compiled call."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import registry, tasks
from jaxrl.core import compilation
from jaxrl.core import hyper as records
from jaxrl.core.card import Card, check_actions
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.tree import counters
from jaxrl.core.types import Algorithm, Env, Spec, Task, Tree, first_steps
from jaxrl.data import samplers
from jaxrl.data.dataset import size
from jaxrl.evaluation import host, rollout
from jaxrl.sources.logged import logged
from jaxrl.train.driver import Compiled, Program, Stretch, drive, program

EVALUATION = 2**31 - 2
"""Folded into a seed's key for its evaluation episodes, which are the same at every checkpoint."""


def make(name: str, spec: Spec, **structure) -> Algorithm:
    """The algorithm of a card for an environment's spec, as pure functions; `structure`: its factory's keywords."""
    card = registry.card(name)
    check_actions(card, spec)
    for keyword in structure:
        known(f"keyword of {name}", keyword, card.structure())
    return card.make(spec, **structure)


def grid(name: str, **values):
    """A card's hyperparameters for every combination of the listed values, stacked; the last name varies fastest."""
    return records.grid(registry.card(name).hyper, **values)


class Settings(NamedTuple):
    """A card's options sorted by what they change: the data, the program, the numbers; and the batch size."""

    preparation: dict[str, Any]
    structure: dict[str, Any]
    numbers: dict[str, float]
    batch: int


def settings(card: Card, options: dict[str, Any], batch: int | None = None) -> Settings:
    """Options by name, each to where the card takes it; InputError that suggests the nearest for an unknown one."""
    places = card.preparation(), card.structure(), card.numbers()
    names = {name for place in places for name in place}
    for name in options:
        known(f"setting of {card.name}", name, names)
    chosen = [{name: typed(name, options[name], place[name]) for name in options if name in place} for place in places]
    return Settings(*chosen, batch=positive("batch", card.batch if batch is None else batch))


def typed(name: str, value: Any, default: Any) -> Any:
    """`value` as the type of its default; InputError where that cannot be."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"setting {name}={value!r} must be true or false")
        return value
    try:
        number = type(default)(value)
    except (TypeError, ValueError):
        number = None
    if number is None or isinstance(value, bool) or number != value or not np.isfinite(number):
        raise InputError(f"setting {name}={value!r} must be a finite {type(default).__name__}, such as {default!r}")
    return number


class Result:
    """What a sweep brought: scores of H hyperparameter records x K seeds x C checkpoints, and the trained policies.

    updates: [C]. episode_returns: [H, K, C, episodes], undiscounted, in the environment's own rewards.
    returns: their means, [H, K, C]. scores: normalized by the task's ranking reference where it has one, else returns.
    diverged: [H, K, C], whether any parameter was not finite. metrics: losses by part, [H, K, C].
    seconds: compile, train and evaluate, of the whole sweep, [C] each.
    """

    def __init__(self, card, task, algorithm, hypers, seeds, chosen, log, state):
        self.card, self.task, self.hypers, self.seeds, self.settings = card, task, hypers, seeds, chosen
        self._algorithm, self._state = algorithm, state
        shape = (len(records.unstack(hypers)), len(seeds))
        gather = functools.partial(_gather, shape, log)
        self.updates = np.array([one.update for one in log])
        self.episode_returns = gather(lambda one: one.returns)
        self.diverged = gather(lambda one: ~np.asarray(one.finite))
        self.metrics = jax.tree.map(lambda *x: gather(None, values=x), *[one.metrics for one in log])
        self.seconds = {name: np.array([one.seconds[name] for one in log]) for name in log[0].seconds}

    @property
    def returns(self) -> np.ndarray:
        """Mean undiscounted return of each evaluation, [H, K, C]."""
        return self.episode_returns.mean(-1)

    @property
    def scores(self) -> np.ndarray:
        """Normalized scores [H, K, C] where the task has references, else returns."""
        return self.task.references[0].score(self.returns) if self.task.references else self.returns

    def policy(self, hyper: int = 0, seed: int = 0) -> Callable[[Any], np.ndarray]:
        """The trained policy of one member: observations [D] or [N, D] as the environment gives them -> its actions."""
        count = len(self.seeds)
        member = range(len(records.unstack(self.hypers)) * count)[hyper * count + range(count)[seed]]
        state = jax.tree_util.tree_map_with_path(
            lambda path, x: x if getattr(path[-1], "name", None) == "step" else x[member], self._state
        )
        own = records.unstack(self.hypers)[hyper]
        return actor(self._algorithm, own, state, self.task)


def _gather(shape, log, read, values=None):
    """Per-checkpoint arrays [H * K, ...] -> [H, K, C, ...]."""
    values = [read(one) for one in log] if values is None else values
    stacked = np.stack([np.asarray(x) for x in values], 1)
    return stacked.reshape(*shape, *stacked.shape[1:])


def actor(algorithm: Algorithm, hyper, state: Tree, task: Task) -> Callable[[Any], np.ndarray]:
    """A deterministic policy on raw observations, in the environment's own action units, for use outside the suite."""
    spec, scaler = task.env.spec, task.scaler

    @jax.jit
    def act(state, obs):
        obs = obs if scaler is None else scaler(obs)
        action, _ = algorithm.policy(hyper, state).act(jax.random.key(0), first_steps(obs), ())
        return action if spec.discrete else unscale(spec, action)

    def policy(obs) -> np.ndarray:
        obs = np.asarray(obs, np.float32)
        if obs.shape[-1:] != (spec.obs,):
            raise InputError(
                f"observation of shape {obs.shape} for {spec.name}, which has {spec.obs} numbers in its last axis"
            )
        return np.asarray(act(state, obs))

    return policy


def unscale(spec: Spec, action):
    """Actions in [-1, 1] -> the environment's own units."""
    axes = (1,) * (action.ndim - 1) + (-1,)
    low, high = (jnp.asarray(bound).reshape(axes) for bound in (spec.low, spec.high))
    return low + (action + 1) / 2 * (high - low)


class Checkpoint(NamedTuple):
    """One evaluation of all members: returns [S, episodes], metrics and finite [S], seconds by kind."""

    update: int
    returns: np.ndarray
    metrics: Tree
    finite: np.ndarray
    seconds: dict[str, float]


class Trial(NamedTuple):
    """A card on an environment, compiled once and used for every dataset of the same shape."""

    algorithm: Algorithm
    training: Program
    evaluation: Compiled


@functools.lru_cache(maxsize=16)
def trial(name: str, spec: Spec, structure: tuple, batch: int, episodes: int, functions: tuple | None) -> Trial:
    """Programs for a card; `functions`: (reset, step) of a JAX environment, None for one on the host."""
    algorithm = make(name, spec, **dict(structure))
    training = program(algorithm, lambda dataset: logged(dataset, samplers.uniform(batch)))

    def returns(keys, hypers, state, params):
        env = Env(spec, params, *functions)

        def one(key, hyper, state):
            return rollout.evaluate(key, env, algorithm.policy(hyper, state), episodes)

        return jax.vmap(one, (0, 0, counters(state)))(keys, hypers, state)

    def actions(hypers, state, obs):
        def one(hyper, state, obs):
            return algorithm.policy(hyper, state).act(jax.random.key(0), first_steps(obs), ())[0]

        return jax.vmap(one, (0, counters(state), 0))(hypers, state, obs)

    return Trial(algorithm, training, Compiled(returns if functions else actions))


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
    **options,
) -> Result:
    """Train a card on a task for every hyperparameter record and seed at once, evaluating as it goes.

    hypers: stacked records from `grid`, default the card's numbers. seeds: how many (0, 1, ...), or a list of them.
    evaluate_every: updates between evaluations, default a tenth of all. batch: default the card's. options: any number,
    factory keyword or preparation option of the card. Raises InputError for bad input before any training.
    """
    compilation.keep()
    card = registry.card(name)
    task = tasks.load(task) if isinstance(task, str) else task
    check_actions(card, task.env.spec)
    chosen = settings(card, options, batch)
    checkpoints = stretches(positive("updates", updates), evaluate_every)
    seeds = chosen_seeds(seeds)
    hypers = chosen_hypers(card, chosen.numbers, hypers)
    ready = prepared(card, task, chosen)
    parts = trial(
        name, ready.env.spec, tuple(sorted(chosen.structure.items())), chosen.batch, episodes, functions(ready.env)
    )
    keys, members = member_keys(seeds, hypers)
    evaluate = evaluator(parts, ready, keys, members, seeds, positive("episodes", episodes))
    log: list[Checkpoint] = []
    state = None
    for stretch in drive(parts.training, keys, members, ready.dataset, checkpoints):
        log.append(evaluated(stretch, evaluate, parts))
        state = stretch.state
        if report:
            report(log[-1])
    return Result(card, ready, parts.algorithm, hypers, seeds, chosen, log, state)


def chosen_seeds(seeds: int | list[int]) -> list[int]:
    """0, 1, ... for a count, or the list itself; InputError for none, negative ones and repeated ones."""
    if isinstance(seeds, int | float):
        return list(range(positive("seeds", seeds)))
    found = [int(seed) for seed in seeds]
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise InputError(f"seeds are {found}; give at least one, none negative and none twice")
    return found


def chosen_hypers(card: Card, numbers: dict[str, float], hypers):
    """Stacked records: those given, else one of the card's numbers with the chosen ones replaced."""
    if hypers is None:
        return records.stack(card.hyper(**numbers))
    if numbers:
        raise InputError(f"{', '.join(numbers)} given both in hypers and as options; put every number into jaxrl.grid")
    if not isinstance(hypers, card.hyper):
        raise InputError(f"hypers are of {type(hypers).__module__}, not of card {card.name}; make them with jaxrl.grid")
    return jax.tree.map(lambda x: jnp.atleast_1d(jnp.asarray(x, jnp.float32)), hypers)


def stretches(updates: int, every: int | None) -> list[int]:
    """Counts of updates at which to evaluate; the last is `updates`."""
    every = max(updates // 10, 1) if every is None else positive("evaluate_every", every)
    return [*range(every, updates, every), updates]


def prepared(card: Card, task: Task, chosen: Settings) -> Task:
    """The task as the card wants it; InputError where there is no data or less than a batch."""
    if task.dataset is None:
        raise InputError(
            f"card {card.name} learns from data and task {task.name} has none; load a dataset with jaxrl.load"
        )
    if chosen.batch > size(task.dataset):
        raise InputError(
            f"batch of {chosen.batch} is larger than dataset {task.name} with {size(task.dataset)} steps; "
            "choose a smaller one"
        )
    return card.prepare(task, **chosen.preparation)


def functions(env) -> tuple | None:
    """What of a JAX environment is compiled into an evaluation; None for one on the host."""
    return (env.reset, env.step) if isinstance(env, Env) else None


def member_keys(seeds: list[int], hypers):
    """Keys [S] and hyperparameters [S] of the members, seeds fastest."""
    count = len(records.unstack(hypers))
    keys = jnp.stack([jax.random.key(seed) for seed in seeds] * count)
    return keys, jax.tree.map(lambda x: jnp.repeat(x, len(seeds)), hypers)


def evaluator(parts: Trial, task: Task, keys, hypers, seeds: list[int], episodes: int) -> Callable[[Tree], np.ndarray]:
    """state -> returns [S, episodes], in the compiled graph or on the host."""
    if isinstance(task.env, Env):
        k_eval = jax.vmap(lambda key: jax.random.fold_in(key, EVALUATION))(keys)
        return lambda state: np.asarray(parts.evaluation(k_eval, hypers, state, task.env.params))
    every_seed = seeds * (len(keys) // len(seeds))
    return lambda state: host.evaluate(
        task.env, lambda obs: parts.evaluation(hypers, state, jnp.asarray(obs)), every_seed, episodes
    )


def evaluated(stretch: Stretch, evaluate, parts: Trial) -> Checkpoint:
    """The stretch with its evaluation and the seconds that everything took."""
    before = parts.evaluation.seconds
    start = time.perf_counter()
    returns = evaluate(stretch.state)
    spent = time.perf_counter() - start
    compiling = parts.evaluation.seconds - before
    seconds = {
        "compile": stretch.compile_seconds + compiling,
        "train": stretch.seconds,
        "evaluate": spent - compiling,
    }
    return Checkpoint(stretch.update, returns, stretch.metrics, np.asarray(stretch.finite), seconds)
