"""Nearest rows of a bank against brute force in straight lines, all of them exact, in one process.

    python -m benchmarks.speed.neighbours [--rows 1000000] [--columns 23] [--queries 256] [--repeats 3]

Yardsticks: `jax`, one compiled scan over chunks of 4,096 rows with |b|^2 - 2 q.b and a running minimum; `numpy`, the
same chunks one after another on the host. Times are the best of interleaved repeats.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.speed.updates import best_seconds
from jaxrl.losses import neighbours

CHUNK = 4096


def chunks(rows):
    """Rows [N, D] as [chunks, CHUNK, D]; those beyond the end repeat the last one."""
    padded = jnp.pad(rows, ((0, -len(rows) % CHUNK), (0, 0)), mode="edge")
    return padded.reshape(-1, CHUNK, rows.shape[1])


@jax.jit
def straight_jax(queries, parts):
    """Indices [B] of the nearest rows, by a running minimum over the chunks."""

    def step(best, part):
        place, rows = part
        score = jnp.square(rows).sum(-1)[None] - 2 * jnp.matmul(queries, rows.T, precision="highest")
        index = score.argmin(-1)
        lowest = score.min(-1)
        return (jnp.minimum(best[0], lowest), jnp.where(lowest < best[0], place * CHUNK + index, best[1])), None

    start = jnp.full(len(queries), jnp.inf), jnp.zeros(len(queries), jnp.int32)
    return jax.lax.scan(step, start, (jnp.arange(len(parts)), parts))[0][1]


def straight_numpy(queries, rows):
    """The same on the host; queries [B, D], rows [N, D]."""
    best, index = np.full(len(queries), np.inf, np.float32), np.zeros(len(queries), np.int64)
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        score = np.square(part).sum(-1)[None] - 2 * queries @ part.T
        own = score.argmin(-1)
        lowest = score[np.arange(len(queries)), own]
        index = np.where(lowest < best, start + own, index)
        best = np.minimum(best, lowest)
    return index


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=23)
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    k_rows, k_queries = jax.random.split(jax.random.key(0))
    rows = jax.random.normal(k_rows, (arguments.rows, arguments.columns))
    queries = jax.random.normal(k_queries, (arguments.queries, arguments.columns))
    bank, parts = jax.jit(neighbours.bank)(rows), chunks(rows)
    on_host, search = (np.asarray(queries), np.asarray(rows)), jax.jit(neighbours.nearest)
    calls = {
        "ours": lambda: jax.block_until_ready(search(queries, bank)),
        "jax": lambda: jax.block_until_ready(straight_jax(queries, parts)),
        "numpy": lambda: straight_numpy(*on_host),
    }
    found = {name: np.asarray(call()) for name, call in calls.items()}
    seconds = best_seconds(calls, arguments.repeats)
    size = f"{arguments.queries} queries in {arguments.rows:,} x {arguments.columns}"
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}, {size}")
    for name, spent in seconds.items():
        agree = (found[name] == found["ours"]).mean()
        print(f"{name:<6} {1e3 * spent:9.1f} ms   ours {spent / seconds['ours']:5.2f} x as fast   {agree:.1%} the same")


if __name__ == "__main__":
    main()
