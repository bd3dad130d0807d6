"""What each primitive operation of JAX is in ONNX."""

import string
from collections.abc import Callable, Sequence

import numpy as np
from jax.export import is_symbolic_dim

from jaxrl.core.check import InputError
from jaxrl.export.flat import Operation
from jaxrl.export.graph import Graph, Tensor

ELEMENTWISE = {
    "abs": "Abs",
    "add": "Add",
    "and": "And",
    "ceil": "Ceil",
    "cos": "Cos",
    "div": "Div",
    "eq": "Equal",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "log": "Log",
    "logistic": "Sigmoid",
    "lt": "Less",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "not": "Not",
    "or": "Or",
    "pow": "Pow",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "stop_gradient": "Identity",
    "copy": "Identity",
    "sub": "Sub",
    "tanh": "Tanh",
}
"""Primitives that are one ONNX operator on broadcast arguments."""

REDUCTIONS = {
    "reduce_sum": "ReduceSum",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
}


def emit(graph: Graph, operation: Operation, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Add what an operation does; returns its outputs. InputError for one that is not known here."""
    name, shapes = operation.name, [one.shape for one in operation.outputs]
    if name in COMBINED or name in ELEMENTWISE:
        rule = COMBINED.get(name) or (lambda graph, params, *names: graph.add(ELEMENTWISE[name], names))
        held = broadcast([one.held for one in inputs])
        return [Tensor(rule(graph, operation.params, *(one.name for one in inputs)), shapes[0], held)]
    if name == "broadcast_in_dim":
        return [repeated(graph, operation.params["broadcast_dimensions"], shapes[0], inputs[0])]
    if name in REDUCTIONS:
        axes = graph.numbers(operation.params["axes"])
        found = [graph.add(REDUCTIONS[name], (graph.full(inputs[0]), axes), keepdims=0)]
    elif name in RULES:
        found = RULES[name](graph, operation, *(graph.full(one) for one in inputs))
    else:
        raise InputError(f"the policy uses {name!r}, which ONNX export does not know; use --format jax")
    return [Tensor(one, shape, shape) for one, shape in zip(found, shapes, strict=True)]


def broadcast(shapes: Sequence[tuple]) -> tuple:
    """The shape that arrays of these shapes have together, by NumPy's rule."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True))


def repeated(graph: Graph, places: Sequence[int], shape: tuple, tensor: Tensor) -> Tensor:
    """`broadcast_in_dim`: axes are put where they belong; they are repeated when someone asks for it."""
    held = [1] * len(shape)
    for place, size in zip(places, tensor.held, strict=True):
        held[place] = size
    name = tensor.name if tuple(held) == tensor.held else graph.reshaped(tensor.name, tuple(held))
    return Tensor(name, shape, tuple(held))


def _power(graph, params, x):
    if params["y"] == 2:
        return graph.add("Mul", (x, x))
    return graph.add("Pow", (x, graph.constant(np.float32(params["y"])).name))


def _one(graph: Graph) -> str:
    return graph.constant(np.float32(1)).name


def _is_finite(graph, params, x):
    return graph.add("Not", (graph.add("Or", (graph.add("IsNaN", (x,)), graph.add("IsInf", (x,)))),))


def _select(graph, params, which, first, second):
    return graph.add("Where", (which, second, first))


def _converted(graph, params, x):
    from onnx import helper

    return graph.add("Cast", (x,), to=helper.np_dtype_to_tensor_dtype(np.dtype(params["new_dtype"])))


COMBINED: dict[str, Callable[..., str]] = {
    "clamp": lambda graph, params, low, x, high: graph.add("Min", (graph.add("Max", (x, low)), high)),
    "convert_element_type": _converted,
    "erfc": lambda graph, params, x: graph.add("Sub", (_one(graph), graph.add("Erf", (x,)))),
    "expm1": lambda graph, params, x: graph.add("Sub", (graph.add("Exp", (x,)), _one(graph))),
    "integer_pow": _power,
    "is_finite": _is_finite,
    "log1p": lambda graph, params, x: graph.add("Log", (graph.add("Add", (x, _one(graph))),)),
    "ne": lambda graph, params, x, y: graph.add("Not", (graph.add("Equal", (x, y)),)),
    "rsqrt": lambda graph, params, x: graph.add("Reciprocal", (graph.add("Sqrt", (x,)),)),
    "select_n": _select,
    "square": lambda graph, params, x: graph.add("Mul", (x, x)),
}
"""Primitives that are several operators on broadcast arguments."""


def _product(graph, operation, left, right):
    """`dot_general`: a matrix product where it is one, else a sum over named axes."""
    (left_sum, right_sum), (left_batch, right_batch) = operation.params["dimension_numbers"]
    ranks = [len(one.shape) for one in operation.inputs]
    if not left_batch and ranks[1] == 2 and tuple(left_sum) == (ranks[0] - 1,) and tuple(right_sum) == (0,):
        return [graph.add("MatMul", (left, right))]
    letters = iter(string.ascii_lowercase)
    axes = [[next(letters) for _ in range(rank)] for rank in ranks]
    for i, j in [*zip(left_sum, right_sum, strict=True), *zip(left_batch, right_batch, strict=True)]:
        axes[1][j] = axes[0][i]
    both = [axes[0][i] for i in left_batch]
    summed = {axes[0][i] for i in left_sum}
    free = [axis for axis in [*axes[0], *axes[1]] if axis not in summed and axis not in both]
    return [
        graph.add("Einsum", (left, right), equation=f"{''.join(axes[0])},{''.join(axes[1])}->{''.join(both + free)}")
    ]


def _reshape(graph, operation, x):
    return [graph.reshaped(x, operation.outputs[0].shape)]


def _transpose(graph, operation, x):
    return [graph.add("Transpose", (x,), perm=list(operation.params["permutation"]))]


def _concatenate(graph, operation, *parts):
    return [graph.add("Concat", parts, axis=operation.params["dimension"])]


def _stack(graph, operation, *parts):
    axis = operation.params["axis"]
    apart = [graph.add("Unsqueeze", (part, graph.numbers([axis]))) for part in parts]
    return [graph.add("Concat", apart, axis=axis)]


def _split(graph, operation, x):
    sizes, axis = operation.params["sizes"], operation.params["axis"]
    return graph.split("Split", (x, graph.numbers(sizes)), len(sizes), axis=axis)


def _slice(graph, operation, x):
    (shape,) = (one.shape for one in operation.inputs)
    params = operation.params
    steps = params["strides"] or (1,) * len(shape)
    every = list(zip(params["start_indices"], params["limit_indices"], shape, steps, strict=True))
    cut = [i for i, (start, limit, size, step) in enumerate(every) if (start, step) != (0, 1) or limit != size]
    starts, limits, steps = ([every[i][place] for i in cut] for place in (0, 1, 3))
    if any(map(is_symbolic_dim, [*starts, *limits])):
        raise InputError("the policy cuts a part out of the batch, which ONNX export cannot express; use --format jax")
    return [graph.add("Slice", (x, *map(graph.numbers, (starts, limits, cut, steps))))]


def _best(operator: str):
    def rule(graph, operation, x):
        (axis,) = operation.params["axes"]
        found = graph.add(operator, (x,), axis=axis, keepdims=0)
        return [_converted(graph, {"new_dtype": operation.outputs[0].dtype}, found)]

    return rule


def _gather(graph, operation, x, _):
    """Rows or parts at places that are known: along one axis, in whose stead the places' axes stand."""
    operand, places = operation.inputs
    numbers, sizes = operation.params["dimension_numbers"], operation.params["slice_sizes"]
    (axis, *more), dropped = numbers.start_index_map, tuple(numbers.collapsed_slice_dims)
    lead = np.ndim(places) - 1
    stand = [i for i in range(len(operation.outputs[0].shape)) if i not in numbers.offset_dims]
    whole = all(size == operand.shape[i] for i, size in enumerate(sizes) if i != axis)
    fits = not more and whole and not numbers.operand_batching_dims and stand == list(range(axis, axis + lead))
    if not hasattr(places, "__array__") or not fits or dropped not in ((), (axis,)) or (lead and not dropped):
        raise InputError("the policy looks something up in a way that ONNX export does not know; use --format jax")
    first = np.clip(np.asarray(places)[..., 0], 0, operand.shape[axis] - sizes[axis])
    index = first if dropped else first[..., None] + np.arange(sizes[axis])
    return [graph.add("Gather", (x, graph.constant(index.astype(np.int64)).name), axis=axis)]


def _size(graph, operation):
    length = graph.length(operation.params["dim"])
    return [_converted(graph, {"new_dtype": operation.outputs[0].dtype}, graph.reshaped(length, ()))]


RULES: dict[str, Callable[..., list[str]]] = {
    "argmax": _best("ArgMax"),
    "argmin": _best("ArgMin"),
    "concatenate": _concatenate,
    "dim_as_value": _size,
    "dot_general": _product,
    "expand_dims": _reshape,
    "gather": _gather,
    "reshape": _reshape,
    "slice": _slice,
    "split": _split,
    "stack": _stack,
    "squeeze": _reshape,
    "transpose": _transpose,
}
"""Primitives whose arguments have to have their full shapes."""
