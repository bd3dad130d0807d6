"""Decision Transformer: what is achieved rises with the return asked for, and beats cloning mixed data."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl import registry
from jaxrl.core import hyper as records
from jaxrl.core.types import Env, Given
from jaxrl.evaluation import rollout
from jaxrl.experiment import EVALUATION, phases
from jaxrl.train.driver import drive, program

TASK = "embedded/pointmaze-umaze-medium-replay-v0"
"""Walkers from random to expert; a tenth of the episodes return nothing, a quarter more than 48, one in ten 84."""
TARGETS = (20.0, 50.0, 95.0)
SIZE = {"width": 32, "blocks": 2, "window": 3}
NUMBERS = {"actor_lr": 1e-3, "warmup_updates": 200.0, "return_scale": 0.02, "dropout": 0.0}
UPDATES, EPISODES = 3_000, 50


def achieved(seeds, targets=TARGETS, updates: int = UPDATES) -> np.ndarray:
    """Mean returns [targets, seeds] of one transformer per seed, asked for each of the targets."""
    card = registry.card("dt")
    task = card.prepare(jaxrl.load(TASK))
    stages = phases(card, task.env._replace(params=()), 64, SIZE, {})
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    hypers = records.stack(*[card.hyper(**NUMBERS)] * len(seeds))
    given = Given(task.dataset, task.env.params)
    *_, last = drive([program(stages[0])], keys, hypers, given, [updates])

    @jax.jit
    def played(state, target):
        def one(key, params):
            policy = stages[0].learner.policy(
                card.hyper(**NUMBERS, target_return=target), state._replace(params=params)
            )
            env = Env(task.env.spec, task.env.params, task.env.reset, task.env.step)
            return rollout.evaluate(jax.random.fold_in(key, EVALUATION), env, policy, EPISODES).mean()

        return jax.vmap(one)(keys, state.params)

    return np.stack([played(last.state, jnp.float32(target)) for target in targets])


def cloned(seeds, updates: int = UPDATES) -> np.ndarray:
    """Mean returns [seeds] of behaviour cloning on the same data."""
    size = {"width": 64, "depth": 2, "actor_lr": 1e-3, "episodes": EPISODES}
    found = jaxrl.sweep("bc", TASK, seeds=list(seeds), updates=updates, evaluate_every=updates, **size)
    return found.returns[0, :, -1]


def measure(seeds: int) -> list[Effect]:
    """The highest target against the others, and against cloning."""
    low, middle, high = achieved(range(seeds))
    named = lambda target: f"dt asked for {target:.0f}"
    return [
        Effect(named(TARGETS[2]), named(TARGETS[0]), TASK, "return", high, low),
        Effect(named(TARGETS[1]), named(TARGETS[0]), TASK, "return", middle, low),
        Effect("dt", "bc", TASK, "return", high, cloned(range(seeds))),
    ]
