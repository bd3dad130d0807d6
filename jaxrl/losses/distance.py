"""Distances between actions, and between directions."""

import jax.numpy as jnp


def squared(a, b):
    """Squared Euclidean distance over the last axis, summed; [..., A] -> [...]."""
    return jnp.square(a - b).sum(-1)


def pairwise_cosine(vectors, epsilon=1e-10):
    """Sum of cosine similarities over ordered pairs i != j of the first axis; [E, ..., A] -> [...].

    E for E identical vectors times (E - 1); 0 for orthogonal ones.
    """
    norm = jnp.sqrt(jnp.square(vectors).sum(-1, keepdims=True) + epsilon)
    unit = vectors / norm
    total = unit.sum(0)
    return jnp.square(total).sum(-1) - jnp.square(unit).sum((0, -1))
