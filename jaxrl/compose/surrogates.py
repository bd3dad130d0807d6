"""Summands of on-policy objectives. Each maps a View of `compose.policy_gradient` to [B] numbers."""

import jax.numpy as jnp


def likelihood(v):
    """-log pi weighted by the advantage (REINFORCE; A2C, arXiv:1602.01783)."""
    return -v.log_prob * v.batch.advantage


def linear(v):
    """-ratio times advantage (TRPO, arXiv:1502.05477, eq. 13; MDPO)."""
    return -v.ratio * v.batch.advantage


def clipped(v):
    """The smaller of plain and clipped ratio times advantage, negated (PPO, arXiv:1707.06347, eq. 7)."""
    near = jnp.clip(v.ratio, 1 - v.hyper.ratio_clip, 1 + v.hyper.ratio_clip)
    return -jnp.minimum(v.ratio * v.batch.advantage, near * v.batch.advantage)


def entropy_bonus(v):
    """Minus the entropy, by `entropy_weight` (A2C; PPO, eq. 9)."""
    return -v.hyper.entropy_weight * v.entropy


def value_error(v):
    """Half the squared error of the value."""
    return 0.5 * jnp.square(v.value - v.batch.returns)


def near_value_error(v):
    """Half the larger squared error, of the value and of the value kept near the one before the batch (MDPO's code).

    How near is `value_clip`, less as training goes on.
    """
    reach = v.hyper.value_clip * (1 - v.progress)
    near = v.batch.value + jnp.clip(v.value - v.batch.value, -reach, reach)
    return 0.5 * jnp.maximum(jnp.square(v.value - v.batch.returns), jnp.square(near - v.batch.returns))


def mirror(v):
    """KL divergence from the policy that collected, over a step t that falls from 1 to 0 (MDPO, arXiv:2005.09814).

    t is kept at 1 / decay_updates or more, its last value before 0.
    """
    step = jnp.maximum(1 - v.progress, 1 / v.hyper.decay_updates)
    return v.kl / (v.hyper.mirror_step * step)


def standardised(advantage):
    """Advantages with mean zero and std one."""
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)
