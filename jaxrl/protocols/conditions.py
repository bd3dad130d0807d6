"""What the protocols that hold something out share: data recorded under some parameters of an environment, learners
trained once and evaluated under several, and the proof that what is tested was not trained on."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import acting, registry
from jaxrl.core import compilation
from jaxrl.core.card import check_actions
from jaxrl.core.check import InputError, positive
from jaxrl.core.types import Dataset, Env, Policy, Reference, Spec, Task
from jaxrl.data.dataset import Arrays, fingerprint, from_arrays
from jaxrl.experiment import programs
from jaxrl.experiment.options import chosen_hypers, chosen_seeds, prepared, settings, stretches

EPISODES = 256
"""Recorded by one call of the compiled program."""


class Outcomes(NamedTuple):
    """updates: [C], of the checkpoints. returns: condition -> undiscounted returns [K, C, episodes] of K seeds."""

    updates: np.ndarray
    returns: dict[str, np.ndarray]

    def mean(self, condition: str) -> np.ndarray:
        """Mean return of each seed at each checkpoint, [K, C]."""
        return self.returns[condition].mean(-1)


def evaluated(
    name: str,
    task: Task,
    conditions: Mapping[str, Any],
    *,
    seeds: int | list[int] = 5,
    updates: int = 5_000,
    evaluate_every: int | None = None,
    episodes: int = 50,
    batch: int | None = None,
    **options,
) -> Outcomes:
    """Train a card's members once and evaluate them, at every checkpoint, under each condition.

    conditions: name -> what takes the place of the environment's `params`. Those of the same shapes share one compiled
    program. Other arguments as for `jaxrl.sweep`. Raises InputError for bad input and environments on the host.
    """
    compilation.keep()
    card = registry.card(name)
    check_actions(card, task.env.spec)
    if not isinstance(task.env, Env):
        raise InputError(f"{task.env.spec.name} runs on the host; conditions are parameters of an environment in JAX")
    if not conditions:
        raise InputError("an empty table of conditions; give at least one")
    chosen = settings(card, options, batch)
    checkpoints = stretches(positive("updates", updates), evaluate_every, card.online)
    ready = prepared(card, task, chosen)
    under = {key: prepared(card, with_params(task, params), chosen) for key, params in conditions.items()}
    parts = programs.compiled(card, ready.env, chosen, positive("episodes", episodes))
    who = programs.members(chosen_seeds(seeds), chosen_hypers(card, chosen.numbers, None))
    evaluators = {key: programs.evaluator(parts, one, who, episodes) for key, one in under.items()}
    found: dict[str, list] = {key: [] for key in conditions}
    for stretch in programs.trained(parts.training, who, ready, checkpoints):
        if stretch.last:
            for key, evaluate in evaluators.items():
                found[key].append(evaluate(stretch.state)[0])
    return Outcomes(np.array(checkpoints), {key: np.stack(values, 1) for key, values in found.items()})


def with_params(task: Task, params) -> Task:
    """The task with other parameters of its environment, which is in JAX."""
    assert isinstance(task.env, Env)
    return task._replace(env=task.env._replace(params=params))


def reference(env: Env, low: Policy, high: Policy, episodes: int = 500) -> Reference:
    """Mean returns of two policies in the environment as it is: scores 0 and 100. InputError unless low < high.

    Policies that are the same objects at every call need no new program.
    """
    first, second = (float(acting.evaluate(one, env, jax.random.key(0), episodes).mean()) for one in (low, high))
    if not first < second:
        raise InputError(
            f"reference returns in {env.spec.name} are {first:g} and {second:g}; the second must be higher"
        )
    return Reference(first, second, "expert", f"means of {episodes} episodes of random actions and of the expert")


def recorded(key, env: Env, policy: Policy, steps: int) -> Dataset:
    """So many steps of a policy, as it runs with the environment's `params`; the last episode may be cut."""
    run = _recorder((env.reset, env.step), env.spec, policy)
    positive("steps", steps)
    pieces, count = [], 0
    while count < steps:
        keys = jax.random.split(jax.random.fold_in(key, len(pieces)), EPISODES)
        *columns, alive = (np.asarray(x) for x in run(keys, env.params))
        pieces.append([x[alive > 0] for x in columns])
        count += len(pieces[-1][0])
    obs, action, reward, following, terminated, truncated = (
        np.concatenate(x)[:steps] for x in zip(*pieces, strict=True)
    )
    truncated[-1] = max(truncated[-1], 1 - terminated[-1])
    last = (terminated + truncated) > 0
    return from_arrays(Arrays(obs, action, reward, following, terminated > 0, truncated > 0, last))


@functools.lru_cache(maxsize=16)
def _recorder(functions: tuple, spec: Spec, policy: Policy):
    """(keys [N], params) -> N episodes; compiled once for the same functions."""
    env = Env(spec, (), *functions)
    return jax.jit(jax.vmap(lambda key, params: _episode(key, env, policy, params), (0, None)))


def _episode(key, env: Env, policy: Policy, params):
    """One episode: (obs, action, reward, next_obs, terminated, truncated, alive), leaves [T, ...]."""
    k_reset, k_steps = jax.random.split(key)
    state, timestep = env.reset(k_reset, params)

    def one(carry, index):
        state, timestep, memory, alive = carry
        k_act, k_step = jax.random.split(jax.random.fold_in(k_steps, index))
        action, memory = policy.act(k_act, timestep, memory)
        state, after = env.step(k_step, params, state, action)
        row = timestep.obs, action, after.reward, after.obs, after.terminated, after.truncated, alive
        return (state, after, memory, alive * (1 - jnp.maximum(after.terminated, after.truncated))), row

    start = state, timestep, policy.start(), jnp.float32(1)
    return jax.lax.scan(one, start, jnp.arange(env.spec.horizon))[1]


def task(name: str, env: Env, dataset: Dataset, reference: Reference) -> Task:
    """A task in memory."""
    return Task(name, env, dataset, (reference,), None, fingerprint(dataset))


def hashes(goals) -> set[str]:
    """A hash for every different row of the goals [N, ...], by the bytes of its numbers as float32."""
    rows = np.asarray(goals, np.float32).reshape(len(goals), -1)
    # Minus nought equals nought but has other bytes.
    unique = np.unique(rows + np.float32(0), axis=0)
    return {hashlib.sha256(np.ascontiguousarray(row).tobytes()).hexdigest() for row in unique}


def check_apart(what: str, parts: Mapping[str, Iterable]) -> None:
    """InputError where two of the named lists of goals have one in common, or one is empty."""
    known: dict[str, str] = {}
    for name, goals in parts.items():
        listed = list(goals)
        if not listed:
            raise InputError(f"{name} {what} are none; give at least one")
        for one in listed:
            (code,) = hashes([one])
            if known.setdefault(code, name) != name:
                raise InputError(f"{what[:-1]} {one} is both in {known[code]} and in {name}; keep it in one of them")
