"""Windows of a fixed number of rows inside episodes, for learners that model whole trajectories.

A row is [obs, arctanh of the action, reward, terminated]. A terminal step is followed by one absorbing row, which has
its successor as observation, no action, no reward and the flag set: a window's last row only serves as the successor
of the one before, so terminal steps would otherwise never be made (Policy-Guided Diffusion, arXiv:2404.06356).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Scaler, Spec, Task, Transition
from jaxrl.data import prepare
from jaxrl.data.subsequences import first_of
from jaxrl.data.transitions import packed

EDGE = 0.999
"""Largest size of an action before its arctanh is taken."""


class Windows(NamedTuple):
    """Where windows begin: the first `count` of `starts` [N]; and the scaler of their rows [D]."""

    starts: Any
    count: Any
    scaler: Scaler


def columns(spec: Spec) -> int:
    """Length D of a row."""
    return spec.obs + spec.action + 2


def flat(steps: Transition):
    """Steps [...] as rows [..., D] in their own units."""
    raw = jnp.arctanh(jnp.clip(steps.action, -EDGE, EDGE))
    return jnp.concatenate([steps.obs, raw, steps.reward[..., None], steps.terminated[..., None]], -1)


def absorbing(steps: Transition):
    """The rows [..., D] that follow terminal steps [...]."""
    zero = jnp.zeros_like(steps.reward)[..., None]
    return jnp.concatenate([steps.next_obs, jnp.zeros_like(steps.action), zero, zero + 1], -1)


def begins(dataset: Dataset, window: int, stride: int):
    """Whether a window begins at each step, and whether it is one that ends with an absorbing row; [steps] bool each.

    Windows begin at every `stride`-th row of an episode, and so that one ends with each absorbing row; none ends with
    a step that was cut by time.
    """
    index = jnp.arange(dataset.last.shape[0], dtype=jnp.int32)
    ended = dataset.steps.terminated[dataset.last] > 0
    left = dataset.last - index + 1 + ended - window
    at_end = ended & (left == 0) & (window > 1)
    return ((left > 0) & ((index - first_of(dataset, index)) % stride == 0)) | at_end, at_end


def covered(mask, at_end, window: int):
    """How many windows hold each step, and how many the absorbing row after it; [steps] int each."""
    size = mask.shape[0]
    until = jnp.pad(jnp.cumsum(mask.astype(jnp.int32)), (window, 0))
    after = jnp.pad(at_end.astype(jnp.int32), (max(window - 2, 0), 0))[:size]
    return until[window:] - until[:-window] - jnp.pad(after, (1, 0))[:size], after


def find(dataset: Dataset, window: int, stride: int) -> Windows:
    """Where windows begin, and mean and standard deviation of each column over all their rows (1 where it is 0)."""
    mask, at_end = begins(dataset, window, stride)
    starts, count = packed(mask)
    counts = jnp.concatenate(covered(mask, at_end, window))
    weight = (counts / (jnp.maximum(count, 1) * window))[:, None]
    rows = jnp.concatenate([flat(dataset.steps), absorbing(dataset.steps)])
    mean = (weight * rows).sum(0)
    std = jnp.sqrt((weight * jnp.square(rows - mean[None])).sum(0))
    return Windows(starts, count, Scaler(mean, jnp.where(std > 1e-6, std, 1.0)))


def rows(dataset: Dataset, starts, window: int):
    """Windows that begin at `starts` [B], in their own units; [B, window, D]."""
    index = starts[:, None] + jnp.arange(window, dtype=jnp.int32)[None]
    end = dataset.last[starts][:, None]
    steps = take(dataset.steps, jnp.minimum(index, end))
    return jnp.where((index > end)[..., None], absorbing(steps), flat(steps))


def unscaled(scaler: Scaler, scaled):
    """Rows [..., D] in their own units."""
    axes = (1,) * (scaled.ndim - 1) + (-1,)
    return scaled * scaler.std.reshape(axes) + scaler.mean.reshape(axes)


def transitions(scaler: Scaler, scaled, spec: Spec) -> Transition:
    """Scaled windows [..., T, D] as steps [..., T - 1, ...]: the last row is only what follows the one before.

    A step is terminal where its flag is above 0.5. Steps after a terminal one in the same window weigh nothing.
    """
    plain = unscaled(scaler, scaled)
    obs, raw, reward, flag = jnp.split(plain, (spec.obs, spec.obs + spec.action, columns(spec) - 1), -1)
    action, reward, ended = jnp.tanh(raw), reward[..., :-1, 0], (flag[..., :-1, 0] > 0.5).astype(jnp.float32)
    alive = (jnp.cumsum(ended, -1) - ended < 0.5).astype(jnp.float32)
    here, ahead = (slice(None, -1), slice(None)), (slice(1, None), slice(None))
    at = lambda x, place: x[(..., *place)]
    return Transition(
        at(obs, here), at(action, here), reward, at(obs, ahead), at(action, ahead), ended, 0 * reward, alive
    )


def check_horizon(task: Task, window: int) -> Task:
    """The task, if its data hold a window; else an InputError with the longest there could be."""
    positive("window", window)
    if task.dataset is None or bool(begins(task.dataset, window, 1)[0].any()):
        return task
    lengths = np.asarray(task.dataset.last - first_of(task.dataset, jnp.arange(task.dataset.last.shape[0]))) + 1
    ended = np.asarray(task.dataset.steps.terminated[task.dataset.last]) > 0
    most = int(np.where(ended, lengths + 1, lengths - 1).max())
    raise InputError(
        f"window={window} is longer than the episodes of dataset {task.name}, of which the longest holds windows of "
        f"{most} rows; set window={max(most, 1)} or less"
    )


class Preparation(NamedTuple):
    """A card's `prepare`, and a check that the data hold windows; defaults: those of both."""

    prepare: prepare.Preparation
    defaults: Mapping[str, Any]

    def __call__(self, task: Task, **options) -> Task:
        chosen = {**self.defaults, **options}
        window = chosen.pop("window")
        return check_horizon(self.prepare(task, **chosen), window)


def checked(before: prepare.Preparation, window: int) -> Preparation:
    """`before` with the check; `window`: the card's default."""
    return Preparation(before, {**before.defaults, "window": window})
