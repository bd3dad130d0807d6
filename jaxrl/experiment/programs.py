"""A card on an environment as compiled programs: training of many members at once, and their evaluation."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxrl import registry
from jaxrl.acting import shown, spread
from jaxrl.core import hyper as records
from jaxrl.core.card import Card, check_actions
from jaxrl.core.check import InputError, known
from jaxrl.core.tree import counters
from jaxrl.core.types import Algorithm, Env, Given, HostEnv, Phase, Source, Spec, Task, Tree
from jaxrl.data import samplers
from jaxrl.evaluation import host, rollout
from jaxrl.experiment.options import Settings
from jaxrl.sources.logged import logged
from jaxrl.train import devices, hosted
from jaxrl.train.driver import Compiled, Program, Resume, Stretch, drive, program
from jaxrl.train.fit import SOUND

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

    success: [S, episodes], 0 to 1, None where the environment has no goal. diverged: [S], the update in which a member
    diverged, SOUND for none, 0 where it did so in a phase before the last; part: [S], which part did so first.
    places: [S], of these members in the whole sweep.
    """

    update: int
    returns: np.ndarray
    metrics: Tree
    finite: np.ndarray
    seconds: dict[str, float]
    success: np.ndarray | None = None
    diverged: np.ndarray | None = None
    part: np.ndarray | None = None
    places: np.ndarray | None = None


class Trial(NamedTuple):
    """A card on an environment, compiled once and used for every dataset of the same shape.

    algorithm: of the last phase. training: a compiled program for each phase, or pieces around an environment on the
    host. source: of a card that gathers experience. mesh: of the devices among which members are shared out.
    """

    algorithm: Algorithm
    training: tuple[Program, ...] | hosted.Program
    evaluation: Compiled
    source: Source | None
    mesh: Mesh | None = None

    @property
    def training_seconds(self) -> float:
        """Time spent compiling the training so far."""
        parts = (self.training,) if isinstance(self.training, hosted.Program) else self.training
        return sum(one.seconds for one in parts)


@functools.lru_cache(maxsize=16)
def trial(
    name: str, spec: Spec, structure: tuple, collection: tuple, batch: int, episodes: int, functions: tuple | None,
    mesh: Mesh | None = None,
) -> Trial:  # fmt: skip
    """Programs for a card; `functions`: (reset, step) of a JAX environment, None for one on the host.

    mesh: devices among which members are shared out; a card that learns from a host's environment uses one.
    """
    card, env = registry.card(name), Env(spec, (), *(functions or (None, None)))
    stages = phases(card, env, batch, dict(structure), dict(collection))
    algorithm = stages[-1].learner
    source = stages[-1].source(Given(None), None) if card.gathers else None
    training: tuple[Program, ...] | hosted.Program
    if source and not functions:
        training, mesh = hosted.program(algorithm, spec, source.experience), None
    else:
        training = tuple(program(phase, mesh) for phase in stages)

    def returns(keys, hypers, state, params):
        env = Env(spec, params, *functions)

        def one(key, hyper, state):
            return rollout.evaluate(key, env, algorithm.policy(hyper, state), episodes)

        return jax.vmap(one, (0, 0, counters(state)))(keys, hypers, state)

    def actions(keys, hypers, state, time, obs, reward, memory):
        def one(key, hyper, state, obs, reward, memory):
            return algorithm.policy(hyper, state).act(jax.random.fold_in(key, time), shown(obs, reward), memory)

        return jax.vmap(one, (0, 0, counters(state), 0, 0, 0))(keys, hypers, state, obs, reward, memory)

    one, common = (returns, (3,)) if functions else (actions, (3,))
    evaluation = Compiled(lambda *args: devices.split(mesh, one, args, common))
    return Trial(algorithm, training, evaluation, source, mesh)


def compiled(card: Card, env: Env | HostEnv, chosen: Settings, episodes: int) -> Trial:
    """`trial` of a card with chosen options in an environment, on all local devices."""
    static = (tuple(sorted(options.items())) for options in (chosen.structure, chosen.collection))
    return trial(card.name, env.spec, *static, chosen.batch, episodes, functions(env), devices.mesh())


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


class Members(NamedTuple):
    """Who is trained side by side: keys [S], stacked hyperparameters [S], the seed of each, [S] ints, and its place in
    the whole sweep, [S] ints."""

    keys: Any
    hypers: Any
    seeds: np.ndarray
    places: np.ndarray

    @property
    def size(self) -> int:
        """S."""
        return len(self.seeds)

    def take(self, index) -> "Members":
        """Those at the indices [n]."""
        return jax.tree.map(lambda x: x[index], self)


