"""StepMix and EpsMix (arXiv:2306.06265): exploration that is never worse than a given share of a baseline.

Processes have a finite horizon and tables for each step. Optimism is UCBVI with Bernstein bonuses (at a threshold of
minus infinity the plain algorithm is what is left).

Departures: the width of the confidence bounds has a factor `scale` (1 is the paper's, which needs about 600 visits of
a step's state and action before its bound says anything at H = 3); rewards are known, as in the paper's analysis.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.envs.tabular import MDP


class Bounds(NamedTuple):
    """Confidence bounds on a policy's value at each step and state, [H + 1, S]; zero after the last step."""

    high: Array
    low: Array


class Mixture(NamedTuple):
    """Which members of the family to mix: `first`, and with probability `rho` the next more optimistic one.

    low: the mixture's lower bound. safe: whether any member's lower bound reaches the threshold.
    """

    first: Array
    rho: Array
    low: Array
    safe: Array


class Explored(NamedTuple):
    """Of each episode, [K]: the true value of what was executed, its lower bound, the probability of the mixture, and
    whether the baseline was run because nothing else was known to be safe."""

    value: Array
    low: Array
    rho: Array
    fallback: Array


def random_process(key, horizon: int = 3, states: int = 5, actions: int = 5) -> MDP:
    """Transitions [H, S, A, S'] even over the simplex, rewards [H, S, A] even in [0, 1], the first state the start."""
    move, gain = jax.random.split(key)
    transition = jax.random.dirichlet(move, jnp.ones(states), (horizon, states, actions))
    return MDP(transition, jax.random.uniform(gain, (horizon, states, actions)), jnp.eye(states)[0], 1.0)


def value(mdp: MDP, policy: Float[Array, "H S A"]) -> Float[Array, ""]:
    """Exact undiscounted value of a policy from the start."""

    def back(later, at):
        transition, reward, pi = at
        return (pi * (reward + transition @ later)).sum(axis=1), None

    ends, _ = jax.lax.scan(back, jnp.zeros_like(mdp.start), (mdp.transition, mdp.reward, policy), reverse=True)
    return mdp.start @ ends


def softened(mdp: MDP, temperature: float) -> Float[Array, "H S A"]:
    """A baseline: the softmax of the optimal values, better the lower the temperature."""

    def back(later, at):
        transition, reward = at
        q = reward + transition @ later
        return q.max(axis=1), jax.nn.softmax(q / temperature, axis=1)

    return jax.lax.scan(back, jnp.zeros_like(mdp.start), (mdp.transition, mdp.reward), reverse=True)[1]


def bounds(counts, reward, width, policy=None) -> tuple[Bounds, Float[Array, "H S A"]]:
    """Bounds on a policy's value, or of the optimistic policy where None, and that policy.

    counts: [H, S, A, S']; width: the logarithmic term of the bonuses. With n visits, model P and horizon H, each
    bound adds or takes 3 sqrt(Var_P(high) width / n) + 14 H^2 width / n + P (high - low) / H.
    """
    horizon, _, actions, _ = counts.shape
    visits = counts.sum(axis=3)
    n = jnp.maximum(visits, 1)
    model = jnp.where(visits[..., None] > 0, counts / n[..., None], 1 / counts.shape[3])

    def back(later: Bounds, at):
        p, seen, gain, pi = at
        mean = p @ later.high
        spread = p @ jnp.square(later.high) - jnp.square(mean)
        bonus = 3 * jnp.sqrt(jnp.maximum(spread, 0) * width / seen) + 14 * horizon**2 * width / seen
        bonus = bonus + p @ (later.high - later.low) / horizon
        high = jnp.clip(gain + mean + bonus, 0, horizon)
        low = jnp.clip(gain + p @ later.low - bonus, 0, horizon)
        pi = jax.nn.one_hot(high.argmax(axis=1), actions) if policy is None else pi
        now = Bounds((pi * high).sum(axis=1), (pi * low).sum(axis=1))
        return now, (now, pi)

    end = Bounds(*(jnp.zeros(counts.shape[1]),) * 2)
    given = jnp.zeros_like(reward) if policy is None else policy
    _, (all_bounds, pi) = jax.lax.scan(back, end, (model, n, reward, given), reverse=True)
    return jax.tree.map(lambda x: jnp.concatenate([x, jnp.zeros_like(x[:1])]), all_bounds), pi


