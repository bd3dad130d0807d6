"""Pytrees of arrays on disk, through Orbax: whole or not there, and never pickled."""

import shutil
import uuid
import warnings
from pathlib import Path

import jax

from jaxrl.core.check import InputError
from jaxrl.core.types import Tree


def save(folder: Path, tree: Tree) -> None:
    """Write the tree's arrays as that folder, in place of an older one. InputError where it cannot be written."""
    folder = folder.resolve()
    aside = folder.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _checkpointer() as checkpointer:
            checkpointer.save(aside, {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(tree))})
        if folder.exists():
            folder.rename(aside.with_suffix(".old"))
        aside.rename(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"checkpoint {folder} cannot be written ({_first(error)}); free space there") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(aside.with_suffix(".old"), ignore_errors=True)


def restore(folder: Path, like: Tree) -> Tree:
    """The tree that was saved, with the structure, shapes and types of `like`; InputError where it does not fit."""
    leaves, structure = jax.tree.flatten(like)
    wanted = {str(i): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for i, leaf in enumerate(leaves)}
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(f"checkpoint {folder} does not exist; train again")
    with _checkpointer() as checkpointer:
        try:
            there = checkpointer.metadata(folder).item_metadata
            stored = {name: (tuple(there[name].shape), there[name].dtype) for name in there.keys()}  # noqa: SIM118
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise InputError(f"checkpoint {folder} cannot be read ({_first(error)}); delete that folder") from error
        # Compared before anything is read: Orbax would begin to read what fits.
        for name in sorted(wanted.keys() | stored.keys(), key=int):
            ours = (wanted[name].shape, wanted[name].dtype) if name in wanted else None
            if stored.get(name) != ours:
                raise InputError(
                    f"checkpoint {folder} does not fit: array {name} of it is {stored.get(name)}, not {ours}; it is of "
                    "another environment, card or size; delete that folder"
                )
        found = checkpointer.restore(folder, wanted)
    return jax.tree.unflatten(structure, [found[str(i)] for i in range(len(leaves))])


def _checkpointer():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import orbax.checkpoint

        return orbax.checkpoint.StandardCheckpointer()


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
