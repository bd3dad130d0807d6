"""A ring of recent steps, written in place, with uniform and prioritised draws."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.tree import take
from jaxrl.core.types import Buffer, Transition, Tree


class Ring(NamedTuple):
    """The last C steps of N environments, leaves of `rows` [C, N, ...]; step: columns [N] written so far.

    rank: what draws are weighted by. drawn: the rows last drawn, and their shares of the sum of priorities. Both are
    () where draws are uniform.
    """

    rows: Transition
    step: jax.Array
    rank: Tree = ()
    drawn: Tree = ()


class Rank(NamedTuple):
    """Priorities [K, M] of the rows in blocks of M, their sums by block [K], and the largest so far.

    Two levels make a draw and a change cost the square root of the ring's size.
    """

    priority: jax.Array
    sums: jax.Array
    largest: jax.Array


def write(ring: Ring, steps: Transition) -> Ring:
    """One step of every environment in the place of the oldest."""
    place = ring.step % ring.rows.reward.shape[0]
    put = lambda rows, row: jax.lax.dynamic_update_index_in_dim(rows, row.astype(rows.dtype), place, 0)
    rows = in_place(lambda rows: jax.tree.map(put, rows, steps), ring.rows)
    return ring._replace(rows=rows, step=ring.step + 1)


def in_place(change, table):
    """`change(table)`, for a change that may as well be made twice, without a copy of the table when it is read next.

    A loop of two turns keeps the compiler from fusing the change with what reads the table; then both the table
    before and the one after are needed, and all of it is copied. A loop of one turn would be inlined.
    """
    return jax.lax.fori_loop(0, 2, lambda _, table: change(table), table)


def blank(row: Transition, columns: int, envs: int) -> Ring:
    """An empty ring for steps that look like `row` (one step, no leading axis)."""
    rows = jax.tree.map(lambda x: jnp.zeros((columns, envs, *jnp.shape(x)), jnp.result_type(x)), row)
    return Ring(rows, jnp.zeros((), jnp.int32))


def window(ring: Ring, column, env, length: int) -> Transition:
    """The rows from (column [B], env [B]) onward: leaves [B, ...] for one step, else [B, n, ...]."""
    if length == 1:
        return jax.tree.map(lambda x: x[column, env], ring.rows)
    ahead = (column[:, None] + jnp.arange(length)[None]) % ring.rows.reward.shape[0]
    return jax.tree.map(lambda x: x[ahead, env[:, None]], ring.rows)


def uniform(batch: int, *, capacity: int, envs: int, steps: int = 1) -> Buffer:
    """Every whole window of `steps` rows equally likely; batches [B, ...], or [B, n, ...] for windows of n > 1."""
    columns = capacity // envs

    def draw(key, ring):
        k_column, k_env = jax.random.split(key)
        filled = jnp.minimum(ring.step, columns)
        oldest = jnp.where(ring.step > columns, ring.step % columns, 0)
        age = jax.random.randint(k_column, (batch,), 0, jnp.maximum(filled - steps + 1, 1))
        env = jax.random.randint(k_env, (batch,), 0, envs)
        return ring, window(ring, (oldest + age) % columns, env, steps)

    return Buffer(lambda row: blank(row, columns, envs), write, draw)


def prioritised(
    batch: int, *, capacity: int, envs: int, steps: int = 1, exponent: float = 0.6, correction: float = 0.4
) -> Buffer:
    """Rows drawn in proportion to their priority (arXiv:1511.05952, section 3.3, proportional variant).

    exponent: alpha of the paper, 0 for uniform draws. correction: beta; a row's weight is (size * probability)^-beta,
    divided by the batch's largest. A new row has the largest priority seen. Rows that begin no whole window have none.
    """
    columns = capacity // envs
    block = max(int((columns * envs) ** 0.5), 1)
    blocks = -(-columns * envs // block)

    def init(row):
        rank = Rank(jnp.zeros((blocks, block)), jnp.zeros(blocks), jnp.ones(()))
        return blank(row, columns, envs)._replace(rank=rank, drawn=(jnp.zeros(batch, jnp.int32), jnp.zeros(batch)))

    def put(rank: Rank, index, priority) -> Rank:
        table = in_place(lambda table: table.at[index // block, index % block].set(priority), rank.priority)
        touched = index // block
        return rank._replace(priority=table, sums=rank.sums.at[touched].set(take(table, touched).sum(-1)))

    def add(ring, row):
        every = jnp.arange(envs)
        ready = (ring.step - (steps - 1)) % columns * envs + every
        first = jnp.where(ring.step >= steps - 1, ring.rank.largest**exponent, 0.0)
        first = jnp.broadcast_to(first, (envs,))
        if steps > 1:
            newest = ring.step % columns * envs + every
            ready, first = jnp.concatenate([newest, ready]), jnp.concatenate([jnp.zeros(envs), first])
        return write(ring, row)._replace(rank=put(ring.rank, ready, first))

    def draw(key, ring):
        index = chosen(key, ring.rank, batch)
        share = ring.rank.priority[index // block, index % block] / ring.rank.sums.sum()
        size = jnp.minimum(ring.step, columns) * envs
        # A row of no priority can only be met where sums are rounded; it then counts nothing.
        weight = jnp.where(share > 0, (size * jnp.maximum(share, 1e-30)) ** -correction, 0.0)
        found = window(ring, index // envs, index % envs, steps)
        weight = (weight / weight.max()).reshape((batch,) + (1,) * (steps > 1))
        return ring._replace(drawn=(index, share)), found._replace(weight=found.weight * weight)

    def observe(ring, priority):
        index, share = ring.drawn
        priority = jnp.abs(priority) + 1e-6
        rank = put(ring.rank, index, jnp.where(share > 0, priority**exponent, 0.0))
        return ring._replace(rank=rank._replace(largest=jnp.maximum(rank.largest, priority.max())))

    return Buffer(init, add, draw, observe)


def chosen(key, rank: Rank, count: int):
    """Indices [count] of rows, each as likely as its priority: one from each of `count` equal shares of the sum."""
    blocks, block = rank.priority.shape
    edges = jnp.cumsum(rank.sums)
    at = (jnp.arange(count) + jax.random.uniform(key, (count,))) / count * edges[-1]
    at = jnp.minimum(at, jnp.nextafter(edges[-1], jnp.zeros(())))
    row = jnp.minimum(jnp.searchsorted(edges, at, side="right"), blocks - 1)
    table = take(rank.priority, row)
    rest = jnp.maximum(at - edges[row] + rank.sums[row], 0.0)[:, None]
    last = (jnp.where(table > 0, jnp.arange(block)[None], 0)).max(-1)
    return row * block + jnp.minimum((jnp.cumsum(table, -1) <= rest).sum(-1), last)


def whole(length: int, *, envs: int) -> Buffer:
    """The last `length` steps of every environment in their order, [T, N, ...]; to be drawn after every T steps."""
    return Buffer(lambda row: blank(row, length, envs), write, lambda key, ring: (ring, ring.rows))
