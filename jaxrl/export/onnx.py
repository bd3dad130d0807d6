"""A policy as an ONNX model: one input `obs` [N, D], one output `action` [N, A] or [N], any N."""

from typing import Any

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.export.flat import Symbol
from jaxrl.export.graph import Graph, Tensor
from jaxrl.export.primitives import emit
from jaxrl.export.serialized import OBS, STATEFUL, Program, flat


def available() -> None:
    """InputError where the library is missing."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise InputError("ONNX export needs the library onnx; pip install 'jaxrl-suite[onnx]'") from None


def model(one: Program, facts: dict[str, str]) -> Any:
    """The `onnx.ModelProto` of a policy of observations alone; InputError for any other."""
    if one.inputs != OBS:
        what = "has memory" if len(one.inputs) > len(STATEFUL) else "draws at random"
        raise InputError(f"its policy {what}, and ONNX export is for functions of the observation; use --format jax")
    flattened = flat(one)
    (obs,) = flattened.inputs
    graph = Graph(obs.shape[0])
    known: dict[int, Tensor] = {id(obs): graph.input("obs", obs.dtype, obs.shape)}

    def tensor(value) -> Tensor:
        return known[id(value)] if isinstance(value, Symbol) else graph.constant(np.asarray(value))

    for operation in flattened.operations:
        found = emit(graph, operation, [tensor(value) for value in operation.inputs])
        known.update(zip(map(id, operation.outputs), found, strict=True))
    (action,) = flattened.outputs
    return graph.model({"action": (graph.full(tensor(action)), action.dtype, action.shape)}, facts)


def call(serialized: bytes, obs: np.ndarray) -> np.ndarray:
    """Actions of a model for observations [N, D], by ONNX's own slow and simple evaluator."""
    import onnx.reference

    return onnx.reference.ReferenceEvaluator(onnx.load_from_string(serialized)).run(None, {"obs": obs})[0]
