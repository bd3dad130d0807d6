"""A policy as one portable program of JAX, which `jax.export.deserialize` reads back without this package."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from jaxrl.acting import Actor
from jaxrl.core.types import Tree
from jaxrl.export.flat import Flat, flatten

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
OBS = ("obs",)
STATEFUL = ("obs", "reward", "first", "step")


class Program(NamedTuple):
    """A policy as a pure function of arrays. N is free.

    inputs: names of the arrays. function: those arrays -> actions, or (actions, *memory). arguments: their shapes.
    """

    inputs: tuple[str, ...]
    function: Any
    arguments: tuple[jax.ShapeDtypeStruct, ...]


def program(actor: Actor) -> Program:
    """What an Actor computes: of observations [N, D] alone where that is enough, else with all that it carries.

    In full: (obs [N, D], reward [N], first [N] bool, step int32, *memory [N, ...]) -> (action, *memory). `step` counts
    calls, and is what chance depends on. Where `first` is true an episode begins, whatever its memory holds.
    Of the learner's state it holds what the actions depend on: no critics, no moments of an optimiser.
    """
    state, structure = jax.tree.flatten(actor._state)
    step, arguments = _step(actor)
    whole = lambda *arrays: step(jax.tree.unflatten(structure, arrays[: len(state)]), *arrays[len(state) :])
    read = flatten(jax.jit(whole).trace(*state, *arguments).jaxpr).reads()

    def full(*arrays):
        held = [leaf if i in read else jnp.zeros(leaf.shape, leaf.dtype) for i, leaf in enumerate(state)]
        return whole(*held, *arrays)

    def alone(obs):
        zero = jnp.zeros(obs.shape[:1])
        return full(obs, zero, zero > 0, jnp.int32(0))[0]

    if max(read, default=0) <= len(state):
        return Program(OBS, alone, arguments[:1])
    return Program((*STATEFUL, *(f"memory{i}" for i in range(len(arguments) - len(STATEFUL)))), full, arguments)


def _step(actor: Actor) -> tuple[Callable, tuple[jax.ShapeDtypeStruct, ...]]:
    """(state, obs, reward, first, step, *memory) -> (action, *memory), and the shapes of all but the state."""
    start = jax.eval_shape(lambda state: actor._policy(state).start(), actor._state)
    leaves, structure = jax.tree.flatten(start)
    (count,) = export.symbolic_shape("N")

    def act(state, obs, reward, first, step, *memory):
        before: Tree = jax.tree.unflatten(structure, memory)
        action, after = actor._act(state, obs, reward, before, first, step)
        return action, *jax.tree.leaves(after)

    shape = lambda dtype, *more: jax.ShapeDtypeStruct((count, *more), dtype)
    fixed = shape(jnp.float32, actor._spec.obs), shape(jnp.float32), shape(bool), jax.ShapeDtypeStruct((), jnp.int32)
    return act, (*fixed, *(shape(leaf.dtype, *leaf.shape) for leaf in leaves))


def flat(one: Program) -> Flat:
    """The program's primitive operations."""
    return flatten(jax.jit(one.function).trace(*one.arguments).jaxpr)


def serialize(one: Program) -> bytes:
    """The program for every platform, with its parameters inside and products in full float32 precision."""
    with jax.default_matmul_precision("highest"), _without_paths():
        return bytes(export.export(jax.jit(one.function), platforms=PLATFORMS)(*one.arguments).serialize())


@contextlib.contextmanager
def _without_paths():
    """No source lines, hence no folders of this machine, in what is lowered."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)
