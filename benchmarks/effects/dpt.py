"""DPT on bandits it has never met: regret near Thompson sampling's; late regret below that of the best arm so far.

Two arms with means uniform on [0, 1], noise of 0.5, 50 pulls. The greedy player, who explores once, is ahead at first
and is then held by its bad starts, so late pulls tell the two apart; summed regret would after twice as many.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.effects.effect import Effect
from jaxrl import registry
from jaxrl.core import hyper as records
from jaxrl.core.types import Env, Given
from jaxrl.envs import bandits
from jaxrl.experiment import phases
from jaxrl.train.driver import drive, program

ARMS, PULLS, LATE, STD = 2, 50, 20, 0.5
TASKS, UPDATES, BATCH, EPISODES = 10_000, 1_500, 32, 300
SIZE = {"width": 16, "blocks": 2, "window": PULLS}
MARGIN = 1.2
"""Of the specification: DPT's regret is to be at most so many times Thompson sampling's."""


def environment() -> Env:
    """The bandits that all play."""
    return bandits.bandits(ARMS, PULLS)._replace(params=bandits.Noise(STD))


def regrets(seed, policy):
    """(summed, late) mean regret of a player; all players meet the bandits of a seed."""
    key = jax.random.fold_in(jax.random.key(1), seed)
    found = bandits.played(key, environment(), policy, EPISODES).regret.mean(0)
    return found.sum(), found[-LATE:].sum()


def learned(card: str, player, seeds, updates: int, sizes: dict, **numbers):
    """(summed, late) regrets, [seeds] each, of a card trained on histories of a player."""
    entry, env = registry.card(card), environment()
    data = bandits.histories(jax.random.key(0), env, player, TASKS)
    stages = phases(entry, env._replace(params=()), BATCH, sizes, {})
    keys, hyper = jnp.stack([jax.random.key(seed) for seed in seeds]), entry.hyper(**numbers)
    given, hypers = Given(data, env.params), records.stack(*[hyper] * len(seeds))
    *_, last = drive([program(stages[0])], keys, hypers, given, [updates])

    def one(seed, params):
        return regrets(seed, stages[0].learner.policy(hyper, last.state._replace(params=params)))

    return jax.device_get(jax.jit(jax.vmap(one))(jnp.asarray(seeds), last.state.params))


def pretrained(seeds, updates: int = UPDATES):
    """(summed, late) regrets, [seeds] each, of transformers trained on labelled contexts of random play."""
    return learned("dpt", bandits.spiked(ARMS), seeds, updates, SIZE)


def known(seeds, policy):
    """(summed, late) regrets, [seeds] each, of a player that is not trained."""
    return jax.device_get(jax.jit(jax.vmap(functools.partial(regrets, policy=policy)))(jnp.asarray(seeds)))


def measure(seeds: int) -> list[Effect]:
    """DPT against Thompson sampling, as it is and with the margin, and against the greedy player."""
    every = list(range(seeds))
    system, late = pretrained(every)
    thompson, _ = known(every, bandits.thompson(ARMS, STD))
    _, greedy = known(every, bandits.empirical(ARMS))
    task, lower = f"bandits, {ARMS} arms, noise {STD}", {"higher": False}
    summed = f"regret of {PULLS} pulls"
    return [
        Effect("dpt", f"{MARGIN} x Thompson sampling", task, summed, system, MARGIN * np.asarray(thompson), **lower),
        Effect("dpt", "Thompson sampling", task, summed, system, thompson, expected="equal", **lower),
        Effect("dpt", "empirical mean", task, f"regret of the last {LATE} pulls", late, greedy, **lower),
    ]
