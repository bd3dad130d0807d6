"""A traced function as one list of primitive operations, with calls opened and everything superfluous left out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.export import is_symbolic_dim
from jax.extend import core

CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "remat": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
"""Primitives that only call a function -> the parameter that holds it."""


class Symbol:
    """A value that is known only when the program runs; one object, one value."""

    def __init__(self, aval):
        self.shape, self.dtype = aval.shape, aval.dtype


class Operation(NamedTuple):
    """One primitive. inputs: Symbols, or arrays that are known; outputs: Symbols."""

    primitive: Any
    params: Mapping[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Symbol, ...]

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.primitive.name


class Flat(NamedTuple):
    """A function: inputs, the operations that its outputs need, in order, and the outputs, Symbols or arrays."""

    inputs: tuple[Symbol, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[Any, ...]

    def reads(self) -> list[int]:
        """Places of the inputs that the outputs depend on."""
        read = {id(one) for operation in self.operations for one in operation.inputs} | set(map(id, self.outputs))
        return [i for i, one in enumerate(self.inputs) if id(one) in read]


def flatten(closed: core.ClosedJaxpr) -> Flat:
    """The function of a closed jaxpr. What depends on no input is computed here and now."""
    inputs = tuple(Symbol(variable.aval) for variable in closed.jaxpr.invars)
    operations: list[Operation] = []
    outputs = _inline(closed.jaxpr, closed.consts, inputs, operations)
    return Flat(inputs, tuple(_needed(operations, outputs)), tuple(outputs))


def _inline(jaxpr, consts: Sequence, inputs: Sequence, operations: list[Operation]) -> list:
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))
    read = lambda atom: np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, core.Literal) else values[atom]
    for equation in jaxpr.eqns:
        given = tuple(read(atom) for atom in equation.invars)
        if equation.primitive.name in CALLS:
            inner = equation.params[CALLS[equation.primitive.name]]
            found = _inline(inner.jaxpr, inner.consts, given, operations)
        elif _is_known(equation, given):
            found = equation.primitive.bind(*given, **equation.params)
            found = found if equation.primitive.multiple_results else [found]
        else:
            found = [Symbol(variable.aval) for variable in equation.outvars]
            operations.append(Operation(equation.primitive, equation.params, given, tuple(found)))
        values.update(zip(equation.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_known(equation, given: Sequence) -> bool:
    sizes = [size for variable in equation.outvars for size in variable.aval.shape]
    free = equation.primitive.name == "dim_as_value" or any(map(is_symbolic_dim, sizes))
    return not free and not any(isinstance(value, Symbol) for value in given)


def _needed(operations: list[Operation], outputs: Sequence) -> list[Operation]:
    wanted, kept = set(map(id, outputs)), []
    for operation in reversed(operations):
        if wanted & set(map(id, operation.outputs)):
            wanted |= set(map(id, operation.inputs))
            kept.append(operation)
    return kept[::-1]
