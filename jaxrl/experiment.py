"""What people call: make an algorithm, grid its numbers, sweep seeds and numbers in one compiled call."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import registry, tasks
from jaxrl.acting import Actor, shown, spread
from jaxrl.core import compilation
from jaxrl.core import hyper as records
from jaxrl.core.card import Card, check_actions
from jaxrl.core.check import InputError, known, positive
from jaxrl.core.tree import counters
from jaxrl.core.types import Algorithm, Earlier, Env, Given, Phase, Source, Spec, Task, Tree
from jaxrl.data import samplers
from jaxrl.data.dataset import size
from jaxrl.evaluation import host, rollout
from jaxrl.sources.logged import logged
from jaxrl.train import hosted
from jaxrl.train.driver import Compiled, Program, Stretch, drive, program

EVALUATION = 2**31 - 2
"""Folded into a seed's key for its evaluation episodes, which are the same at every checkpoint."""


def make(name: str, spec: Spec, **structure) -> Algorithm:
    """The algorithm of a card for an environment's spec, as pure functions; `structure`: its factory's keywords."""
    card = registry.card(name)
    check_actions(card, spec)
    if card.kind == "plan":
        raise InputError(f"card {name} is a plan of several learners; train it with jaxrl.sweep({name!r}, task)")
    for keyword in structure:
        known(f"keyword of {name}", keyword, card.structure())
    return card.make(spec, **structure)


def grid(name: str, **values):
    """A card's hyperparameters for every combination of the listed values, stacked; the last name varies fastest."""
    return records.grid(registry.card(name).hyper, **values)


class Settings(NamedTuple):
    """A card's options sorted by what they change: the data, the program, the numbers, how experience is gathered.

    batch: rows of a drawn batch; 0 where a card learns from whole rollouts.
    """

    preparation: dict[str, Any]
    structure: dict[str, Any]
    numbers: dict[str, float]
    collection: dict[str, Any]
    batch: int


