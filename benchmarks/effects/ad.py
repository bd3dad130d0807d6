"""Algorithm Distillation on bandits it has never met: regret near that of the player whose histories it has cloned.

A clone without a memory pulls the same arm in every bandit, the one that the player pulled more often over all of them.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.effects.dpt import ARMS, MARGIN, PULLS, STD, TASKS, environment, known, regrets
from benchmarks.effects.effect import Effect
from jaxrl import registry
from jaxrl.core import hyper as records
from jaxrl.core.types import Given
from jaxrl.envs import bandits
from jaxrl.experiment import phases
from jaxrl.train.driver import drive, program

UPDATES, BATCH = 2_000, 32
SIZE = {"width": 16, "blocks": 2, "heads": 1, "window": PULLS}
NUMBERS = {"actor_lr": 3e-3}


def distilled(card: str, seeds, updates: int = UPDATES, **numbers):
    """Summed regrets [seeds] of a card trained on histories of Thompson sampling."""
    entry, env = registry.card(card), environment()
    data = bandits.histories(jax.random.key(0), env, bandits.thompson(ARMS, STD), TASKS)
    sizes = SIZE if entry.kind == "plan" else {"width": 16}
    stages = phases(entry, env._replace(params=()), BATCH, sizes, {})
    keys, hyper = jnp.stack([jax.random.key(seed) for seed in seeds]), entry.hyper(**numbers)
    given, hypers = Given(data, env.params), records.stack(*[hyper] * len(seeds))
    *_, last = drive([program(stages[0])], keys, hypers, given, [updates])

    def one(seed, params):
        return regrets(seed, stages[0].learner.explore(hyper, last.state._replace(params=params)))

    return np.asarray(jax.device_get(jax.jit(jax.vmap(one))(jnp.asarray(seeds), last.state.params))[0])


def measure(seeds: int) -> list[Effect]:
    """Against a clone without a memory, and against the player itself with a margin."""
    every = list(range(seeds))
    system, clone = distilled("ad", every, **NUMBERS), distilled("bc", every)
    thompson = np.asarray(known(every, bandits.thompson(ARMS, STD))[0])
    task, lower = f"bandits, {ARMS} arms, noise {STD}", {"higher": False}
    summed = f"regret of {PULLS} pulls"
    return [
        Effect("ad", "bc", task, summed, system, clone, **lower),
        Effect("ad", f"{MARGIN} x Thompson sampling, its teacher", task, summed, system, MARGIN * thompson, **lower),
    ]