def family(base: Float[Array, "H S A"], optimistic: Float[Array, "H S A"]) -> Float[Array, "H+1 H S A"]:
    """Member h follows the baseline before step h and the optimistic policy from there on."""
    horizon = len(base)
    follows = jnp.arange(horizon)[None] < jnp.arange(horizon + 1)[:, None]
    return jnp.where(follows[..., None, None], base[None], optimistic[None])


def mixture(lows: Float[Array, "H+1"], threshold) -> Mixture:
    """The most optimistic mixture of neighbours whose lower bound is the threshold (StepMix, and with the two ends of
    the family EpsMix): member 0 whole where it is safe, the last member where nothing is."""
    safe = lows >= threshold
    crossing = safe & ~jnp.roll(safe, 1)
    first = jnp.where(safe[0], 0, jnp.where(crossing[1:].any(), 1 + crossing[1:].argmax(), len(lows) - 1))
    before = jnp.maximum(first - 1, 0)
    gap = lows[first] - lows[before]
    rho = jnp.where((first > 0) & safe[first], (lows[first] - threshold) / jnp.where(gap > 0, gap, 1), 0.0)
    return Mixture(first, rho, (1 - rho) * lows[first] + rho * lows[before], safe.any())


def step_mix(key, mdp: MDP, base, threshold, episodes: int, *, scale=1.0, whole_episodes: bool = False) -> Explored:
    """Explores for a number of episodes, each executed policy's value at least `threshold` with high probability.

    mdp: transition [H, S, A, S'], reward [H, S, A] in [0, 1]; base: [H, S, A], value above the threshold (minus
    infinity: no constraint, which is UCBVI). whole_episodes: EpsMix, which draws once for the whole episode, in place
    of StepMix. InputError for fewer than one episode.
    """
    if episodes < 1:
        raise InputError(f"step_mix needs at least one episode, not {episodes}")
    horizon, states, actions = mdp.reward.shape
    width = scale * jnp.log(20 * horizon * states * actions * episodes)

    def choose(counts):
        _, optimistic = bounds(counts, mdp.reward, width)
        members = family(base, optimistic)
        members = members[jnp.array([0, horizon])] if whole_episodes else members
        lows = jax.vmap(lambda pi: mdp.start @ bounds(counts, mdp.reward, width, pi)[0].low[0])(members)
        return members, mixture(lows, threshold)

    def episode(counts, key):
        members, mix = choose(counts)
        before = jnp.maximum(mix.first - 1, 0)
        values = jax.vmap(lambda pi: value(mdp, pi))(members)
        start, draw, walk = jax.random.split(key, 3)
        policy = jnp.where(jax.random.bernoulli(draw, mix.rho), members[before], members[mix.first])
        state = jax.random.categorical(start, jnp.log(mdp.start))

        def step(state, at):
            key, transition, pi = at
            act, move = jax.random.split(key)
            action = jax.random.categorical(act, jnp.log(pi[state]))
            following = jax.random.categorical(move, jnp.log(transition[state, action]))
            return following, (state, action, following)

        _, path = jax.lax.scan(step, state, (jax.random.split(walk, horizon), mdp.transition, policy))
        executed = (1 - mix.rho) * values[mix.first] + mix.rho * values[before]
        return counts.at[jnp.arange(horizon), *path].add(1), Explored(executed, mix.low, mix.rho, ~mix.safe)

    empty = jnp.zeros((horizon, states, actions, states))
    return jax.lax.scan(episode, empty, jax.random.split(key, episodes))[1]


CARD = Procedure(
    "step_mix",
    "tabular",
    (step_mix, mixture, bounds, family, value, softened, random_process),
    Paper(
        "arXiv:2306.06265",
        "Near-optimal Conservative Exploration in Reinforcement Learning under Episode-wise Constraints",
        "Li, Donghao and Huang, Ruiquan and Shen, Cong and Yang, Jing",
        2023,
    ),
)
