"""The members' axis over the devices of this process: each device trains its share and never waits for another."""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrl.core.tree import counter
from jaxrl.core.types import Tree

AXIS = "members"


def mesh() -> Mesh | None:
    """The local devices side by side; None for a single one."""
    devices = jax.local_devices()
    return Mesh(np.array(devices), (AXIS,)) if len(devices) > 1 else None


def layout(tree: Tree) -> Tree:
    """How leaves [S, ...] lie on a mesh: split along their first axis; counters, called `step`, on every device."""

    def leaf(path, x):
        return PartitionSpec() if counter(path) else PartitionSpec(AXIS)

    return jax.tree_util.tree_map_with_path(leaf, tree)


def split(mesh: Mesh | None, function: Callable, args: tuple, common: tuple[int, ...] = ()):
    """`function(*args)` with each device taking its share of the members, those of `common` arguments given whole.

    Leaves have the members first, counters excepted, in arguments and results. S has to divide among the devices.
    """
    if mesh is None:
        return function(*args)
    whole = lambda tree: jax.tree.map(lambda x: PartitionSpec(), tree)
    ins = tuple(whole(x) if i in common else layout(x) for i, x in enumerate(args))
    outs = layout(jax.eval_shape(function, *args))
    return jax.shard_map(function, mesh=mesh, in_specs=ins, out_specs=outs, check_vma=False)(*args)


def placed(mesh: Mesh | None, tree: Tree, common: bool = False) -> Tree:
    """The tree's arrays where `split` wants them; common: all of it on every device, once each."""
    if mesh is None:
        return tree
    specs = jax.tree.map(lambda x: PartitionSpec(), tree) if common else layout(tree)
    return jax.tree.map(lambda x, spec: jax.device_put(x, NamedSharding(mesh, spec)), tree, specs)


def shaped(mesh: Mesh | None, tree: Tree) -> Tree:
    """Shapes and types as `split` wants arrays of them, for compiling ahead."""
    if mesh is None:
        return tree
    return jax.tree.map(
        lambda x, spec: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=NamedSharding(mesh, spec)), tree, layout(tree)
    )
