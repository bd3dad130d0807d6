"""PROPS: PPO on data whose sampling error the collecting policy corrects as it goes (arXiv:2311.08290).

Departures: an iteration's last chunk brings the update of the policy first, then that of the behaviour, so the next
steps are chosen for the new policy; advantages run over the whole time-ordered buffer and stop at episodes' ends (the
released loop covers the newest batch's indices only); while the buffer fills, what there is stands in for what is
missing; a minibatch beyond the divergence limit is not learned from.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.algorithms.online import ppo as parent
from jaxrl.compose import policy_gradient, resample
from jaxrl.compose.policy_gradient import OnPolicy
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec, Transition, blank_batch
from jaxrl.sources.rollouts import rollouts


@hyper
class Hyper(parent.Hyper):
    """Numbers of PROPS: PPO's, and of the behaviour its step size, clip, weight and limit of its divergence."""

    behaviour_lr: float = 1e-3
    behaviour_clip: float = 0.3
    divergence_weight: float = 0.1
    divergence_limit: float = 0.03


class Sampled(NamedTuple):
    """State: the policy's learner, the behaviour, steps kept [C, T, N, ...] with the newest last, chunks so far."""

    target: OnPolicy
    behaviour: resample.Behaviour
    kept: Any
    step: jax.Array

    @property
    def params(self):
        """Networks of the policy that is learned."""
        return self.target.params


def props(
    spec: Spec, *, width: int = 64, depth: int = 2, passes: int = 10, minibatches: int = 32, normalise: bool = True,
    envs: int = 8, length: int = 32, chunks: int = 8, batches: int = 2, behaviour_passes: int = 16,
    behaviour_minibatches: int = 16,
) -> Algorithm:  # fmt: skip
    """The policy learns once in `chunks` updates from the last `batches` batches of chunks, the behaviour every time.

    envs, length: of the source, whose batches are the chunks. The passes and minibatches are PPO's and the behaviour's.
    """
    base = parent.ppo(spec, width=width, depth=depth, passes=passes, minibatches=minibatches, normalise=normalise)
    pi = policy_gradient.networks(spec, None, width, depth).pi
    capacity = chunks * batches

    def init(key, hyper):
        target = base.init(key, hyper)
        row = jax.tree.map(lambda x: jnp.broadcast_to(x, (capacity, length, envs, *x.shape[1:])), blank_batch(spec, 1))
        return Sampled(target, resample.fresh(hyper, target.params["actor"]), row, jnp.int32(0))

    def update(key, hyper, state, batch):
        kept = jax.tree.map(lambda old, new: jnp.concatenate([old[1:], new[None]]), state.kept, plain(batch))
        due = state.step % chunks == chunks - 1
        learned = lambda target: base.update(key, hyper, target, in_time(kept, state.step + 1, capacity))
        idle = jax.tree.map(lambda x: jnp.full(x.shape, jnp.nan, x.dtype), jax.eval_shape(learned, state.target)[1])
        target, metrics = jax.lax.cond(due, learned, lambda same: (same, idle), state.target)
        # Once a batch is complete the oldest one makes room, so it no longer counts as sampled.
        count = (batches - 1) * chunks + jnp.where(due, 0, state.step % chunks + 1)
        newest = jnp.arange(capacity) >= capacity - jnp.minimum(count, state.step + 1)
        rows = resample.Taken(
            policy_gradient.seen_by(target, kept.obs), kept.action, kept.weight * newest[:, None, None]
        )
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[3:]), rows)
        behaviour = resample.adapted(
            jax.random.fold_in(key, 1), hyper, pi.law, target.params["actor"], state.behaviour, rows,
            passes=behaviour_passes, minibatches=behaviour_minibatches,
        )  # fmt: skip
        return Sampled(target, behaviour, kept, state.step + 1), metrics

    policy, explore = policy_gradient.policies(pi)

    def collecting(hyper, state):
        actor = {**state.target.params, "actor": state.behaviour.params}
        return explore(hyper, state.target._replace(params=actor))

    return Algorithm(init, update, lambda hyper, state: policy(hyper, state.target), collecting)


def plain(batch: Transition) -> Transition:
    """Steps without their extras."""
    return batch._replace(extras={})


def in_time(kept: Transition, count, capacity: int) -> Transition:
    """Steps [C T, N, ...] in the order of time; of the first `count` < C chunks, enough copies to fill C."""
    there = jnp.minimum(count, capacity)
    order = capacity - there + (jnp.arange(capacity) - capacity) % there
    kept = kept._replace(truncated=kept.truncated.at[-1, -1].set(1.0))
    return jax.tree.map(lambda x: x[order].reshape(-1, *x.shape[2:]), kept)


PAPER = Paper(
    "arXiv:2311.08290",
    "On-Policy Policy Gradient Reinforcement Learning Without On-Policy Sampling",
    "Nicholas E. Corrado and Josiah P. Hanna",
    2023,
)
CARD = Card(
    "props", "online", props, Hyper, PAPER, actions=("continuous", "discrete"), batch=0,
    collect=functools.partial(rollouts, envs=8, length=32),
)  # fmt: skip
