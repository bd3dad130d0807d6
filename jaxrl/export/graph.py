"""An ONNX graph under construction. One of its axes, the batch, has a length that is known only when it runs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.export import is_symbolic_dim

from jaxrl.core.check import InputError

OPSET = 18
"""Version of ONNX's operators that graphs are made of; in every runtime since 2023."""
ELEMENTS = 9
"""Version of the file format that goes with it."""


class Tensor(NamedTuple):
    """A value of the graph. shape: as in JAX. held: as the graph has it, 1 where it still is to be repeated."""

    name: str
    shape: tuple[Any, ...]
    held: tuple[Any, ...]


class Graph:
    """Nodes and constants, added one after the other; methods return the names of what they add."""

    def __init__(self, batch):
        self.batch, self.nodes, self.constants = batch, [], {}
        self.inputs: dict[str, tuple[Any, tuple]] = {}
        self._names = 0
        self._size = ""

    def input(self, name: str, dtype, shape: tuple) -> Tensor:
        """An input of the graph."""
        self.inputs[name] = (dtype, shape)
        return Tensor(name, shape, shape)

    def add(self, operator: str, inputs: Sequence[str], **attributes) -> str:
        """The output of a new node."""
        return self.split(operator, inputs, 1, **attributes)[0]

    def split(self, operator: str, inputs: Sequence[str], count: int, **attributes) -> list[str]:
        """The outputs of a new node that has several."""
        from onnx import helper

        names = [self._name() for _ in range(count)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def constant(self, array) -> Tensor:
        """A tensor of known numbers."""
        array, name = np.asarray(array), self._name()
        self.constants[name] = array
        return Tensor(name, array.shape, array.shape)

    def numbers(self, values: Sequence[int]) -> str:
        """Whole numbers, as ONNX wants axes and lengths."""
        return self.constant(np.array(values, np.int64)).name

    def full(self, tensor: Tensor) -> str:
        """The tensor with all its repetitions."""
        if tensor.shape == tensor.held:
            return tensor.name
        return self.add("Expand", (tensor.name, self.lengths(tensor.shape)))

    def reshaped(self, name: str, shape: tuple) -> str:
        """The same numbers in another shape."""
        if name in self.constants:
            return self.constant(self.constants[name].reshape(shape)).name
        free = [is_symbolic_dim(size) for size in shape]
        if sum(free) > 1:
            return self.add("Reshape", (name, self.lengths(shape)))
        return self.add(
            "Reshape", (name, self.numbers([-1 if one else size for one, size in zip(free, shape, strict=True)]))
        )

    def lengths(self, shape: tuple) -> str:
        """A shape as a tensor, computed from the batch's length where it depends on it."""
        if not any(map(is_symbolic_dim, shape)):
            return self.numbers(shape)
        return self.add("Concat", [self.length(size) for size in shape], axis=0)

    def length(self, size) -> str:
        """The length of an axis, int64 [1]; InputError where it is no multiple of the batch's."""
        if not is_symbolic_dim(size):
            return self.numbers([size])
        factor, rest = divmod(size, self.batch)
        if rest != 0 or is_symbolic_dim(factor):
            raise InputError(
                f"the policy has an axis of length {size}, which is not known in ONNX export; use --format jax"
            )
        if not self._size:
            name = next(name for name, (_, shape) in self.inputs.items() if shape[:1] == (self.batch,))
            self._size = self.add("Shape", (name,), start=0, end=1)
        return self._size if factor == 1 else self.add("Mul", (self._size, self.numbers([factor])))

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"

    def model(self, outputs: dict[str, tuple[str, Any, tuple]], facts: dict[str, str]) -> Any:
        """The finished model. outputs: by name, (tensor, dtype, shape); facts: kept with the model."""
        from onnx import checker, helper, numpy_helper

        described = lambda name, dtype, shape: helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), [str(x) if is_symbolic_dim(x) else x for x in shape]
        )
        named = [helper.make_node("Identity", [tensor], [name]) for name, (tensor, *_) in outputs.items()]
        read = {name for node in self.nodes for name in node.input} | {tensor for tensor, *_ in outputs.values()}
        graph = helper.make_graph(
            [*self.nodes, *named],
            "policy",
            [described(name, *facts) for name, facts in self.inputs.items()],
            [described(name, *kind) for name, (_, *kind) in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items() if name in read],
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=ELEMENTS, producer_name="jaxrl")
        helper.set_model_props(model, facts)
        checker.check_model(model, full_check=True)
        return model
