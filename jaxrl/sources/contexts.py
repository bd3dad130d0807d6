"""Batches of contexts: steps of one episode in any order, and a state of it in question."""

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError, positive
from jaxrl.core.types import Dataset, Source
from jaxrl.data import subsequences as windows


def contexts(dataset: Dataset, batch: int, *, window: int = 100) -> Source:
    """Up to `window` consecutive steps of an episode in random order, leaves [B, K, ...], and a query from it.

    Extras: "valid" [B, K], 0 for what fills up short ones, at their end; "query" [B, D], the observation of a step
    drawn from the whole episode; "label" [B], that step's own extra "label", the best action there. InputError for
    data without labels. Source: Decision-Pretrained Transformer (arXiv:2306.14892, algorithm 1).
    """
    positive("window", window)
    if "label" not in dataset.steps.extras:
        raise InputError(
            "the data's steps have no extra 'label', the best action of their task, to learn from; make labelled data, "
            "such as jaxrl.envs.bandits.histories"
        )

    def next(key, feed, policy):
        k_start, k_order, k_query = jax.random.split(key, 3)
        start = jax.random.randint(k_start, (batch,), 0, dataset.last.shape[0])
        first, last = windows.first_of(dataset, start), dataset.last[start]
        places = windows.starting(dataset, windows.moved_back(dataset, start, window), window)
        rank = jax.random.uniform(k_order, places.row.shape) + (1.0 - places.valid)
        order = jnp.argsort(rank, 1)
        places = windows.Places(*(jnp.take_along_axis(x, order, 1) for x in places))
        query = jax.random.randint(k_query, (batch,), first, last + 1)
        found = windows.rows(dataset, places)
        asked = {"query": dataset.steps.obs[query], "label": dataset.steps.extras["label"][query]}
        extras = {**found.extras, **asked}
        return feed, found._replace(weight=dataset.steps.weight[query], extras=extras)

    return Source(lambda key: (), next)
