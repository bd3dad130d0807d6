"""The host's loop around the trainer: compiled stretches of updates for all members, with a report after each."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jaxrl.core.tree import counter, counters
from jaxrl.core.types import Earlier, Given, Phase, Tree
from jaxrl.train import devices
from jaxrl.train.fit import Progress, advance, begin, settled

STOCK = 2**31 - 5
"""Folded into a member's key for what a phase computes when it begins."""
PHASES = 2**31 - 16
"""Folded into a member's key for the first phase before the last; counts down. The last phase has the key itself."""


class Stretch(NamedTuple):
    """What is known after a stretch of updates of S members.

    progress: where the members stand, leaves [S, ...] (counters unbatched). metrics: means over the stretch, [S].
    finite: whether every parameter of a member was finite at its end, [S] bool; a member that diverged has since been
    put back to where it stood at the stretch's beginning.
    seconds: training time of this stretch. compile_seconds: time spent compiling before it.
    earlier: states of the phases before this one, by name. place: of the phase in its plan. last: whether it is the
    plan's last phase, whose stretches end at the run's checkpoints.
    """

    update: int
    progress: Progress
    metrics: Tree
    finite: Any
    seconds: float
    compile_seconds: float
    earlier: Earlier = {}
    place: int = 0
    last: bool = True

    @property
    def state(self) -> Tree:
        """The learners' states."""
        return self.progress.state


class Resume(NamedTuple):
    """Where a run that was stopped goes on: place of the phase in its plan, updates of that phase so far.

    load: (states of the phases before it by name, its Progress), both as shapes -> the same as arrays.
    """

    place: int
    update: int
    load: Callable[[tuple[Earlier, Progress]], tuple[Earlier, Progress]]


class Compiled:
    """A function compiled ahead of time, once for every set of argument shapes, with the seconds that took."""

    def __init__(self, function: Callable, donate: tuple[int, ...] = ()):
        self._jit = jax.jit(function, donate_argnums=donate)
        self._programs: dict[Any, Any] = {}
        self.seconds = 0.0

    def lower(self, *args):
        """The lowered program for these arguments."""
        return self._jit.lower(*args)

    def shapes(self, *args) -> Tree:
        """Shapes and types of what a call with these arguments returns."""
        return jax.eval_shape(self._jit, *args)

    def compiled(self, *args):
        """The compiled program for arguments of these shapes, which need not be arrays."""
        leaves, structure = jax.tree.flatten(args)
        signature = structure, tuple((jnp.shape(x), jnp.result_type(x)) for x in leaves)
        if signature not in self._programs:
            start = time.perf_counter()
            self._programs[signature] = self._jit.lower(*args).compile()
            self.seconds += time.perf_counter() - start
        return self._programs[signature]

    def __call__(self, *args):
        return self.compiled(*args)(*args)


class Advance(Compiled):
    """A stretch of updates. The state it begins with goes in twice: with the progress, which is donated, and as a copy.

    A member that diverges is put back to the copy. Keeping the donated state alive instead, for the program to read
    after its updates, costs 17 % of the time for 64 small members (benchmarks/speed).
    """

    def lower(self, keys, hypers, progress, given, steps):
        """The lowered program for these arguments."""
        return super().lower(keys, hypers, progress, given, steps, progress.state)

    def compiled(self, keys, hypers, progress, given, steps):
        """The compiled program for arguments of these shapes, which need not be arrays."""
        return super().compiled(keys, hypers, progress, given, steps, progress.state)

    def __call__(self, keys, hypers, progress, given, steps):
        before = copied(progress.state)
        return self.compiled(keys, hypers, progress, given, steps)(keys, hypers, progress, given, steps, before)


@jax.jit
def copied(tree: Tree) -> Tree:
    """The same arrays in memory of their own."""
    return jax.tree.map(jnp.copy, tree)


class Program(NamedTuple):
    """The two compiled halves of a phase's training, for S members at once, on the devices of a mesh.

    begin: (keys [S], hypers [S], given, earlier) -> Progress.
    advance: (keys, hypers, progress, given, steps) -> (Progress, metrics, finite). The progress is donated.
    """

    phase: Phase
    begin: Compiled
    advance: Advance
    mesh: Mesh | None = None

    @property
    def seconds(self) -> float:
        """Time spent compiling so far."""
        return self.begin.seconds + self.advance.seconds


