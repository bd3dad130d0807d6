"""The one trainer: a loop over (draw a batch, update), with a report every so often.

Randomness is a function of (key, step), so a run cut in two and resumed gives the same bits.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.tree import counter, finite
from jaxrl.core.types import Algorithm, Tree

SETUP = 2**31 - 1
"""Updates count up from 0; one-off draws count down from here."""


SOUND = -1
"""`Progress.diverged` of a run whose losses were finite so far."""


class Progress(NamedTuple):
    """Where a run stands; `step` counts updates, `stock` is what its phase computed when it began.

    diverged: the update, counted from 1, in which a loss was not finite for the first time; SOUND while there was none.
    """

    state: Tree
    feed: Tree
    step: jax.Array
    stock: Tree = ()
    diverged: Any = SOUND


def begin(key, learner, hyper, source, *, state=None, step: int = 0) -> Progress:
    """Fresh progress, or one that goes on from a given state and step."""
    k_state, k_feed = jax.random.split(jax.random.fold_in(key, SETUP - step))
    state = learner.init(k_state, hyper) if state is None else state
    return Progress(state, source.init(k_feed), jnp.asarray(step, jnp.int32), diverged=jnp.int32(SOUND))


class Tally(NamedTuple):
    """Sums of metrics and how many numbers went into each; idle calls, whose metrics are NaN, are left out."""

    sums: Tree
    counts: Tree

    @staticmethod
    def like(shapes) -> "Tally":
        """Nothing yet, for metrics of these shapes."""
        sums = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        return Tally(sums, jax.tree.map(lambda s: jnp.zeros(s.shape, jnp.int32), shapes))

    def add(self, metrics) -> "Tally":
        """With one more call's metrics."""
        there = jax.tree.map(lambda x: ~jnp.isnan(x), metrics)
        sums = jax.tree.map(lambda s, x, ok: s + jnp.where(ok, x, 0), self.sums, metrics, there)
        return Tally(sums, jax.tree.map(jnp.add, self.counts, there))

    def means(self):
        """The metrics' means."""
        return jax.tree.map(lambda s, n: s / n, self.sums, self.counts)


def advance(key, learner, hyper, source, progress: Progress, steps):
    """`steps` updates, which may be traced. Returns the new progress and the metrics' means, idle calls left out."""

    def one(_, carry):
        progress, tally = carry
        progress, metrics = _update(key, learner, hyper, source, progress)
        return progress, tally.add(metrics)

    shapes = jax.eval_shape(lambda p: _update(key, learner, hyper, source, p)[1], progress)
    progress, tally = jax.lax.fori_loop(0, steps, one, (progress, Tally.like(shapes)))
    return progress, tally.means()


def _update(key, learner, hyper, source, progress: Progress):
    explore = learner.explore(hyper, progress.state) if isinstance(learner, Algorithm) else None
    k_batch, k_update = jax.random.split(jax.random.fold_in(key, progress.step))
    feed, batch = source.next(k_batch, progress.feed, explore)
    return improve(k_update, learner, hyper, progress._replace(feed=feed), batch, source.observe)


def improve(key, learner, hyper, progress: Progress, batch, observe=None):
    """One update on a batch; `observe(feed, priority)` tells the feed of its errors. Returns (Progress, metrics).

    A run that has diverged reports NaN.
    """
    state, metrics = learner.update(key, hyper, progress.state, batch)
    over = progress.diverged >= 0
    diverged = jnp.where(~over & lost(metrics), progress.step + 1, progress.diverged)
    metrics, feed = {**metrics}, progress.feed
    priority = metrics.pop("priority", None)
    if observe:
        if priority is None:
            raise InputError("the source draws by priority, but the learner reports none; use a source with even draws")
        feed = observe(feed, priority)
    after = progress._replace(state=state, feed=feed, step=progress.step + 1, diverged=diverged)
    return after, jax.tree.map(lambda x: jnp.where(over, jnp.nan, x), metrics)


def lost(metrics):
    """Whether any part reports a loss that is not finite (metrics called "diverged", NaN where a part was idle)."""
    leaves = jax.tree_util.tree_leaves_with_path(metrics)
    flags = [(leaf > 0).any() for path, leaf in leaves if getattr(path[-1], "key", None) == "diverged"]
    return jnp.stack(flags).any() if flags else jnp.asarray(False)


def settled(progress: Progress, before: Tree) -> tuple[Progress, jax.Array]:
    """Progress at the end of a stretch that began with the learner's state `before`, and whether its state was finite.

    A run that has diverged is put back: its state stays that of the last stretch that ended well. Looking once a
    stretch costs nothing, where a choice in every update would cost a copy of the state each time.
    """
    sound = finite(progress.state)
    found = jnp.where(sound | (progress.diverged >= 0), progress.diverged, progress.step)
    back = lambda path, new, old: new if counter(path) else jnp.where(found >= 0, old, new)
    state = jax.tree_util.tree_map_with_path(back, progress.state, before)
    return progress._replace(state=state, diverged=found), sound


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