def settings(card: Card, options: dict[str, Any], batch: int | None = None) -> Settings:
    """Options by name, each to where the card takes it; InputError that suggests the nearest for an unknown one."""
    places = card.preparation(), card.structure(), card.numbers(), card.collection()
    names = {name for place in places for name in place}
    for name in options:
        known(f"setting of {card.name}", name, names)
    chosen = [{name: typed(name, options[name], place[name]) for name in options if name in place} for place in places]
    for name, value in {**chosen[1], **chosen[3]}.items():
        if isinstance(value, int) and not isinstance(value, bool) and name not in ("depth", "warmup"):
            positive(f"setting {name}", value)
    if card.batch == 0 and batch is not None:
        raise InputError(f"card {card.name} learns from whole rollouts; set envs and length instead of batch={batch!r}")
    return Settings(*chosen, batch=card.batch if batch is None else positive("batch", batch))


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

    updates: [C]. env_steps: [C], environment steps that a member took so far; 0 where it learns from data.
    episode_returns: [H, K, C, episodes], undiscounted, in the environment's own rewards.
    success: as far as each episode reached its goal, the same shape, 0 to 1; None where the environment has none.
    returns: mean returns, [H, K, C]. scores: normalized by the task's ranking reference where it has one, else returns.
    diverged: [H, K, C], whether any parameter was not finite. metrics: losses by part, [H, K, C].
    seconds: compile, train and evaluate, of the whole sweep, [C] each.
    earlier: states of the phases of a plan before its last, by name, leaves [H * K, ...].
    """

    def __init__(self, card, task, algorithm, hypers, seeds, chosen, log, state, source=None, earlier={}):
        self.card, self.task, self.hypers, self.seeds, self.settings = card, task, hypers, seeds, chosen
        self._algorithm, self._state, self.earlier = algorithm, state, earlier
        shape = (len(records.unstack(hypers)), len(seeds))
        gather = functools.partial(_gather, shape, log)
        self.updates = np.array([one.update for one in log])
        self.env_steps = self.updates * source.cost + source.before if source else 0 * self.updates
        self.episode_returns = gather(lambda one: one.returns)
        self.success = None if log[0].success is None else gather(lambda one: one.success)
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

    def policy(self, hyper: int = 0, seed: int = 0) -> Actor:
        """The trained policy of one member: observations [D] or [N, D] as the environment gives them -> its actions."""
        count = len(self.seeds)
        member = range(len(records.unstack(self.hypers)) * count)[hyper * count + range(count)[seed]]
        state = jax.tree_util.tree_map_with_path(
            lambda path, x: x if getattr(path[-1], "name", None) == "step" else x[member], self._state
        )
        own = records.unstack(self.hypers)[hyper]
        return Actor(self._algorithm, own, state, self.task)


def _gather(shape, log, read, values=None):
    """Per-checkpoint arrays [H * K, ...] -> [H, K, C, ...]."""
    values = [read(one) for one in log] if values is None else values
    stacked = np.stack([np.asarray(x) for x in values], 1)
    return stacked.reshape(*shape, *stacked.shape[1:])


class Checkpoint(NamedTuple):
    """One evaluation of all members: returns [S, episodes], metrics and finite [S], seconds by kind.

    success: [S, episodes], 0 to 1, None where the environment has no goal.
    """

    update: int
    returns: np.ndarray
    metrics: Tree
    finite: np.ndarray
    seconds: dict[str, float]
    success: np.ndarray | None = None


class Trial(NamedTuple):
    """A card on an environment, compiled once and used for every dataset of the same shape.

    algorithm: of the last phase. training: a compiled program for each phase, or pieces around an environment on the
    host. source: of a card that gathers experience.
    """

    algorithm: Algorithm
    training: tuple[Program, ...] | hosted.Program
    evaluation: Compiled
    source: Source | None


@functools.lru_cache(maxsize=16)
def trial(
    name: str, spec: Spec, structure: tuple, collection: tuple, batch: int, episodes: int, functions: tuple | None
) -> Trial:
    """Programs for a card; `functions`: (reset, step) of a JAX environment, None for one on the host."""
    card, env = registry.card(name), Env(spec, (), *(functions or (None, None)))
    stages = phases(card, env, batch, dict(structure), dict(collection))
    algorithm = stages[-1].learner
    source = stages[-1].source(Given(None), None) if card.gathers else None
    training: tuple[Program, ...] | hosted.Program
    if source and not functions:
        training = hosted.program(algorithm, spec, source.experience)
    else:
        training = tuple(program(phase) for phase in stages)

    def returns(keys, hypers, state, params):
        env = Env(spec, params, *functions)

        def one(key, hyper, state):
            return rollout.evaluate(key, env, algorithm.policy(hyper, state), episodes)

        return jax.vmap(one, (0, 0, counters(state)))(keys, hypers, state)

    def actions(keys, hypers, state, time, obs, reward, memory):
        def one(key, hyper, state, obs, reward, memory):
            return algorithm.policy(hyper, state).act(jax.random.fold_in(key, time), shown(obs, reward), memory)

        return jax.vmap(one, (0, 0, counters(state), 0, 0, 0))(keys, hypers, state, obs, reward, memory)

    return Trial(algorithm, training, Compiled(returns if functions else actions), source)


def phases(card: Card, env: Env, batch: int, structure: dict, collection: dict) -> tuple[Phase, ...]:
    """What a card goes through in an environment, whose params are left to what the run is given."""
    if card.kind == "plan":
        return card.make(env, batch, **structure)
    size = (batch,) if batch else ()

    def gathered(given, stock):
        return card.collect(env._replace(params=given.params), *size, **collection)

    def drawn(given, stock):
        return (card.collect or even)(given.dataset, *size, **collection)

    source = gathered if card.kind == "online" else drawn
    return (Phase(card.name, make(card.name, env.spec, **structure), source),)


def even(dataset, batch: int) -> Source:
    """Steps of the data, each as likely as any other."""
    return logged(dataset, samplers.uniform(batch))


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

    task: of `jaxrl.load`, or the id of a dataset; for an online card, of an environment.
    hypers: stacked records from `grid`, default the card's numbers. seeds: how many (0, 1, ...), or a list of them.
    evaluate_every: updates between evaluations, default a tenth of all. batch: default the card's. options: any number,
    factory keyword or preparation option of the card. Raises InputError for bad input before any training.
    """
    compilation.keep()
    card = registry.card(name)
    task = tasks.load(task) if isinstance(task, str) else task
    check_actions(card, task.env.spec)
    chosen = settings(card, options, batch)
    checkpoints = stretches(positive("updates", updates), evaluate_every, card.online)
    seeds = chosen_seeds(seeds)
    hypers = chosen_hypers(card, chosen.numbers, hypers)
    ready = prepared(card, task, chosen)
    static = (tuple(sorted(options.items())) for options in (chosen.structure, chosen.collection))
    parts = trial(name, ready.env.spec, *static, chosen.batch, episodes, functions(ready.env))
    keys, members = member_keys(seeds, hypers)
    evaluate = evaluator(parts, ready, keys, members, seeds, positive("episodes", episodes))
    log: list[Checkpoint] = []
    state: Tree = None
    earlier: Earlier = {}
    for stretch in trained(parts.training, keys, members, ready, seeds, checkpoints):
        log.append(evaluated(stretch, evaluate, parts))
        state, earlier = stretch.state, stretch.earlier
        if report:
            report(log[-1])
    return Result(card, ready, parts.algorithm, hypers, seeds, chosen, log, state, parts.source, earlier)


