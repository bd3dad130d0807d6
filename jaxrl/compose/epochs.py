"""Several passes of shuffled minibatches over one batch."""

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError


def epochs(key, update, state, batch, *, passes: int, minibatches: int):
    """`update(key, state, minibatch) -> (state, metrics)` for every minibatch of every pass; leaves of batch [B, ...].

    Each pass splits the rows anew. Returns the last state and the metrics' means. InputError where B does not divide.
    """
    rows = len(jax.tree.leaves(batch)[0])
    if rows % minibatches:
        raise InputError(f"{rows} rows do not divide into minibatches={minibatches}; choose a divisor")

    def one(state, index):
        k_shuffle, k_update = jax.random.split(jax.random.fold_in(key, index))
        if minibatches == 1:
            return update(k_update, state, batch)
        parts = shuffled(k_shuffle, rows).reshape(minibatches, -1)

        def each(state, number):
            rows_of = lambda x: x.at[parts[number]].get(mode="promise_in_bounds")
            return update(jax.random.fold_in(k_update, number), state, jax.tree.map(rows_of, batch))

        return jax.lax.scan(each, state, jnp.arange(minibatches))

    state, metrics = jax.lax.scan(one, state, jnp.arange(passes))
    return state, jax.tree.map(jnp.mean, metrics)


def shuffled(key, rows: int):
    """A random order of `rows` rows, int32 [rows].

    One sort of words whose high bits are random and whose low bits are the row: several times faster than JAX's own,
    which sorts twice and carries the rows along. Rows whose random bits agree keep their order; with 16 random bits
    or more that changes next to nothing about which rows come together, and with fewer JAX's own is used.
    """
    low = (rows - 1).bit_length()
    if low > 16:
        return jax.random.permutation(key, rows)
    words = (jax.random.bits(key, (rows,), jnp.uint32) >> low << low) | jnp.arange(rows, dtype=jnp.uint32)
    return (jnp.sort(words) & (2**low - 1)).astype(jnp.int32)
