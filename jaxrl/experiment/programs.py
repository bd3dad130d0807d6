"""A card on an environment as compiled programs: training of many members at once, and their evaluation."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import registry
from jaxrl.acting import shown, spread
from jaxrl.core import hyper as records
from jaxrl.core.card import Card, check_actions
from jaxrl.core.check import InputError, known
from jaxrl.core.tree import counters
from jaxrl.core.types import Algorithm, Env, Given, Phase, Source, Spec, Task, Tree
from jaxrl.data import samplers
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


def trained(
    training, keys, hypers, task: Task, seeds: list[int], checkpoints: list[int], start: Callable | None = None
) -> Iterator[Stretch]:
    """Stretches of training on the task's data, or in its environment; `start` as in `train.driver.drive`."""
    if isinstance(training, hosted.Program):
        every_seed = seeds * (len(keys) // len(seeds))
        return hosted.drive(training, keys, hypers, task.env, every_seed, checkpoints, start)
    params = task.env.params if isinstance(task.env, Env) else ()
    return drive(training, keys, hypers, Given(task.dataset, params), checkpoints, start)


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
