"""Episodes of a policy as logged steps with their log-probabilities, from environments in JAX and on the host."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Env, HostEnv, Policy, Spec, Transition, first_steps
from jaxrl.data.dataset import Arrays
from jaxrl.envs.adapters.machines import physical
from jaxrl.sources import walk
from jaxrl.train.hosted import Walkers

ENVS = 10
"""Environments that a dataset is recorded in, side by side."""


class Logged(NamedTuple):
    """Steps in episode order, and the log-probability [n] of each action under the policy that took it."""

    arrays: Arrays
    log_prob: np.ndarray


def collect(key, env: Env | HostEnv, policy: Policy, steps: int) -> Logged:
    """At least `steps` steps of a stochastic policy in whole episodes."""
    blocks: list[Logged] = []
    for block in _blocks(key, env, policy):
        blocks.append(block)
        if sum(int(np.flatnonzero(one.arrays.last)[-1]) + 1 for one in blocks if one.arrays.last.any()) >= steps:
            break
    return shortened(joined(blocks), steps)


def _blocks(key, env: Env | HostEnv, policy: Policy):
    """Blocks of whole episodes, each as long as one needs to be seen to its end."""
    run = _in_jax(env, policy) if isinstance(env, Env) else _on_host(key, env, policy)
    index = 0
    while True:
        rows = run(jax.random.fold_in(key, index))
        yield by_episode(env.spec, jax.tree.map(np.asarray, rows), cut=False)
        index += 1


def _in_jax(env: Env, policy: Policy):
    @jax.jit
    def block(key, params):
        k_start, k_walk = jax.random.split(key)
        here = env._replace(params=params)

        def one(walkers, time):
            return walk.step(jax.random.fold_in(k_walk, time), here, policy, walkers, densities=True)

        return jax.lax.scan(one, walk.start(k_start, here, ENVS), jnp.arange(env.spec.horizon))[1]

    return lambda key: block(key, env.params)


def _on_host(key, env: HostEnv, policy: Policy):
    act = jax.jit(lambda key, obs: policy.act(key, first_steps(obs), ())[0])
    density = jax.jit(walk.density(policy))
    seed = int(jax.random.randint(key, (), 0, 2**31 - 1))

    def block(key):
        number = int(jax.random.randint(key, (), 0, 2**31 - 1))
        walkers, rows = Walkers(env, [seed], ENVS, densities=True, attempt=number), []
        try:
            for time in range(env.spec.horizon):
                obs = jnp.asarray(walkers.obs)
                action = act(jax.random.fold_in(key, time), obs)
                rows.append(walkers.step(np.asarray(action), np.asarray(density(obs, action))))
        finally:
            walkers.close()
        return jax.tree.map(lambda *x: np.stack(x)[:, 0], *rows)

    return block


def by_episode(spec: Spec, rows: Transition, cut: bool) -> Logged:
    """Rows [T, N, ...] in order of time -> steps in order of episodes, actions in the environment's own units.

    cut: whether the last episode of each environment, which is not over, is kept as one that was cut; else it is
    dropped.
    """
    over = np.array((rows.terminated + rows.truncated) > 0)
    truncated = rows.truncated > 0
    if cut:
        truncated = truncated | ((np.arange(len(over)) == len(over) - 1)[:, None] & ~over)
        over[-1] = True
    ends = np.where(over.any(0), len(over) - over[::-1].argmax(0), 0)
    keep = (np.arange(len(over))[:, None] < ends).T.reshape(-1)
    flat = lambda x: np.moveaxis(x, 1, 0).reshape(-1, *x.shape[2:])[keep]
    action = flat(rows.action)
    fields = (rows.obs, rows.reward, rows.next_obs, rows.terminated > 0, truncated, over)
    obs, reward, next_obs, terminated, truncated, last = map(flat, fields)
    arrays = Arrays(obs, physical(spec, action), reward, next_obs, terminated, truncated & ~terminated, last)
    return Logged(arrays, flat(rows.extras["log_prob"]))


def joined(parts: list[Logged]) -> Logged:
    """Steps of all parts, one after the other."""
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def shortened(logged: Logged, steps: int) -> Logged:
    """The first episodes that together have at least `steps` steps."""
    ends = np.flatnonzero(logged.arrays.last) + 1
    enough = ends[min(int(np.searchsorted(ends, steps)), len(ends) - 1)]
    return jax.tree.map(lambda x: x[:enough], logged)
