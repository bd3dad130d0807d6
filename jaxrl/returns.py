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
