"""Exact nearest rows of a bank, by matrix products over chunks of it.

Squared distances as |q|^2 - 2 q.b + |b|^2 lose digits where rows are close to each other and far from their mean. So
the products only bound the distances to a tile of rows from below; within a tile, distances are sums of squares.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

TILE = 32
"""Rows that are bounded, and looked into, together."""
KEPT = 4
"""Tiles that are looked into at a time."""
CACHED, LAUNCHED = 1024, 65_536
"""Rows of a chunk on a CPU, where its products should stay in a cache, and elsewhere, where each chunk costs calls."""


class Bank(NamedTuple):
    """Rows in which neighbours are looked for, made by `bank`.

    columns: rows less their mean, [chunks, D, TILE, tiles of a chunk]; those beyond the end repeat the last row.
    centre: the mean, [1, D]. last: index of the last row.
    """

    columns: jax.Array
    centre: jax.Array
    last: jax.Array


def bank(rows) -> Bank:
    """Rows [N, D] laid out for `nearest`; the only copy of them that a search needs."""
    count, dimensions = rows.shape
    most = (CACHED if jax.default_backend() == "cpu" else LAUNCHED) // TILE
    tiles = -(-count // TILE)
    chunks = -(-tiles // most)
    wide = -(-tiles // chunks)
    centre = rows.mean(0, keepdims=True)
    padded = jnp.pad(rows - centre, ((0, chunks * wide * TILE - count), (0, 0)), mode="edge")
    columns = jnp.moveaxis(padded.reshape(chunks, TILE, wide, dimensions), -1, 1)
    return Bank(columns, centre, jnp.asarray(count - 1, jnp.int32))


def nearest(queries, bank: Bank, weights=None):
    """Index of the bank's row with the smallest sum_d weights[d] (query[d] - row[d])^2 to each query [B, D]; [B] int32.

    weights: [D], none negative, default ones. Carries no gradient. The first tiles are looked into that the products
    favour, then further ones until no other can hold a nearer row, whatever the products' rounding: rows closer to each
    other than float32 resolves cost time, not exactness. Memory beside the bank: B scores of a chunk, one of each tile.
    """
    queries, weights = jax.lax.stop_gradient((queries, jnp.ones(queries.shape[-1]) if weights is None else weights))
    queries = queries - bank.centre
    size, wide = len(queries), bank.columns.shape[-1]
    bounds = jax.lax.map(lambda chunk: _bounds(queries, chunk, weights), bank.columns)  # [chunks, B, wide]
    bounds = jnp.moveaxis(bounds, 1, 0).reshape(size, -1)
    count = min(KEPT, bounds.shape[1])

    def look(found):
        bounds, best, index = found
        tile = jax.lax.top_k(-bounds, count)[1]  # [B, KEPT]
        rows = bank.columns[tile // wide, :, :, tile % wide]  # [B, KEPT, D, TILE]
        apart = jnp.square(rows - queries[:, None, :, None])
        distance = (apart * weights[None, None, :, None]).sum(2).reshape(size, -1)
        place, smallest = distance.argmin(-1), distance.min(-1)
        own = jnp.take_along_axis(tile, place[:, None] // TILE, -1)[:, 0]
        row = (own // wide * TILE + place % TILE) * wide + own % wide
        bounds = bounds.at[jnp.arange(size)[:, None], tile].set(jnp.inf)
        return bounds, jnp.minimum(best, smallest), jnp.where(smallest < best, row, index)

    start = bounds, jnp.full(size, jnp.inf), jnp.zeros(size, jnp.int32)
    _, _, index = jax.lax.while_loop(lambda found: (found[0].min(-1) < found[1]).any(), look, start)
    return jnp.minimum(index, bank.last)


def _bounds(queries, chunk, weights):
    """Lower bounds of the squared distances from queries [B, D] to the tiles of a chunk [D, TILE, G]; [B, G].

    Rounding moves a sum of D products by at most D 2^-24 times the sum of their sizes, here at most |q|^2 + 3 |b|^2;
    so both squares are taken smaller by that share, with room to spare.
    """
    less = 1 - 4 * (queries.shape[-1] + 4) * 2.0**-24
    rows = chunk.reshape(len(chunk), -1)
    squares = less * (weights[None] @ jnp.square(rows))
    ours = less * (jnp.square(queries) * weights[None]).sum(-1, keepdims=True)
    factors = jnp.concatenate([-2 * weights[None] * queries, jnp.ones((len(queries), 1))], -1)
    product = jnp.matmul(factors, jnp.concatenate([rows, squares]), precision="highest")
    return product.reshape(len(queries), *chunk.shape[1:]).min(1) + ours
