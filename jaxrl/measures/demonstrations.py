"""Quality of demonstrations for imitation: arXiv:2306.02437. How consistent actions are, how much the dynamics vary."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset
from jaxrl.losses import neighbours

EACH = 50
"""Rows of a cluster, on average."""
TILE = 2048
"""Rows whose distances are held at a time."""


def clusters(key, rows, rounds: int = 5) -> np.ndarray:
    """Labels [n] of k-means clusters of rows [n, D], about fifty rows each; axes count by their spread."""
    rows = scaled(rows)
    return np.asarray(_clusters(key, jnp.asarray(rows, jnp.float32), max(1, len(rows) // EACH), rounds))


@functools.partial(jax.jit, static_argnames=("count", "rounds"))
def _clusters(key, rows, count: int, rounds: int):
    """Lloyd's rounds from random rows as centres."""
    padded = jnp.pad(rows, ((0, -len(rows) % TILE), (0, 0)), mode="edge").reshape(-1, TILE, rows.shape[1])

    def assigned(centres):
        bank = neighbours.bank(centres)
        return jax.lax.map(lambda tile: neighbours.nearest(tile, bank), padded).reshape(-1)[: len(rows)]

    def improve(_, centres):
        label = assigned(centres)
        sizes = jax.ops.segment_sum(jnp.ones(len(rows)), label, count)[:, None]
        means = jax.ops.segment_sum(rows, label, count) / jnp.maximum(sizes, 1)
        return jnp.where(sizes > 0, means, centres)

    centres = rows[jax.random.choice(key, len(rows), (count,), replace=False)]
    return assigned(jax.lax.fori_loop(0, rounds, improve, centres))


def scaled(rows) -> np.ndarray:
    """Rows [n, D] with mean zero and deviation one on each axis; constant axes are zero."""
    rows = np.asarray(rows, np.float64)
    std = rows.std(0)
    return (rows - rows.mean(0)) / np.where(std > 0, std, 1.0)


def variance_within(values, label, features=None) -> np.ndarray:
    """Variance of values [n, V] inside clusters, pooled over these; [V].

    label: [n]. features: [n, F], of which a linear fit in each cluster is taken off first, so that a slope is not
    mistaken for noise; None for the published measure, which takes off the mean alone. Unbiased: sums of squares are
    divided by the rows less the coefficients fitted. Raises InputError where nothing is left.
    """
    values = np.asarray(values, np.float64)
    order = np.argsort(label, kind="stable")
    _, first, size = np.unique(np.asarray(label)[order], return_index=True, return_counts=True)
    total = lambda rows: np.add.reduceat(rows, first, axis=0)
    centred = lambda rows: rows - np.repeat(total(rows) / size[:, None], size, axis=0)
    values = centred(values[order])
    square, free = total(np.square(values)).sum(0), len(values) - len(size)
    if features is not None:
        features = centred(scaled(features)[order])
        gram = total(features[:, :, None] * features[:, None])
        cross = total(features[:, :, None] * values[:, None])
        weights, axes = np.linalg.eigh(gram)
        kept = weights > 1e-9 * np.maximum(weights.max(-1, keepdims=True), 1e-12)
        along = np.einsum("kfi,kfv->kiv", axes, cross)
        square = square - (np.square(along) * (kept / np.where(kept, weights, 1.0))[..., None]).sum((0, 1))
        free -= int(kept.sum())
    if free <= 0:
        raise InputError(f"{len(values)} steps are too few for a variance inside clusters; give a larger dataset")
    return np.maximum(square, 0.0) / free


def action_rows(dataset: Dataset) -> np.ndarray:
    """Actions [n, A]; classes as rows of zeros and a one."""
    action = np.asarray(dataset.steps.action)
    if np.issubdtype(action.dtype, np.integer):
        return np.eye(int(action.max(initial=0)) + 1)[action]
    return action


def action_variance(dataset: Dataset, label, linear: bool = False) -> float:
    """Variance of actions at like states, mean over their axes; for classes, how often two of a cluster differ.

    label: [n], clusters of observations. linear: first take off what depends linearly on the observation.
    """
    rows = action_rows(dataset)
    found = variance_within(rows, label, np.asarray(dataset.steps.obs) if linear else None)
    return float(found.sum() if dataset.steps.action.ndim == 1 else found.mean())


def transition_diversity(dataset: Dataset, label, linear: bool = False) -> float:
    """Variance of next_obs - obs after like states and actions, mean over axes, in squared units of observations.

    label: [n], clusters of observations and actions side by side. linear: first take off what depends linearly on
    both, which leaves the noise of the dynamics.
    """
    obs, following = (np.asarray(rows, np.float64) for rows in (dataset.steps.obs, dataset.steps.next_obs))
    features = np.concatenate([obs, action_rows(dataset)], 1) if linear else None
    return float(variance_within(following - obs, label, features).mean())


def state_similarity(rows, radius: float = 0.1) -> float:
    """Share of the other rows [n, D] that lie near a row, on average: within `radius` deviations, as root mean square
    over the axes. Raises InputError for fewer than two."""
    rows = scaled(rows)
    count = len(rows)
    if count < 2:
        raise InputError(f"similarity of {count} states is not defined; give at least two")
    near = float(np.asarray(_near(jnp.asarray(rows, jnp.float32), radius**2 * rows.shape[1]), np.float64).sum())
    return (near - count) / (count * (count - 1))


@jax.jit
def _near(rows, limit):
    """Pairs of rows, by tiles, whose squared distance is at most `limit`: counted both ways, and each with itself."""
    fill = -len(rows) % TILE
    tiles = jnp.pad(rows, ((0, fill), (0, 0)), constant_values=jnp.inf).reshape(-1, TILE, rows.shape[1])
    squares = jnp.square(rows).sum(1)

    def inside(tile):
        apart = jnp.square(tile).sum(1)[:, None] + squares[None] - 2 * tile @ rows.T
        return (apart <= limit + 1e-6).sum()

    return jax.lax.map(inside, tiles)
