"""A learner whose observations go through something that was learned before it and stays as it is."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from jaxrl.core.types import Algorithm, Policy, Tree


class Seen(NamedTuple):
    """State of such a learner: its own, and the frozen parameters of what it sees through."""

    learned: Tree
    frozen: Tree


def through(inner: Algorithm, encode: Callable, fresh: Callable) -> Algorithm:
    """`inner`, whose policies see encode(hyper, frozen, obs [..., D]) in place of obs; its batches come encoded.

    fresh: (key, hyper) -> frozen parameters of the right shapes; the plan puts the learned ones in their place.
    """

    def init(key, hyper):
        k_inner, k_frozen = jax.random.split(key)
        return Seen(inner.init(k_inner, hyper), fresh(k_frozen, hyper))

    def update(key, hyper, state, batch):
        learned, metrics = inner.update(key, hyper, state.learned, batch)
        return state._replace(learned=learned), metrics

    def encoded(make):
        def policy(hyper, state):
            return seeing(make(hyper, state.learned), lambda obs: encode(hyper, state.frozen, obs))

        return policy

    return Algorithm(init, update, encoded(inner.policy), encoded(inner.explore))


def seeing(policy: Policy, encode: Callable) -> Policy:
    """The policy on encode(obs)."""

    def act(key, timestep, memory):
        return policy.act(key, timestep._replace(obs=encode(timestep.obs)), memory)

    density = policy.log_prob
    return Policy(policy.start, act, density and (lambda obs, action: density(encode(obs), action)))