def trained(
    training, keys, hypers, task: Task, seeds: list[int], checkpoints: list[int], start: Callable | None = None
) -> Iterator[Stretch]:
    """Stretches of training on the task's data, or in its environment; `start` as in `train.driver.drive`."""
    if isinstance(training, hosted.Program):
        every_seed = seeds * (len(keys) // len(seeds))
        return hosted.drive(training, keys, hypers, task.env, every_seed, checkpoints, start)
    params = task.env.params if isinstance(task.env, Env) else ()
    return drive(training, keys, hypers, Given(task.dataset, params), checkpoints, start)


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


def stretches(updates: int, every: int | None, first: bool = False) -> list[int]:
    """Counts of updates at which to evaluate; the last is `updates`, the `first` perhaps none."""
    every = max(updates // 10, 1) if every is None else positive("evaluate_every", every)
    return [*[0][: int(first)], *range(every, updates, every), updates]


def prepared(card: Card, task: Task, chosen: Settings) -> Task:
    """The task as the card wants it; InputError where there is no data or less than a batch.

    An online card gets the task's environment without its data. InputError too for a plan that gathers experience
    where the environment is on the host.
    """
    if card.kind == "online":
        return card.prepare(task._replace(dataset=None, version=""), **chosen.preparation)
    if card.online and not isinstance(task.env, Env):
        raise InputError(
            f"card {card.name} gathers experience inside the compiled program, but {task.env.spec.name} runs on the "
            "host here; use a task whose environment is in JAX, or an accelerator"
        )
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


def evaluator(parts: Trial, task: Task, keys, hypers, seeds: list[int], episodes: int) -> Callable[[Tree], tuple]:
    """state -> (returns, success or None), [S, episodes] each, in the compiled graph or on the host."""
    k_eval = jax.vmap(lambda key: jax.random.fold_in(key, EVALUATION))(keys)
    if isinstance(task.env, Env):
        return lambda state: (np.asarray(parts.evaluation(k_eval, hypers, state, task.env.params)), None)
    every_seed = seeds * (len(keys) // len(seeds))

    def on_host(state):
        times = itertools.count()
        first = lambda hyper, state: spread(parts.algorithm.policy(hyper, state).start(), (episodes,))

        def act(obs, reward, memory):
            return parts.evaluation(k_eval, hypers, state, np.int32(next(times)), jnp.asarray(obs), reward, memory)

        player = host.Player(lambda: jax.vmap(first, (0, counters(state)))(hypers, state), act)
        outcome = host.rollouts(task.env, player, every_seed, episodes)
        return outcome.returns, outcome.success

    return on_host


def evaluated(stretch: Stretch, evaluate, parts: Trial) -> Checkpoint:
    """The stretch with its evaluation and the seconds that everything took."""
    before = parts.evaluation.seconds
    start = time.perf_counter()
    returns, success = evaluate(stretch.state)
    spent = time.perf_counter() - start
    compiling = parts.evaluation.seconds - before
    seconds = {
        "compile": stretch.compile_seconds + compiling,
        "train": stretch.seconds,
        "evaluate": spent - compiling,
    }
    return Checkpoint(stretch.update, returns, stretch.metrics, np.asarray(stretch.finite), seconds, success)
