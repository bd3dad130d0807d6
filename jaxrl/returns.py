"""Returns over sequences of logged steps."""

import jax
import jax.numpy as jnp


def to_go(reward, last, discount=1.0):
    """Discounted return from each step to its episode's end; reward [T], last [T] (1 at an episode's final step)."""

    def back(ahead, step):
        reward, last = step
        value = reward + discount * ahead * (1 - last)
        return value, value

    return jax.lax.scan(back, jnp.zeros(()), (reward, jnp.asarray(last, reward.dtype)), reverse=True)[1]


def discounted(reward, over, discount):
    """Discounted sums of rewards since the episode's, or the batch's, beginning; reward, over [T, N] -> [T, N]."""

    def forth(before, step):
        reward, over = step
        now = discount * before + reward
        return now * (1 - over), now

    return jax.lax.scan(forth, jnp.zeros(reward.shape[1:]), (reward, over))[1]


def gae(reward, value, next_value, terminated, over, discount, trace):
    """(advantage, value target), each [T, ...], by generalised advantage estimation (arXiv:1506.02438, eq. 16).

    reward, value, next_value, terminated, over: [T, ...]; next_value is of the true successor. A cut episode is
    bootstrapped from its last successor; `over` (terminated or cut) ends the trace. trace: lambda of the paper.
    """
    error = reward + discount * (1 - terminated) * next_value - value

    def back(ahead, step):
        error, over = step
        now = error + discount * trace * (1 - over) * ahead
        return now, now

    advantage = jax.lax.scan(back, jnp.zeros(reward.shape[1:]), (error, over), reverse=True)[1]
    return advantage, advantage + value


def n_step(reward, terminated, truncated, discount):
    """(discounted sum, bootstrap factor, index of the last step counted), each [B], of windows [B, n].

    The sum stops after the first step that ends an episode; the value of that step's successor is to be multiplied by
    the factor, which is 0 after a termination and discount^k where k steps were counted.
    """
    over = (terminated + truncated > 0).astype(reward.dtype)
    before = jnp.cumsum(over, 1) - over
    counted = (before == 0).astype(reward.dtype)
    powers = discount ** jnp.arange(reward.shape[1])
    count = counted.sum(1).astype(jnp.int32)
    ended = (terminated * counted).sum(1)
    return (reward * counted * powers[None]).sum(1), discount**count * (1 - ended), count - 1
