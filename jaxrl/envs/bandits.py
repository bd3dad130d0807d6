"""Bandits whose arms are drawn anew at every reset, the known ways to play them, and logged histories of play.

Source: Decision-Pretrained Transformer (arXiv:2306.14892, section 5): means uniform on [0, 1], Gaussian noise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Dataset, Env, Policy, Spec, Timestep, Transition


class Noise(NamedTuple):
    """Numbers of the bandits. std: standard deviation of a reward around its arm's mean."""

    std: Any = 0.3


class Pulls(NamedTuple):
    """Where an episode stands: means [A] of its arms, pulls so far."""

    means: Any
    time: Any


def bandits(arms: int = 5, horizon: int = 50) -> Env:
    """An episode is one bandit, a step one pull; the observation is always 1.

    Timesteps carry the extras "label", the best arm, and "regret", the best mean less that of the arm just pulled.
    """
    spec = Spec("Bandits-v0", obs=1, action=arms, horizon=horizon, discrete=True)

    def show(means, reward, regret, time):
        flags = jnp.float32(0), jnp.asarray(time >= horizon, jnp.float32)
        return Timestep(jnp.ones(1), reward, *flags, {"label": means.argmax().astype(jnp.int32), "regret": regret})

    def reset(key, params):
        means = jax.random.uniform(key, (arms,))
        return Pulls(means, jnp.int32(0)), show(means, jnp.float32(0), jnp.float32(0), 0)

    def step(key, params, state, action):
        mean, time = state.means[action], state.time + 1
        reward = mean + params.std * jax.random.normal(key)
        return Pulls(state.means, time), show(state.means, reward, state.means.max() - mean, time)

    return Env(spec, Noise(), reset, step)


class Tally(NamedTuple):
    """What a player remembers: pulls and sums of rewards by arm [A], and the arm just pulled, -1 before the first."""

    pulls: Any
    sums: Any
    arm: Any


def counting(arms: int, choose: Callable) -> Policy:
    """A player of one bandit that counts; choose(key, mean [A], pulls [A]) -> arm. Not for batches; map it."""

    def act(key, timestep, memory):
        pulled = jax.nn.one_hot(memory.arm, arms)
        pulls, sums = memory.pulls + pulled, memory.sums + pulled * timestep.reward
        arm = choose(key, sums / jnp.maximum(pulls, 1), pulls).astype(jnp.int32)
        return arm, Tally(pulls, sums, arm)

    return Policy(lambda: Tally(jnp.zeros(arms), jnp.zeros(arms), jnp.int32(-1)), act)


def thompson(arms: int, std: float = 0.3) -> Policy:
    """Draws means from their exact posterior, normals cut to [0, 1], and pulls the best (Thompson sampling)."""

    def choose(key, mean, pulls):
        spread = std / jnp.sqrt(jnp.maximum(pulls, 1))
        k_cut, k_flat = jax.random.split(key)
        cut = mean + spread * jax.random.truncated_normal(k_cut, (0 - mean) / spread, (1 - mean) / spread)
        return jnp.where(pulls > 0, cut, jax.random.uniform(k_flat, (arms,))).argmax()

    return counting(arms, choose)


def upper_bound(arms: int, std: float = 0.3) -> Policy:
    """Pulls the arm of the largest mean + std sqrt(2 log t / pulls), each arm once at first (UCB1)."""

    def choose(key, mean, pulls):
        bonus = std * jnp.sqrt(2 * jnp.log(jnp.maximum(pulls.sum(), 1)) / jnp.maximum(pulls, 1))
        return jnp.where(pulls > 0, mean + bonus, jnp.inf).argmax()

    return counting(arms, choose)


def empirical(arms: int) -> Policy:
    """Pulls the arm of the largest mean so far, each arm once at first."""
    return counting(arms, lambda key, mean, pulls: jnp.where(pulls > 0, mean, jnp.inf).argmax())


def spiked(arms: int) -> Policy:
    """Draws arms by fixed random probabilities with a spike on one of them, as DPT's training contexts do."""

    def act(key, timestep, memory):
        k_first, k_draw = jax.random.split(key)
        k_flat, k_arm, k_share = jax.random.split(k_first, 3)
        share = jax.random.randint(k_share, (), 0, 11) / 10
        spike = jax.nn.one_hot(jax.random.randint(k_arm, (), 0, arms), arms)
        fresh = (1 - share) * jax.random.dirichlet(k_flat, jnp.ones(arms)) + share * spike
        shares = jnp.where(memory.sum() > 0, memory, fresh)
        return jax.random.categorical(k_draw, jnp.log(shares)).astype(jnp.int32), shares

    return Policy(lambda: jnp.zeros(arms), act)


class Played(NamedTuple):
    """Episodes as they went: action, reward, regret [N, T]; label [N, T], the best arm."""

    action: Any
    reward: Any
    regret: Any
    label: Any


def played(key, env: Env, policy: Policy, episodes: int) -> Played:
    """Episodes of a policy in an environment of bandits."""

    def one(key):
        state, timestep = env.reset(jax.random.fold_in(key, 0), env.params)

        def step(carry, time):
            state, timestep, memory = carry
            k_act, k_step = jax.random.split(jax.random.fold_in(key, time + 1))
            action, memory = policy.act(k_act, timestep, memory)
            state, timestep = env.step(k_step, env.params, state, action)
            seen = Played(action, timestep.reward, timestep.extras["regret"], timestep.extras["label"])
            return (state, timestep, memory), seen

        return jax.lax.scan(step, (state, timestep, policy.start()), jnp.arange(env.spec.horizon))[1]

    return jax.vmap(one)(jax.random.split(key, episodes))


def histories(key, env: Env, policy: Policy, episodes: int) -> Dataset:
    """Logged histories of play, one episode for each bandit; steps carry the extra "label", its best arm."""
    seen = jax.tree.map(lambda x: x.reshape(-1), jax.jit(lambda key: played(key, env, policy, episodes))(key))
    horizon = env.spec.horizon
    count = episodes * horizon
    index = jnp.arange(count, dtype=jnp.int32)
    last = (index // horizon + 1) * horizon - 1
    obs, none = jnp.ones((count, 1)), jnp.zeros(count)
    following = seen.action[jnp.minimum(index + 1, last)]
    ends = (index == last).astype(jnp.float32)
    rest = following, none, ends, jnp.ones(count), {"label": seen.label}
    return Dataset(Transition(obs, seen.action, seen.reward, obs, *rest), last)
