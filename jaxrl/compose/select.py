"""Choice among what a policy proposes."""

import jax
import jax.numpy as jnp


def value_guided(key, propose, q_fn, obs, count: int, softness):
    """An action for each of obs [..., D]: of `count` proposals one, with probability as exp(Q / softness) says.

    propose: (key, obs [K, ..., D]) -> actions, one for each row; q_fn: (obs, action) -> [K, ...]. A softness of zero
    takes the best, an infinite one the first that comes (V-GPS, arXiv:2410.13816, eq. 4).
    """
    k_propose, k_choose = jax.random.split(key)
    many = jnp.broadcast_to(obs, (count, *obs.shape))
    actions = propose(k_propose, many)
    values = q_fn(many, actions)
    chance = jax.random.gumbel(k_choose, values.shape)
    index = jnp.where(softness > 0, values / jnp.where(softness > 0, softness, 1) + chance, values).argmax(axis=0)
    spare = (1,) * (actions.ndim - values.ndim)
    return jnp.take_along_axis(actions, index.reshape(1, *index.shape, *spare), axis=0)[0]
