"""Steps as rows of numbers, for learners that model a whole step: [obs, action, reward, next_obs, terminated]."""

import math
import os
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Spec, Transition


class Codec(NamedTuple):
    """How rows are scaled: (x - shift) / scale, then limited to [-limit, limit]; shift and scale [D], limit scalar."""

    shift: jax.Array
    scale: jax.Array
    limit: jax.Array


def columns(spec: Spec) -> int:
    """Length D of a row."""
    return 2 * spec.obs + spec.action + 2


def flat(steps: Transition):
    """Steps with leading axes [...] as rows [..., D], in their own units."""
    reward, terminated = steps.reward[..., None], steps.terminated[..., None]
    return jnp.concatenate([steps.obs, steps.action, reward, steps.next_obs, terminated], -1)


def whitening(steps: Transition) -> Codec:
    """Every column to mean zero and standard deviation one, but the flag, which stays 0 or 1 so that a few of them
    still count (SynthER, arXiv:2303.06614)."""
    rows = flat(steps)
    first = rows[0]
    beyond = rows - first[None]  # exactly zero where a column never changes, however large it is
    shift, scale = (first + beyond.mean(0)).at[-1].set(0.0), (beyond.std(0) + 1e-5).at[-1].set(1.0)
    return Codec(shift, scale, jnp.asarray(jnp.inf))


def min_max(steps: Transition) -> Codec:
    """Every column but the flag to [-1, 1], its smallest and largest value; what is beyond them is cut off."""
    rows = flat(steps)
    low, high = rows.min(0), rows.max(0)
    shift, scale = ((high + low) / 2).at[-1].set(0.0), jnp.maximum((high - low) / 2, 1e-5).at[-1].set(1.0)
    return Codec(shift, scale, jnp.asarray(1.0))


def wide(x, like):
    """x [D] with as many leading axes of length one as `like` [..., D] has."""
    return x.reshape((1,) * (like.ndim - 1) + (-1,))


def encode(codec: Codec, steps: Transition):
    """Steps as scaled rows [..., D]."""
    rows = flat(steps)
    return jnp.clip((rows - wide(codec.shift, rows)) / wide(codec.scale, rows), -codec.limit, codec.limit)


def decode(codec: Codec, rows, spec: Spec) -> Transition:
    """Scaled rows [..., D] as steps: actions are cut to [-1, 1], and a step is terminal where its flag is above 0.5.

    No row knows the action that follows: `next_action` is the action itself, as at the end of an episode.
    """
    plain = jnp.clip(rows, -codec.limit, codec.limit) * wide(codec.scale, rows) + wide(codec.shift, rows)
    cuts = (spec.obs, spec.obs + spec.action, spec.obs + spec.action + 1, columns(spec) - 1)
    obs, action, reward, next_obs, flag = jnp.split(plain, cuts, -1)
    action, reward = jnp.clip(action, -1, 1), reward[..., 0]
    terminated = (flag[..., 0] > 0.5).astype(jnp.float32)
    return Transition(obs, action, reward, next_obs, action, terminated, 0 * reward, jnp.ones_like(reward))


def encoded(codec: Codec, sampler):
    """The sampler's batches with their scaled rows as the extra "row" [B, D]."""

    def sample(key, dataset: Dataset) -> Transition:
        batch = sampler(key, dataset)
        return batch._replace(extras={**batch.extras, "row": encode(codec, batch)})

    return sample


def mixed(codec: Codec, rows, spec: Spec, size: int, real: int):
    """Sampler of `real` logged steps and `size - real` of the given rows [n, D], both with replacement."""

    def sample(key, dataset: Dataset) -> Transition:
        k_made, k_real = jax.random.split(key)
        made = decode(codec, rows[jax.random.randint(k_made, (size - real,), 0, rows.shape[0])], spec)
        if not real:
            return made
        logged = take(dataset.steps, jax.random.randint(k_real, (real,), 0, dataset.last.shape[0]))
        return jax.tree.map(lambda *x: jnp.concatenate(x), made, logged._replace(extras={}))

    return sample


def device_bytes() -> int:
    """Memory of the first device, of the machine where that is a CPU."""
    known = jax.devices()[0].memory_stats() or {}
    return known.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_room(count: int, spec: Spec) -> int:
    """`count`, if so many rows of one member fit on the device beside as much for work; else an InputError."""
    room, row = device_bytes() // 2, 4 * columns(spec)
    if count * row > room:
        gigabytes = count * row / 2**30
        raise InputError(
            f"made={count} rows of {spec.name} take {gigabytes:,.1f} GiB for each member, of {room / 2**30:,.1f} GiB "
            f"that are free for them; make at most {10 ** math.floor(math.log10(room / row)):,}"
        )
    return count
