"""How many members fit a device at once, by the compiled programs' own account of their memory."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Given, Task, Tree
from jaxrl.experiment.programs import Members, Trial, given
from jaxrl.train import devices, hosted

GIB = 2**30
SHARE = 0.8
"""Of the free memory, what a sweep takes."""


def free() -> int:
    """Bytes that a sweep may take on each device of this process."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return int(SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines()) if MEMINFO.exists() else {}
    kib = int(lines.get("MemAvailable", f"{8 * GIB // 1024} kB").split()[0])
    return int(SHARE * kib * 1024 / len(jax.local_devices()))


MEMINFO = Path("/proc/meminfo")


def needed(parts: Trial, given: Given, who: Members) -> int:
    """Bytes that training these members takes at its peak on each device, as the compiler counts them."""
    earlier: dict[str, Tree] = {}
    peak = held = 0
    for program in parts.training:
        arguments = who.keys, who.hypers, given
        begun = program.begin.shapes(*arguments, earlier)
        progress = devices.shaped(parts.mesh, begun)
        steps = jnp.int32(1)
        for one in (
            program.begin.compiled(*arguments, earlier),
            program.advance.compiled(who.keys, who.hypers, progress, given, steps),
        ):
            sizes = one.memory_analysis()
            own = sizes.argument_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes
            peak = max(peak, held + own + sizes.temp_size_in_bytes)
        earlier = {**earlier, program.phase.name: progress.state}
        held += sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(progress.state)) // width(parts)
    return peak


def width(parts: Trial) -> int:
    """Devices among which members are shared out."""
    return parts.mesh.size if parts.mesh else 1


def size(parts: Trial, task: Task, who: Members, limit: int | None, say: Callable[[str], None]) -> int:
    """How many members are trained at once: all, or as many as fit `limit` bytes a device, a multiple of the devices.

    limit: default the free memory. Raises InputError where one member a device does not fit. Cards that learn from an
    environment on the host are not measured.
    """
    if isinstance(parts.training, hosted.Program):
        return who.size
    limit, shared = free() if limit is None else limit, given(task)
    every = needed(parts, shared, padded(who, width(parts)))
    if every <= limit:
        return who.size
    each = width(parts)
    one = needed(parts, shared, padded(who.take(slice(0, each)), each))
    if one > limit:
        raise InputError(
            f"one member of this sweep needs {one / GIB:.3g} GiB on a device, which has {limit / GIB:.3g} GiB for it; "
            "choose a smaller batch, width, capacity or dataset, or a device with more memory"
        )
    count = most(parts, shared, who, limit, one, every)
    chunks = -(-who.size // count)
    say(
        f"this sweep needs {every / GIB:.3g} GiB on a device, which has {limit / GIB:.3g} GiB for it: "
        f"{chunks} chunks of {count} members"
    )
    return count


def most(parts: Trial, shared: Given, who: Members, limit: int, one: int, every: int) -> int:
    """The largest number of members, a multiple of the devices, that fits; `one` and `every`: bytes of the extremes.

    Memory grows evenly with members, or nearly: a guess that is too high is lowered until its program fits.
    """
    each = width(parts)
    slope = max(every - one, 1) / max(who.size - each, 1)
    count = max(int((limit - one) / slope) // each * each + each, each)
    while count > each and needed(parts, shared, padded(who.take(slice(0, count)), each)) > limit:
        count -= each * max(count // (8 * each), 1)
    # Chunks of equal size leave none nearly empty, and are one program.
    chunks = -(-who.size // count)
    return min(count, -(-who.size // (chunks * each)) * each)


def padded(who: Members, multiple: int) -> Members:
    """With the last member repeated until the count divides; the copies' results are thrown away."""
    missing = -who.size % multiple
    return who.take(np.minimum(np.arange(who.size + missing), who.size - 1)) if missing else who
