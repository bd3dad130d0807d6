"""The host's loop around the trainer: compiled stretches of updates for all members, with a report after each."""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.tree import counters, finite
from jaxrl.core.types import Algorithm, Dataset, Source, Tree
from jaxrl.train.fit import Progress, advance, begin


class Stretch(NamedTuple):
    """What is known after a stretch of updates of S members.

    progress: where the members stand, leaves [S, ...] (counters unbatched). metrics: means over the stretch, [S].
    finite: whether every parameter of a member still is finite, [S] bool.
    seconds: training time of this stretch. compile_seconds: time spent compiling before it.
    """

    update: int
    progress: Progress
    metrics: Tree
    finite: Any
    seconds: float
    compile_seconds: float

    @property
    def state(self) -> Tree:
        """The learners' states."""
        return self.progress.state


class Compiled:
    """A function compiled ahead of time, once for every set of argument shapes, with the seconds that took."""

    def __init__(self, function: Callable, donate: tuple[int, ...] = ()):
        self._jit = jax.jit(function, donate_argnums=donate)
        self._programs: dict[Any, Any] = {}
        self.seconds = 0.0

    def lower(self, *args):
        """The lowered program for these arguments."""
        return self._jit.lower(*args)

    def __call__(self, *args):
        leaves, structure = jax.tree.flatten(args)
        signature = structure, tuple((jnp.shape(x), jnp.result_type(x)) for x in leaves)
        if signature not in self._programs:
            start = time.perf_counter()
            self._programs[signature] = self._jit.lower(*args).compile()
            self.seconds += time.perf_counter() - start
        return self._programs[signature](*args)


class Program(NamedTuple):
    """The two compiled halves of training, for S members at once.

    begin: (keys [S], hypers [S], dataset) -> Progress.
    advance: (keys, hypers, progress, dataset, steps) -> (Progress, metrics, finite). The progress is donated.
    """

    begin: Compiled
    advance: Compiled


def common_counters(states: Tree) -> Tree:
    """States of many members with each counter kept once."""

    def leaf(path, x):
        return x[0] if getattr(path[-1], "name", None) == "step" else x

    return jax.tree_util.tree_map_with_path(leaf, states)


def program(learner: Algorithm, source: Callable[[Dataset], Source]) -> Program:
    """Training of many members on one dataset, which is an argument of the compiled program and never copied.

    Counters are common to all members, so a part's turn stays a true branch.
    """

    def start(keys, hypers, dataset):
        one = functools.partial(_begin, learner, source)
        return common_counters(jax.vmap(one, (0, 0, None))(keys, hypers, dataset))

    def stretch(keys, hypers, progress, dataset, steps):
        axes = counters(progress)

        def one(key, hyper, progress):
            progress, metrics = advance(key, learner, hyper, source(dataset), progress, steps)
            return progress, metrics, finite(progress.state)

        return jax.vmap(one, (0, 0, axes), (axes, 0, 0))(keys, hypers, progress)

    return Program(Compiled(start), Compiled(stretch, donate=(2,)))


def _begin(learner, source, key, hyper, dataset) -> Progress:
    return begin(key, learner, hyper, source(dataset))


def drive(
    program: Program, keys, hypers, dataset: Dataset, checkpoints: list[int], start: Callable | None = None
) -> Iterator[Stretch]:
    """Train S members side by side; yields after each checkpoint (a count of updates, increasing).

    start: fresh Progress -> (the Progress to go on from, its updates), for a run that was stopped.
    The state of a Stretch is valid until the next one is asked for: its memory is then used again.
    """
    spent = _compile_seconds(program)
    progress, reached = program.begin(keys, hypers, dataset), 0
    if start:
        progress, reached = start(progress)
    for update in (one for one in checkpoints if one > reached):
        steps = jnp.asarray(update - reached, jnp.int32)
        before = _compile_seconds(program)
        began = time.perf_counter()
        progress, metrics, alive = jax.block_until_ready(program.advance(keys, hypers, progress, dataset, steps))
        seconds = time.perf_counter() - began
        after = _compile_seconds(program)
        yield Stretch(update, progress, metrics, alive, seconds - (after - before), after - spent)
        reached, spent = update, after


def _compile_seconds(program: Program) -> float:
    return program.begin.seconds + program.advance.seconds
