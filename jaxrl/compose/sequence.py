"""Policies that remember their last steps, and losses over windows of steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Policy, Spec


class Past(NamedTuple):
    """The last K steps, the present one last: obs [..., K, D], action [..., K, A] or [..., K] (zero for the present),
    number [..., K]; time [...]: steps taken before the present one."""

    obs: Any
    action: Any
    number: Any
    time: Any

    def clock(self):
        """(time, valid) of each of the steps, [..., K]; there is nothing before an episode's first."""
        count = self.obs.shape[-2]
        time = self.time[..., None] + jnp.broadcast_to(jnp.arange(1 - count, 1), (*self.time.shape, count))
        return time, time >= 0


def remembering(spec: Spec, window: int, number: Callable, choose: Callable) -> Policy:
    """A policy with the last `window` steps as its memory.

    number: (timestep, the last step's number [...], time [...]) -> what is remembered beside the observation [...].
    choose: (key, Past) -> action.
    """
    shape, dtype = ((), jnp.int32) if spec.discrete else ((spec.action,), jnp.float32)

    def start():
        blank = jnp.zeros((window, spec.obs)), jnp.zeros((window, *shape), dtype), jnp.zeros(window)
        return Past(*blank, jnp.int32(0))

    def act(key, timestep, memory):
        lead = timestep.obs.shape[:-1]
        memory = jax.tree.map(lambda x, one: jnp.broadcast_to(x, lead + one.shape), memory, start())
        newest = timestep.obs, jnp.zeros(lead + shape, dtype), number(timestep, memory.number[..., -1], memory.time)
        later = [shifted(row, new, len(lead)) for row, new in zip(memory[:3], newest, strict=True)]
        past = Past(later[0], later[1], later[2], memory.time)
        action = choose(key, past)
        return action, past._replace(action=ended(past.action, action, len(lead)), time=past.time + 1)

    return Policy(start, act)


def shifted(row, new, axis: int):
    """A row of K entries along an axis, moved one back, with a new one at the end."""
    return ended(jnp.roll(row, -1, axis), new, axis)


def ended(row, new, axis: int):
    """A row of K entries along an axis with another one at the end."""
    kept = jax.lax.slice_in_dim(row, 0, row.shape[axis] - 1, axis=axis)
    return jnp.concatenate([kept, jnp.expand_dims(new, axis).astype(row.dtype)], axis)


def imitation(spec: Spec, output, action):
    """What is lost by predicting `output` [..., A] for an action: its squared error per dimension after a tanh, or
    minus the log-probability of its class; [...]."""
    if spec.discrete:
        return -jnp.take_along_axis(jax.nn.log_softmax(output), action[..., None], -1)[..., 0]
    return jnp.square(jnp.tanh(output) - action).mean(-1)


def chosen(spec: Spec, output):
    """The action that an output [..., A] means."""
    return output.argmax(-1).astype(jnp.int32) if spec.discrete else jnp.tanh(output)
