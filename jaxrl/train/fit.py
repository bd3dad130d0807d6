"""The one trainer: a scan over (draw a batch, update), with a report every so often.

Randomness is a function of (key, step), so a run cut in two and resumed gives the same bits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.types import Algorithm, Tree

SETUP = 2**31 - 1
"""Updates count up from 0; one-off draws count down from here."""


class Progress(NamedTuple):
    """Where a run stands; `step` counts updates."""

    state: Tree
    feed: Tree
    step: jax.Array


def begin(key, learner, hyper, source, *, state=None, step: int = 0) -> Progress:
    """Fresh progress, or one that goes on from a given state and step."""
    k_state, k_feed = jax.random.split(jax.random.fold_in(key, SETUP - step))
    state = learner.init(k_state, hyper) if state is None else state
    return Progress(state, source.init(k_feed), jnp.asarray(step, jnp.int32))


def advance(key, learner, hyper, source, progress: Progress, steps: int):
    """`steps` updates. Returns the new progress and the metrics' means over them, idle calls left out."""
    explore = learner.explore if isinstance(learner, Algorithm) else lambda hyper, state: None

    def one(carry, _):
        progress, total = carry
        k_batch, k_update = jax.random.split(jax.random.fold_in(key, progress.step))
        feed, batch = source.next(k_batch, progress.feed, explore(hyper, progress.state))
        state, metrics = learner.update(k_update, hyper, progress.state, batch)
        return (Progress(state, feed, progress.step + 1), _add(total, metrics)), None

    shapes = jax.eval_shape(lambda p: one((p, None), None)[0][1], progress)
    total = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    (progress, total), _ = jax.lax.scan(one, (progress, total), length=steps)
    return progress, jax.tree.map(lambda s, n: s / n, *total)


def _add(total, metrics):
    """Running (sum, count) of metrics, NaN counting as absent."""
    metrics = jax.tree.map(jnp.asarray, metrics)
    there = jax.tree.map(lambda x: (~jnp.isnan(x)).astype(x.dtype), metrics)
    values = jax.tree.map(lambda x: jnp.where(jnp.isnan(x), 0, x), metrics)
    if total is None:
        return values, there
    return jax.tree.map(jnp.add, total, (values, there))


def fit(key, learner, hyper, source, steps: int, *, start=None, every=None, report=lambda key, state: {}):
    """Train for `steps` updates, reporting after every `every`. Pure: vmap it over key and hyper.

    Returns the last Progress and a log whose leaves have shape [steps // every, ...].
    """
    every = every or steps
    if steps % every:
        raise InputError(f"{steps} updates do not divide into reports every {every}; choose a multiple")

    def stretch(progress, _):
        progress, metrics = advance(key, learner, hyper, source, progress, every)
        k_report = jax.random.fold_in(jax.random.fold_in(key, progress.step), 1)
        return progress, {**metrics, **report(k_report, progress.state)}

    start = begin(key, learner, hyper, source) if start is None else start
    return jax.lax.scan(stretch, start, length=steps // every)
