"""The host's loop around the trainer: compiled stretches of updates for all members, with a report after each."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.tree import counters, finite
from jaxrl.core.types import Earlier, Given, Phase, Tree
from jaxrl.train.fit import Progress, advance, begin

STOCK = 2**31 - 5
"""Folded into a member's key for what a phase computes when it begins."""
PHASES = 2**31 - 16
"""Folded into a member's key for the first phase before the last; counts down. The last phase has the key itself."""


class Stretch(NamedTuple):
    """What is known after a stretch of updates of S members.

    progress: where the members stand, leaves [S, ...] (counters unbatched). metrics: means over the stretch, [S].
    finite: whether every parameter of a member still is finite, [S] bool.
    seconds: training time of this stretch. compile_seconds: time spent compiling before it.
    earlier: states of the phases before this one, by name.
    """

    update: int
    progress: Progress
    metrics: Tree
    finite: Any
    seconds: float
    compile_seconds: float
    earlier: Earlier = {}

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
    """The two compiled halves of a phase's training, for S members at once.

    begin: (keys [S], hypers [S], given, earlier) -> Progress.
    advance: (keys, hypers, progress, given, steps) -> (Progress, metrics, finite). The progress is donated.
    """

    phase: Phase
    begin: Compiled
    advance: Compiled

    @property
    def seconds(self) -> float:
        """Time spent compiling so far."""
        return self.begin.seconds + self.advance.seconds


def common_counters(states: Tree) -> Tree:
    """States of many members with each counter kept once."""

    def leaf(path, x):
        return x[0] if getattr(path[-1], "name", None) == "step" else x

    return jax.tree_util.tree_map_with_path(leaf, states)


def program(phase: Phase) -> Program:
    """Training of many members in a phase; what they are given is an argument of the compiled program, never copied.

    Counters are common to all members, so a part's turn stays a true branch.
    """

    def start(keys, hypers, given, earlier):
        one = functools.partial(_begin, phase)
        return common_counters(jax.vmap(one, (0, 0, None, counters(earlier)))(keys, hypers, given, earlier))

    def stretch(keys, hypers, progress, given, steps):
        axes = counters(progress)

        def one(key, hyper, progress):
            source = phase.source(given, progress.stock)
            progress, metrics = advance(key, phase.learner, hyper, source, progress, steps)
            return progress, metrics, finite(progress.state)

        return jax.vmap(one, (0, 0, axes), (axes, 0, 0))(keys, hypers, progress)

    return Program(phase, Compiled(start), Compiled(stretch, donate=(2,)))


def _begin(phase: Phase, key, hyper, given, earlier) -> Progress:
    stock = phase.stock(jax.random.fold_in(key, STOCK), hyper, given, earlier)
    progress = begin(key, phase.learner, hyper, phase.source(given, stock))
    return progress._replace(state=phase.begin(progress.state, earlier), stock=stock)


def drive(
    programs: Sequence[Program], keys, hypers, given: Given, checkpoints: list[int], start: Callable | None = None
) -> Iterator[Stretch]:
    """Train S members side by side through all phases; yields after each checkpoint of the last one.

    checkpoints: increasing counts of the last phase's updates; one of 0 is before the first.
    start: fresh Progress -> (the last phase's Progress to go on from, its updates), for a run that was stopped.
    The state of a Stretch is valid until the next one is asked for: its memory is then used again.
    """
    spent = sum(program.seconds for program in programs)
    began = time.perf_counter()
    earlier = _earlier(programs[:-1], keys, hypers, given)
    program, reached = programs[-1], -1
    progress = jax.block_until_ready(program.begin(keys, hypers, given, earlier))
    if start:
        progress, reached = start(progress)
    for update in (one for one in checkpoints if one > reached):
        steps = jnp.asarray(update - max(reached, 0), jnp.int32)
        progress, metrics, alive = jax.block_until_ready(program.advance(keys, hypers, progress, given, steps))
        compiled = sum(program.seconds for program in programs) - spent
        yield Stretch(update, progress, metrics, alive, time.perf_counter() - began - compiled, compiled, earlier)
        reached, spent, began = update, spent + compiled, time.perf_counter()


def _earlier(programs: Sequence[Program], keys, hypers, given) -> dict[str, Tree]:
    """Trained states of the phases before the last, by name; each has a key of its own."""
    states: dict[str, Tree] = {}
    for place, program in enumerate(programs):
        own = jax.vmap(jax.random.fold_in, (0, None))(keys, PHASES - place)
        progress = program.begin(own, hypers, given, states)
        steps = jnp.asarray(program.phase.updates, jnp.int32)
        states[program.phase.name] = program.advance(own, hypers, progress, given, steps)[0].state
    return states
