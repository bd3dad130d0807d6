"""Policy-Guided Diffusion: what guidance does to made trajectories, and to the actors that learn from them.

One generator for each seed serves all rows, on raw observations and rewards. Likelihood and error are those of windows
made for an IQL actor: the mean log-density of its actions, and the squared error of each made successor against the
true one of that state and action, per dimension. The ensemble's error is that of its rollouts of the same length with
the same actor from logged states.
"""

import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl import experiment, registry
from jaxrl.algorithms.model_based import mopo
from jaxrl.compose import guided
from jaxrl.core import hyper as records
from jaxrl.core.tree import counters
from jaxrl.core.types import Given, Policy, Task, Transition
from jaxrl.data import windows
from jaxrl.envs.control import State
from jaxrl.networks.temporal import temporal_unet
from jaxrl.sources.imagined import rollout
from jaxrl.train.driver import Program, program

MAZE = "embedded/pointmaze-umaze-medium-v0"
WINDOW, LEVELS, COUNT, WIDTH, BLOCKS = 16, 32, 1024, 32, 2
PLAN = {
    "window": WINDOW, "stride": 4, "generator_width": WIDTH, "blocks": BLOCKS, "generator_updates": 20_000,
    "levels": LEVELS, "made": COUNT, "chunk": COUNT, "lifetime": 1_000, "width": 32,
}  # fmt: skip
MODEL = {"width": 64, "depth": 3, "members": 3, "elites": 2}
RATES = {"actor_lr": 1e-3, "critic_lr": 1e-3}
STILL = {"churn": 0.0}
NUMBERS = {"pgd": RATES, "pgd_iql": {**RATES, "value_lr": 1e-3}}
PARENT = {"pgd": "td3_bc", "pgd_iql": "iql"}
UPDATES, BATCH, EPISODES = 4_000, 64, 20
STRENGTHS = (0.0, 0.5, 1.0, 2.0)


class Trained(NamedTuple):
    """Generators of all seeds and what they were trained on; leaves of `states` [S, ...]."""

    task: Any
    given: Given
    keys: Any
    states: Any


@functools.cache
def stages(card: str, task_name: str) -> tuple[Task, experiment.Trial]:
    """A task and a plan's programs on it, compiled once."""
    task = jaxrl.load(task_name)
    structure, functions = tuple(sorted(PLAN.items())), (task.env.reset, task.env.step)
    return task, experiment.trial(card, task.env.spec, structure, (), BATCH, EPISODES, functions)


def trained(task_name: str, seeds: int) -> Trained:
    """One generator for each seed."""
    task, parts = stages("pgd", task_name)
    keys = jnp.stack([jax.random.key(seed) for seed in range(seeds)])
    given = Given(task.dataset, task.env.params)
    return Trained(task, given, keys, finished(parts.training[0], keys, members("pgd", seeds), given, {}))


def members(card: str, seeds: int, **numbers):
    """The card's record for every seed."""
    return records.stack(*[registry.card(card).hyper(**NUMBERS[card], **{**STILL, **numbers})] * seeds)


def finished(one: Program, keys, hypers, given: Given, earlier, updates: int | None = None):
    """States of all members after a phase."""
    steps = jnp.asarray(updates or one.phase.updates, jnp.int32)
    return one.advance(keys, hypers, one.begin(keys, hypers, given, earlier), given, steps)[0].state


def scores(card: str, start: Trained, strength: float) -> np.ndarray:
    """Normalised scores [S] of the card's actor at that strength of guidance."""
    task, parts = stages(card, start.task.name)
    hypers = members(card, len(start.keys), guidance=strength)
    state = finished(parts.training[1], start.keys, hypers, start.given, {"generator": start.states}, UPDATES)
    returns = np.asarray(parts.evaluation(start.keys, hypers, state, task.env.params)).mean(-1)
    return task.references[0].score(returns)


def real(card: str, start: Trained) -> tuple[np.ndarray, Any]:
    """Scores and states of the actor on logged steps alone."""
    task, functions = start.task, (start.task.env.reset, start.task.env.step)
    parts = experiment.trial(PARENT[card], task.env.spec, (("width", 32),), (), BATCH, EPISODES, functions)
    hypers = records.stack(*[registry.card(PARENT[card]).hyper(**NUMBERS[card])] * len(start.keys))
    state = finished(parts.training[0], start.keys, hypers, start.given, {}, UPDATES)
    returns = np.asarray(parts.evaluation(start.keys, hypers, state, task.env.params)).mean(-1)
    return task.references[0].score(returns), state


