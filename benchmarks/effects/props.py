"""PROPS: sampling error on a bandit, and PPO's return after as many steps with and without it."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl.compose import resample
from jaxrl.networks import laws

ARMS = 4
STEPS = 32_768
SHARED = {"envs": 8, "width": 32, "actor_lr": 1e-3, "critic_lr": 1e-3, "minibatches": 8, "decay_updates": 1e6}


class Numbers(NamedTuple):
    """The acceptance test's numbers."""

    behaviour_lr: float = 5e-2
    behaviour_clip: float = 0.3
    divergence_weight: float = 0.0
    divergence_limit: float = 0.1
    gradient_clip: float = 0.5


def sampling_error(key, plays: int, chunk: int = 8, corrected: bool = True):
    """Divergence of the arms played from the even policy that was to be sampled, after `plays` plays.

    The maximum-likelihood policy of a bandit is the share of each arm, so the error is exact.
    """
    numbers = Numbers()
    law = laws.softmax(lambda params, obs: jnp.broadcast_to(jax.nn.log_softmax(params), (*obs.shape[:-1], ARMS)))
    target = jnp.zeros(ARMS)

    def one(carry, at):
        behaviour, arms, weight = carry
        drawn = jax.random.categorical(jax.random.fold_in(key, at), behaviour.params, shape=(chunk,))
        place = at * chunk + jnp.arange(chunk)
        arms, weight = arms.at[place].set(drawn), weight.at[place].set(1.0)
        if corrected:
            rows = resample.Taken(jnp.zeros((plays, 1)), arms, weight)
            behaviour = resample.adapted(key, numbers, law, target, behaviour, rows, passes=16, minibatches=1)
        return (behaviour, arms, weight), None

    start = resample.fresh(numbers, target), jnp.zeros(plays, jnp.int32), jnp.zeros(plays)
    (_, arms, _), _ = jax.lax.scan(one, start, jnp.arange(plays // chunk))
    share = jnp.bincount(arms, length=ARMS) / plays
    return jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1) * ARMS), 0).sum()


def learned(card: str, env: str, seeds: int, steps: int, batch: int, **options) -> np.ndarray:
    """Mean return over five evaluations on the way, [seeds]: the area under the curve of learning."""
    chunks = options.get("chunks", 1)
    updates = steps // batch * chunks
    options |= {"length": batch // 8 // chunks, **SHARED}
    result = jaxrl.sweep(card, env, seeds=seeds, updates=updates, evaluate_every=updates // 5, episodes=20, **options)
    return result.returns.mean((0, 2))


def measure(seeds: int) -> list[Effect]:
    """Sampling error at 128 plays, and returns of PPO, PPO with a buffer, and PROPS."""
    keys = jax.random.split(jax.random.key(0), 10 * seeds)
    error = lambda corrected: jax.jit(jax.vmap(functools.partial(sampling_error, plays=128, corrected=corrected)))(keys)
    found = [
        Effect("props", "on-policy", "bandit of 4 arms, 128 plays", "sampling error", error(True), error(False), False)
    ]
    for env in ("CartPole-v1", "Acrobot-v1"):
        ours = learned("props", env, seeds, STEPS, 1024, chunks=8)
        kept = learned("props", env, seeds, STEPS, 1024, chunks=8, behaviour_lr=0.0)
        plain = learned("ppo", env, seeds, STEPS, 1024)
        task = f"{env}, {STEPS} steps"
        found.append(Effect("props", "ppo", task, "mean return on the way", ours, plain))
        found.append(Effect("props", "ppo with a buffer", task, "mean return on the way", ours, kept))
    return found
