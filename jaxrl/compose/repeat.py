"""Several updates per draw."""

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError, positive
from jaxrl.core.tree import take
from jaxrl.core.types import Algorithm


def repeat(algorithm: Algorithm, times: int) -> Algorithm:
    """Each batch is split into `times` equal parts, one update on each, in their order.

    Metrics are means over those updates, idle calls left out; priorities are kept for every row. InputError at the
    first call where a batch does not divide. Once is the algorithm itself.
    """
    if positive("repeat", times) == 1:
        return algorithm

    def update(key, hyper, state, batch):
        rows = batch.reward.shape[0]
        if rows % times:
            raise InputError(f"a batch of {rows} does not divide into {times} updates; draw a multiple of {times} rows")
        parts = jax.tree.map(lambda x: x.reshape(times, rows // times, *x.shape[1:]), batch)

        def one(state, turn):
            return algorithm.update(jax.random.fold_in(key, turn), hyper, state, take(parts, turn))

        state, metrics = jax.lax.scan(one, state, jnp.arange(times))
        metrics = {**metrics}
        priority = {"priority": metrics.pop("priority").reshape(-1)} if "priority" in metrics else {}
        return state, {**jax.tree.map(_mean, metrics), **priority}

    return algorithm._replace(update=update)


def _mean(values):
    """Mean over the first axis of what is no NaN; NaN where nothing is."""
    there = ~jnp.isnan(values)
    return jnp.where(there, values, 0).sum(0) / there.sum(0)