def common_counters(states: Tree) -> Tree:
    """States of many members with each counter kept once."""

    def leaf(path, x):
        return x[0] if counter(path) else x

    return jax.tree_util.tree_map_with_path(leaf, states)


def program(phase: Phase, mesh: Mesh | None = None) -> Program:
    """Training of many members in a phase; what they are given is an argument of the compiled program, never copied.

    Counters are common to all members, so a part's turn stays a true branch.
    """

    def start(keys, hypers, given, earlier):
        one = functools.partial(_begin, phase)
        return common_counters(jax.vmap(one, (0, 0, None, counters(earlier)))(keys, hypers, given, earlier))

    def stretch(keys, hypers, progress, given, steps, before):
        axes = counters(progress)

        def one(key, hyper, progress, before):
            source = phase.source(given, progress.stock)
            progress, metrics = advance(key, phase.learner, hyper, source, progress, steps)
            progress, sound = settled(progress, before)
            return progress, metrics, sound

        return jax.vmap(one, (0, 0, axes, axes.state), (axes, 0, 0))(keys, hypers, progress, before)

    begin = lambda *args: devices.split(mesh, start, args, common=(2,))
    go = lambda *args: devices.split(mesh, stretch, args, common=(3, 4))
    return Program(phase, Compiled(begin), Advance(go, donate=(2,)), mesh)


def _begin(phase: Phase, key, hyper, given, earlier) -> Progress:
    stock = phase.stock(jax.random.fold_in(key, STOCK), hyper, given, earlier)
    progress = begin(key, phase.learner, hyper, phase.source(given, stock))
    return progress._replace(state=phase.begin(progress.state, earlier), stock=stock)


def drive(
    programs: Sequence[Program], keys, hypers, given: Given, checkpoints: list[int], resume: Resume | None = None
) -> Iterator[Stretch]:
    """Train S members side by side through all phases; yields after each stretch, those of the last phase end at the
    checkpoints.

    checkpoints: increasing counts of the last phase's updates; one of 0 is before the first.
    A member that diverged in a phase is put back after each stretch, and counts as diverged at update 0 of the next.
    The state of a Stretch is valid until the next one is asked for: its memory is then used again.
    """
    spent, began = sum(program.seconds for program in programs), time.perf_counter()
    earlier: Earlier = {}
    lost = jnp.zeros(len(keys), bool)
    for place, program in enumerate(programs):
        last = place == len(programs) - 1
        own = keys if last else jax.vmap(jax.random.fold_in, (0, None))(keys, PHASES - place)
        if resume and place < resume.place:
            earlier = {**earlier, program.phase.name: program.begin.shapes(own, hypers, given, earlier).state}
            continue
        reached = -1
        if resume and place == resume.place:
            like = earlier, program.begin.shapes(own, hypers, given, earlier)
            earlier, progress = (devices.placed(program.mesh, one) for one in resume.load(like))
            reached = resume.update
        else:
            progress = program.begin(own, hypers, given, earlier)
            progress = progress._replace(diverged=jnp.where(lost, 0, progress.diverged))
        for update in (one for one in (checkpoints if last else parts(program.phase.updates)) if one > reached):
            steps = jnp.asarray(update - max(reached, 0), jnp.int32)
            progress, metrics, alive = jax.block_until_ready(program.advance(own, hypers, progress, given, steps))
            compiled = sum(program.seconds for program in programs) - spent
            seconds = time.perf_counter() - began - compiled
            yield Stretch(update, progress, metrics, alive, seconds, compiled, earlier, place, last)
            reached, spent, began = update, spent + compiled, time.perf_counter()
        earlier = {**earlier, program.phase.name: progress.state}
        lost = progress.diverged >= 0


def parts(updates: int) -> list[int]:
    """Counts of updates after which a phase before the last pauses: ten, the last of them `updates`."""
    return sorted({updates * (i + 1) // 10 for i in range(10)} - {0})
