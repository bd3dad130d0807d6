"""Fresh on-policy experience."""

import jax
import jax.numpy as jnp

from jaxrl.core.types import Env, Experience, Source
from jaxrl.sources import ring, walk


def rollouts(env: Env, *, envs: int = 8, length: int = 128, densities: bool = False) -> Source:
    """Batches of `length` steps in each of `envs` environments by the exploring policy, leaves [T, N, ...].

    densities: whether steps carry their action's log-probability as the extra "log_prob".
    """

    def next(key, walkers, policy):
        def one(walkers, time):
            return walk.step(jax.random.fold_in(key, time), env, policy, walkers, densities)

        return jax.lax.scan(one, walkers, jnp.arange(length))

    gathering = Experience(ring.whole(length, envs=envs), envs, length, 0, densities)
    return Source(lambda key: walk.start(key, env, envs), next, cost=envs * length, experience=gathering)
