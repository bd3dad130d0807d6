"""Checkpoints of a run under way: a folder in which a killed run finds all it needs to go on to the same bits.

Orbax writes them behind the run's back, each whole or not at all, and keeps the last two.
"""

import base64
import functools
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Tree

FORMAT = 1
"""Of what is stored; another number means that states of older versions cannot be read."""
KEPT = 2
FIRST = 0.5
"""Seconds that the first checkpoint is thought to take."""


class Keeper:
    """The checkpoints of one run, numbered upwards.

    identity: what a run has to share with a stored one to go on from it. share: of the time, at most, that goes into
    writing; 1.0 writes whenever it is asked to. Raises InputError where a stored checkpoint is of another run.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], share: float = 0.05):
        self.folder, self._share = folder.resolve(), share
        self._identity = {"format": FORMAT, **identity}
        self._last, self._cost = time.perf_counter(), FIRST
        self._timed, self._open = False, False
        self.facts: dict[str, Any] | None = None
        steps = sorted(self._manager.all_steps()) if self.folder.is_dir() else []
        self.number = steps[-1] if steps else 0
        if steps:
            self.facts = self._read_facts()

    @functools.cached_property
    def _manager(self):
        # Most runs of a quick suite end before their first checkpoint: they never wait for Orbax.
        self._open = True
        return manager(self.folder)

    def _read_facts(self) -> dict[str, Any]:
        from orbax.checkpoint import args

        try:
            arguments = args.Composite(facts=args.JsonRestore())
            facts = unpacked(self._manager.restore(self.number, args=arguments)["facts"])
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"checkpoint {self.folder} cannot be read ({error}); delete that folder") from error
        difference = differences(facts.get("identity", {}), self._identity)
        if difference:
            raise InputError(
                f"checkpoint {self.folder} is of another run: {'; '.join(difference)}; give the same settings, choose "
                "another folder, or delete that one"
            )
        return facts

    def load(self, like: Tree) -> Tree:
        """The newest stored tree, with the structure, shapes and types of `like`; InputError where it does not fit."""
        from orbax.checkpoint import args

        leaves, structure = jax.tree.flatten(like)
        raw = [jax.eval_shape(data, leaf) for leaf in leaves]
        wanted = {str(i): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for i, leaf in enumerate(raw)}
        try:
            arguments = args.Composite(arrays=args.StandardRestore(wanted))
            found = self._manager.restore(self.number, args=arguments)["arrays"]
            for name, one in wanted.items():
                if (found[name].shape, found[name].dtype) != (one.shape, one.dtype):
                    raise ValueError(f"array {name} is {found[name].shape}, not {one.shape}")
        except (OSError, ValueError, KeyError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise InputError(
                f"checkpoint {self.folder} does not fit what this version trains ({line}); delete that folder"
            ) from error
        found = [typed(jnp.asarray(found[str(i)]), leaf) for i, leaf in enumerate(leaves)]
        return jax.tree.unflatten(structure, found)

    def save(self, tree: Tree, facts: Mapping[str, Any], force: bool = False) -> None:
        """Store a tree and what is known beside it, unless writing took too much of the time so far.

        A disk that is full costs this checkpoint and a warning, no more: the last one stays.
        """
        began = time.perf_counter()
        if not force and (began - self._last) * self._share < self._cost * (self._share < 1):
            return
        # Copied: the run uses the memory of its state again while this is being written.
        arrays = {str(i): np.array(data(leaf)) for i, leaf in enumerate(jax.tree.leaves(tree))}
        known = packed({"identity": self._identity, **facts})
        try:
            there = self._manager
            from orbax.checkpoint import args

            both = args.Composite(arrays=args.StandardSave(arrays), facts=args.JsonSave(known))
            there.save(self.number + 1, args=both, force=True)
            if not self._timed:
                self._manager.wait_until_finished()
        except (OSError, ValueError) as error:
            self._failed(error)
            return
        self.number += 1
        self._last = time.perf_counter()
        self._cost, self._timed = max(self._last - began, self._cost if self._timed else 0.0), True

    def _failed(self, error: Exception) -> None:
        line = (str(error).splitlines() or [type(error).__name__])[0][:200]
        warnings.warn(
            f"checkpoint {self.folder} cannot be written ({line}); the run goes on without it, free space there",
            stacklevel=3,
        )
        self._last = time.perf_counter()
        self.__dict__.pop("_manager", None)

    def close(self) -> None:
        """Wait until the last checkpoint is on disk."""
        if not self._open:
            return
        try:
            self._manager.wait_until_finished()
            self._manager.close()
        except (OSError, ValueError) as error:
            self._failed(error)


def manager(folder: Path):
    """Orbax's manager of that folder, for this process alone; what was left half-written there is removed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import orbax.checkpoint as orbax

        folder.mkdir(parents=True, exist_ok=True)
        options = orbax.CheckpointManagerOptions(max_to_keep=KEPT, cleanup_tmp_directories=True, create=False)
        return orbax.CheckpointManager(folder, options=options)


def data(leaf):
    """A leaf as plain numbers: of a random key its words."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def typed(found, like):
    """The inverse of `data`, for a leaf like that."""
    return jax.random.wrap_key_data(found) if jnp.issubdtype(like.dtype, jax.dtypes.prng_key) else found


def differences(stored: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, in words."""
    names = [name for name in {**ours, **stored} if stored.get(name) != ours.get(name)]
    return [f"{name} is {stored.get(name)!r} there and {ours.get(name)!r} here" for name in names]


def packed(tree: Any) -> Any:
    """Nested mappings and lists of arrays and plain values as JSON has them, exact to the bit."""
    if isinstance(tree, Mapping):
        return {str(name): packed(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [packed(value) for value in tree]
    if isinstance(tree, np.ndarray | jax.Array):
        array = np.asarray(tree)
        return {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "base64": base64.b64encode(array.tobytes()).decode(),
        }
    return tree


def unpacked(tree: Any) -> Any:
    """The inverse of `packed`; sequences come back as lists."""
    if isinstance(tree, Mapping):
        if set(tree) == {"dtype", "shape", "base64"}:
            array = np.frombuffer(base64.b64decode(tree["base64"]), np.dtype(tree["dtype"]))
            return array.reshape(tree["shape"]).copy()
        return {name: unpacked(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [unpacked(value) for value in tree]
    return tree
