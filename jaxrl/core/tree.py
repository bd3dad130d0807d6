"""Small helpers on pytrees."""

import jax
import jax.numpy as jnp

from jaxrl.core.types import Tree


def take(tree: Tree, index) -> Tree:
    """Rows of every leaf."""
    return jax.tree.map(lambda x: x[index], tree)


def finite(tree: Tree):
    """Whether every number in the tree is finite; scalar bool."""
    flags = [jnp.isfinite(x).all() for x in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(x), jnp.inexact)]
    return jnp.stack(flags).all() if flags else jnp.asarray(True)


def counter(path) -> bool:
    """Whether a leaf at that path counts for all members alike: leaves called `step` do."""
    return bool(path) and getattr(path[-1], "name", None) == "step"


def counters(tree: Tree, batched: int | None = 0) -> Tree:
    """`in_axes` for states of many members: None for counters common to all (leaves called `step`), else `batched`.

    Keeping the counter unbatched keeps a `cond` on it a true branch under `vmap`.
    """

    def axis(path, leaf):
        return None if counter(path) else batched

    return jax.tree_util.tree_map_with_path(axis, tree)