def members(seeds: list[int], hypers) -> Members:
    """A member for every hyperparameter record and seed, seeds fastest."""
    count = len(records.unstack(hypers))
    every = np.array(seeds * count)
    repeated = jax.tree.map(lambda x: jnp.repeat(x, len(seeds)), hypers)
    return Members(jnp.stack([jax.random.key(seed) for seed in every]), repeated, every, np.arange(len(every)))


def trained(
    training, who: Members, task: Task, checkpoints: list[int], resume: Resume | None = None
) -> Iterator[Stretch]:
    """Stretches of training on the task's data, or in its environment; `resume` as in `train.driver.drive`."""
    if isinstance(training, hosted.Program):
        return hosted.drive(training, who.keys, who.hypers, task.env, who.seeds.tolist(), checkpoints, resume)
    return drive(training, who.keys, who.hypers, given(task), checkpoints, resume)


def given(task: Task) -> Given:
    """What the task gives to a compiled run."""
    return Given(task.dataset, task.env.params if isinstance(task.env, Env) else ())


def functions(env) -> tuple | None:
    """What of a JAX environment is compiled into an evaluation; None for one on the host."""
    return (env.reset, env.step) if isinstance(env, Env) else None


def evaluator(parts: Trial, task: Task, who: Members, episodes: int) -> Callable[[Tree], tuple]:
    """state -> (returns, success or None), [S, episodes] each, in the compiled graph or on the host."""
    k_eval = devices.placed(parts.mesh, jax.vmap(lambda key: jax.random.fold_in(key, EVALUATION))(who.keys))
    if isinstance(task.env, Env):
        params = devices.placed(parts.mesh, task.env.params, common=True)
        return lambda state: (np.asarray(parts.evaluation(k_eval, who.hypers, state, params)), None)

    def on_host(state):
        times = itertools.count()
        first = lambda hyper, state: spread(parts.algorithm.policy(hyper, state).start(), (episodes,))

        def act(obs, reward, memory):
            return parts.evaluation(k_eval, who.hypers, state, np.int32(next(times)), jnp.asarray(obs), reward, memory)

        player = host.Player(lambda: jax.vmap(first, (0, counters(state)))(who.hypers, state), act)
        outcome = host.rollouts(task.env, player, who.seeds.tolist(), episodes)
        return outcome.returns, outcome.success

    return on_host


def evaluated(stretch: Stretch, evaluate, parts: Trial, blame: "Blame", who: Members) -> Checkpoint:
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
    metrics, finite = jax.tree.map(np.asarray, (stretch.metrics, stretch.finite))
    return Checkpoint(stretch.update, returns, metrics, finite, seconds, success, *blame.so_far(), who.places)


class Blame:
    """When and where members diverged, learned from one stretch after another; `phases`: names, in a plan's order."""

    def __init__(self, count: int, phases: tuple[str, ...] = ("",)):
        self._update, self._part = np.full(count, SOUND), np.full(count, "", object)
        self._phases = phases

    def add(self, stretch: Stretch) -> None:
        """Learn of those that diverged in the stretch; parts of a phase before the last are named with the phase."""
        at = np.asarray(stretch.progress.diverged)
        bad = (at >= 0) | ~np.asarray(stretch.finite)
        names = np.full(len(at), "parameters", object)
        for path, share in jax.tree_util.tree_leaves_with_path(stretch.metrics):
            if getattr(path[-1], "key", None) == "diverged":
                found = np.asarray(share).reshape(len(at), -1).max(-1, initial=0.0) > 0
                names[found] = ".".join(str(getattr(one, "key", one)) for one in path[:-1])
        new = bad & (self._update == SOUND)
        self._update[new] = np.where(at >= 0, at, stretch.update)[new] if stretch.last else 0
        self._part[new] = names[new] if stretch.last else [f"{self._phases[stretch.place]}.{one}" for one in names[new]]

    def so_far(self) -> tuple[np.ndarray, np.ndarray]:
        """Updates [S] at which members diverged, SOUND for none, 0 for phases before the last; and parts [S]."""
        return self._update.copy(), self._part.astype(str)

    def set(self, update, part) -> None:
        """What was known when the run was stopped."""
        self._update, self._part = np.array(update), np.array(part, object)
