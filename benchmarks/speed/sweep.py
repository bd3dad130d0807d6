"""Members a second against members, and what checkpoints and the watch for divergence cost; in one process.

    python -m benchmarks.speed.sweep [--cards td3_bc] [--updates 200] [--members 1 4 16 64] [--width 64] [--repeats 3]
        [--parts scaling guard checkpoints]

On an accelerator, at the papers' sizes:

    python -m benchmarks.speed.sweep --cards td3_bc iql sac --members 1 8 64 256 --width 256 --parts scaling

Members: one compiled call for all of them against a loop over seeds that calls a program for one, both compiled.
Compile seconds are those of a sweep's two programs, without the persistent cache. Memory is the compiler's account, and
so are the operations of an update, whose rate is given as a share of a large matrix product's. Throughput saturates at
the first count of members that comes within a tenth of the best.
Guard: the same program with and without `train.fit.lost`, `settled` and the copy of the state that it is given.
Checkpoints: runs of `--span` updates in ten stretches, each of which stores everything (`saving=1.0`), and with the
default share of the time, against none.
"""

import argparse
import contextlib
import functools
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

import jaxrl
from benchmarks.speed.updates import best_seconds, matrix_rate, operations
from jaxrl import experiment
from jaxrl.data.dataset import from_arrays
from jaxrl.envs import suites
from jaxrl.experiment import chunks, programs
from jaxrl.train import driver, fit
from tests import made

MIB = 2**20


@functools.cache
def task(steps: int = 100_000):
    """Random data of the pendulum."""
    env = suites.environment("Pendulum-v1")
    return jaxrl.Task("made/up-v0", env, from_arrays(made.arrays(episodes=steps // 200, length=200)), version="made")


class Made(NamedTuple):
    """go: trains all members for some more updates. seconds: of compiling. needed: bytes. flops: of an update."""

    go: Callable[[int], None]
    seconds: float
    needed: int
    flops: float


def compiled(card: str, width: int, batch: int, members: int) -> Made:
    """A sweep's programs for that many members."""
    experiment.trial.cache_clear()
    parts = experiment.trial(card, task().env.spec, (("width", width),), (), batch, 1, experiment.functions(task().env))
    who = experiment.members(list(range(members)), experiment.points(card, [{}]))
    given = programs.given(task())
    needed = chunks.needed(parts, given, who)
    program = parts.training[0]
    progress = program.begin(who.keys, who.hypers, given, {})
    flops = operations(program.advance.compiled(who.keys, who.hypers, progress, given, jnp.int32(1)))

    def go(updates: int):
        nonlocal progress
        arguments = who.keys, who.hypers, progress, given, jnp.int32(updates)
        progress, *_ = jax.block_until_ready(program.advance(*arguments))

    return Made(go, program.seconds, needed, flops)


@contextlib.contextmanager
def unguarded():
    """Training that neither looks for divergence nor freezes."""
    kept = fit.lost, driver.settled, driver.copied
    fit.lost = lambda metrics: jnp.asarray(False)
    driver.settled = lambda progress, before: (progress, jnp.asarray(True))
    driver.copied = lambda state: state
    try:
        yield
    finally:
        fit.lost, driver.settled, driver.copied = kept


def scaling(card: str, width: int, batch: int, updates: int, counts: list[int], repeats: int, peak: float) -> None:
    """A row for each number of members. peak: operations a second of a large matrix product."""
    alone = compiled(card, width, batch, 1).go
    print("members  compile s     MiB  updates/s in all  against a loop over seeds  of peak")
    rates = {}
    for count in counts:
        own = compiled(card, width, batch, count)
        # The loop is timed over a few seeds: each takes as long.
        spent = best_seconds({"one call": lambda go=own.go: go(updates), "loop": lambda: alone(updates)}, repeats)
        ratio = count * spent["loop"] / spent["one call"]
        rates[count] = count * updates / spent["one call"]
        share = own.flops * updates / spent["one call"] / peak
        sizes = f"{count:7d} {own.seconds:10.1f} {own.needed / MIB:7.1f}"
        print(f"{sizes} {rates[count]:17.0f} {ratio:24.2f} x {share:8.0%}", flush=True)
    enough = next(count for count, rate in rates.items() if rate >= 0.9 * max(rates.values()))
    print(f"saturates at {enough} members", flush=True)


def guard(card: str, width: int, batch: int, updates: int, members: int, repeats: int) -> None:
    """What the watch for divergence costs, and how far two programs without it are apart."""
    ours = compiled(card, width, batch, members).go
    with unguarded():
        first, second = (compiled(card, width, batch, members).go for _ in range(2))

    def bare(call):
        with unguarded():
            call(updates)

    calls = {"guarded": lambda: ours(updates), "bare": lambda: bare(first), "again": lambda: bare(second)}
    spent = best_seconds(calls, 2 * repeats)
    more, noise = (spent[name] / spent["bare"] - 1 for name in ("guarded", "again"))
    print(f"guard, {members} members: {more:+.1%} of the time without it; without it again: {noise:+.1%}", flush=True)


def checkpoints(card: str, width: int, batch: int, span: int, members: int, repeats: int) -> None:
    """What checkpoints cost."""
    run = {"seeds": members, "updates": span, "evaluate_every": span // 10, "episodes": 1, "batch": batch}

    def timed(**options) -> None:
        with tempfile.TemporaryDirectory() as folder:
            jaxrl.sweep(card, task(), width=width, **run, **({"checkpoint": folder, **options} if options else {}))

    cases = {"every stretch": {"saving": 1.0}, "the default": {"saving": 0.05}, "none": {}}
    found = best_seconds({name: functools.partial(timed, **options) for name, options in cases.items()}, repeats)
    for name in ("every stretch", "the default"):
        more = found[name] / found["none"] - 1
        print(f"checkpoints at {name}, {members} members: {more:+.1%} of a run of {found['none']:.1f} s", flush=True)


def main() -> None:
    """Read the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cards", nargs="+", default=["td3_bc"])
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--span", type=int, default=10_000)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parts = ("scaling", "guard", "checkpoints")
    parser.add_argument("--parts", choices=parts, nargs="+", default=parts)
    arguments = parser.parse_args()
    peak = matrix_rate()
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {peak / 1e9:.0f} GFLOP/s in a large product")
    for card in arguments.cards:
        sizes = card, arguments.width, arguments.batch
        print(f"{card}, width {arguments.width}, batch {arguments.batch}")
        if "scaling" in arguments.parts:
            scaling(*sizes, arguments.updates, arguments.members, arguments.repeats, peak)
        for count in (1, max(arguments.members)) if "guard" in arguments.parts else ():
            guard(*sizes, arguments.updates, count, arguments.repeats)
        if "checkpoints" in arguments.parts:
            checkpoints(*sizes, arguments.span, 4, arguments.repeats)


if __name__ == "__main__":
    main()