def error(env, steps: Transition):
    """Mean squared error of successors [..., D] against those of the environment; scalar."""
    flat = lambda x: x.reshape(-1, x.shape[-1])
    true = lambda obs, action: env.step(jax.random.key(0), env.params, State(obs, jnp.int32(0)), action)[1].obs
    after = jax.vmap(true)(flat(steps.obs), flat(jnp.clip(steps.action, -1, 1)))
    return jnp.square(after - flat(steps.next_obs)).mean()


def measured(env, policy: Policy, steps: Transition):
    """(mean log-density of actions, error of successors)."""
    return policy.log_prob(steps.obs, steps.action).mean(), error(env, steps)


def guided_windows(start: Trained, actors):
    """strength -> (mean log-density, error) of windows made for IQL actors, [S] each."""
    env, parts = start.task.env, stages("pgd_iql", start.task.name)[1]
    columns = windows.columns(env.spec)
    network = temporal_unet(columns, width=WIDTH, blocks=BLOCKS)
    model = guided.model(network, WINDOW, columns, updates=1, levels=LEVELS)
    scaler = windows.find(start.given.dataset, WINDOW, PLAN["stride"]).scaler

    def one(key, hyper, params, actor):
        policy = parts.algorithm.explore(hyper, actor)
        rows = guided.made(key, hyper, model, params, scaler, env.spec, policy, guided.Rule(), COUNT, COUNT)
        return measured(env, policy, windows.transitions(scaler, rows, env.spec))

    every = jax.jit(jax.vmap(one, (0, 0, 0, counters(actors))))
    strong = lambda strength: members("pgd_iql", len(start.keys), guidance=strength)
    params = start.states.target["denoiser"]
    return lambda strength: jax.device_get(every(start.keys, strong(strength), params, actors))


def ensemble_rollouts(start: Trained, actors):
    """(mean log-density, error) of rollouts of the actors in learned ensembles from logged states, [S] each."""
    env, parts = start.task.env, stages("pgd_iql", start.task.name)[1]
    model, phase = mopo.learned(env, 256, 3_000, **MODEL)
    hypers = records.stack(*[mopo.Hyper()] * len(start.keys))
    states = finished(program(phase), start.keys, hypers, start.given, {})
    actor_hypers = members("pgd_iql", len(start.keys))

    def one(key, hyper, state, actor_hyper, actor):
        policy = parts.algorithm.explore(actor_hyper, actor)
        obs = start.given.dataset.steps.obs
        obs = obs[jax.random.randint(key, (COUNT,), 0, obs.shape[0])]
        imagine = lambda key, obs, action: model.predict(key, hyper, state, obs, action)
        return measured(env, policy, rollout(key, imagine, policy, obs, WINDOW - 1))

    every = jax.jit(jax.vmap(one, (0, 0, counters(states), 0, counters(actors))))
    return jax.device_get(every(start.keys, hypers, states, actor_hypers, actors))


def quality(start: Trained, actors) -> list[Effect]:
    """Likelihood from one strength to the next, and error beside the ensemble's."""
    made = guided_windows(start, actors)
    found = {strength: made(strength) for strength in STRENGTHS}
    likelihood = "log-density of made actions under the actor"
    effects = [
        Effect(f"pgd_iql, guidance {b:g}", f"guidance {a:g}", start.task.name, likelihood, found[b][0], found[a][0])
        for a, b in itertools.pairwise(STRENGTHS)
    ]
    theirs = ensemble_rollouts(start, actors)
    name, measure = "ensemble's rollouts", "squared error of made successors"
    effects += [
        Effect(f"pgd_iql, guidance {one:g}", name, start.task.name, measure, found[one][1], theirs[1], higher=False)
        for one in STRENGTHS
    ]
    return effects


def actors(card: str, start: Trained, logged, strength: float = 1.0) -> list[Effect]:
    """Scores on guided windows beside those on unguided ones and on logged steps."""
    parents = {f"{card}, guidance 0": scores(card, start, 0.0), PARENT[card]: logged}
    ours = scores(card, start, strength)
    return [Effect(card, name, start.task.name, "score", ours, theirs) for name, theirs in parents.items()]


def measure(seeds: int) -> list[Effect]:
    """All of this module."""
    start = trained(MAZE, seeds)
    (by_iql, states), (by_td3, _) = real("pgd_iql", start), real("pgd", start)
    return [*quality(start, states), *actors("pgd_iql", start, by_iql), *actors("pgd", start, by_td3)]
