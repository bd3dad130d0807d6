"""Certified returns of smoothed policies, and attacks that put them to the test (arXiv:2106.11420).

An adversary may add d_t to the observation of step t, with sum |d_t|^2 <= budget^2 over an episode, after having seen
all that came before; the agent adds Gaussian noise of a std to what it is shown.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from jaxrl.core.check import InputError, positive
from jaxrl.core.types import Env, Policy, first_steps


def certified_share(share, budget, std) -> Float[Array, "..."]:
    """Lower bound on the probability of an event that has at least probability `share` without an adversary.

    Phi(Phi^-1(share) - budget / std), theorem 1; shapes broadcast.
    """
    shift = jnp.asarray(budget) / std
    return jnp.where(shift > 0, norm.cdf(norm.ppf(jnp.asarray(share)) - shift), share)


def lowest_share(successes: int, episodes: int, confidence: float = 0.95) -> float:
    """Clopper-Pearson lower bound on a probability, from independent episodes."""
    from scipy.stats import beta

    if not 0 <= successes <= positive("episodes", episodes):
        raise InputError(f"successes={successes} must lie between 0 and episodes={episodes}")
    return float(beta.ppf(1 - confidence, successes, episodes - successes + 1)) if successes else 0.0


def certified_mean(returns: Float[Array, "M"], budget, std, *, low: float = 0.0, confidence: float = 0.95):
    """Lower bound on the mean return under any adversary of a budget, with that confidence.

    returns: of independent episodes without adversary, each at least `low`. The empirical distribution is lowered by
    sqrt(log(1 / (1 - confidence)) / (2 M)) everywhere at once (Dvoretzky-Kiefer-Wolfowitz), and every threshold's
    probability by `certified_share` (section 4). InputError for a return below `low`.
    """
    steps = jnp.sort(jnp.asarray(returns))
    count = len(steps)
    if float(steps[0]) < low:
        raise InputError(f"a return of {float(steps[0]):g} is below low={low:g}; give a bound that no return passes")
    reached = 1 - jnp.arange(count) / count
    slack = jnp.sqrt(jnp.log(1 / (1 - confidence)) / (2 * count))
    shares = certified_share(jnp.clip(reached - slack, 0, 1), budget, std)
    return low + (jnp.diff(steps, prepend=low) * shares).sum()


class Attacked(NamedTuple):
    """Undiscounted returns, and what was spent of the budget, sqrt(sum |d_t|^2); [episodes] each."""

    returns: Array
    spent: Array


Attack = Callable[[Array, Array, Array], Array]
"""(key, observation [D], most [scalar]) -> change [D] whose length is at most `most`."""


def attacked(key, env: Env, policy: Policy, attack: Attack, *, std, budget, share=1.0, episodes: int) -> Attacked:
    """Episodes of a smoothed policy under an attack that may spend `share` of its budget at a single step.

    The attack sees the true observation, the policy the changed one with fresh noise of that std.
    """

    def episode(key):
        state, timestep = env.reset(jax.random.fold_in(key, 0), env.params)

        def step(carry, time):
            state, timestep, memory, alive, total, left = carry
            k_attack, k_noise, k_act, k_step = jax.random.split(jax.random.fold_in(key, time + 1), 4)
            most = jnp.minimum(share * budget, jnp.sqrt(left))
            change = attack(k_attack, timestep.obs, most)
            change = change * jnp.minimum(1, most / jnp.maximum(jnp.linalg.norm(change), 1e-12))
            noise = std * jax.random.normal(k_noise, timestep.obs.shape)
            action, memory = policy.act(k_act, timestep._replace(obs=timestep.obs + change + noise), memory)
            state, timestep = env.step(k_step, env.params, state, action)
            total = total + jnp.where(alive, timestep.reward, 0.0)
            left = jnp.maximum(left - jnp.where(alive, jnp.square(change).sum(), 0.0), 0)
            alive = alive & (timestep.terminated + timestep.truncated == 0)
            return (state, timestep, memory, alive, total, left), None

        whole = jnp.float32(budget) ** 2
        start = state, timestep, policy.start(), jnp.asarray(True), jnp.float32(0), whole
        (*_, total, left), _ = jax.lax.scan(step, start, jnp.arange(env.spec.horizon))
        return Attacked(total, jnp.sqrt(whole - left))

    return jax.vmap(episode)(jax.random.split(key, positive("episodes", episodes)))


def against_density(policy: Policy, steps: int = 5) -> Attack:
    """Projected gradient descent on the log-probability of the action that the policy takes when it is left alone.

    InputError for a policy without a density.
    """
    if policy.log_prob is None:
        raise InputError("the attack descends the policy's density, but this policy has none; use a stochastic card")
    density = policy.log_prob

    def attack(key, obs, most):
        chosen, _ = policy.act(key, first_steps(obs), policy.start())
        slope = jax.grad(lambda change: density(obs + change, chosen))

        def one(_, change):
            gradient = slope(change)
            change = change - most / 2 * gradient / jnp.maximum(jnp.linalg.norm(gradient), 1e-12)
            return change * jnp.minimum(1, most / jnp.maximum(jnp.linalg.norm(change), 1e-12))

        start = jax.random.normal(key, obs.shape)
        return jax.lax.fori_loop(0, steps, one, 0.1 * most * start / jnp.linalg.norm(start))

    return attack
