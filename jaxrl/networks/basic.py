"""Multilayer perceptrons and ensembles of them."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

Initializer = Callable[..., Any]


class Network(NamedTuple):
    """init(key) -> params; apply(params, *inputs) -> outputs, over any leading axes."""

    init: Callable
    apply: Callable


class MLP(nn.Module):
    """Dense layers with an activation between; `norm` adds layer norm after each activation (as ReBRAC does),
    `norm_first` before it (as PQN does). `tall`: batches have thousands of rows, see `narrow_product`. `embed`: a
    module that the inputs go through first."""

    hidden: Sequence[int]
    outputs: int
    norm: bool = False
    norm_first: bool = False
    activation: Callable = nn.relu
    kernel: Initializer = nn.initializers.lecun_normal()
    bias: Initializer = nn.initializers.zeros_init()
    last_kernel: Initializer | None = None
    last_bias: Initializer | None = None
    tall: bool = False
    embed: nn.Module | None = None

    @nn.compact
    def __call__(self, x):
        x = self.embed(x) if self.embed else x
        for width in self.hidden:
            x = nn.Dense(width, kernel_init=self.kernel, bias_init=self.bias)(x)
            x = self.activation(nn.LayerNorm()(x) if self.norm_first else x)
            x = nn.LayerNorm()(x) if self.norm else x
        kernel, bias = self.last_kernel or self.kernel, self.last_bias or self.bias
        product = {"dot_general": _narrow} if self.tall and self.outputs <= 2 else {}
        return nn.Dense(self.outputs, kernel_init=kernel, bias_init=bias, **product)(x)


@jax.custom_jvp
def narrow_product(x, kernel):
    """x [..., D] @ kernel [D, A], whose gradient in the kernel is A sums over rows instead of one product.

    The same numbers up to rounding. XLA's CPU compiler transposes all of x for that product. For one or two outputs
    and 2,048 rows of 64 the sums are faster, by a sixth of PPO's update; for 256 rows of 256 they are slower.
    """
    return x @ kernel


@narrow_product.defjvp
def _narrow_product_jvp(primals, tangents):
    (x, kernel), (x_dot, kernel_dot) = primals, tangents
    columns = kernel_dot.T.reshape(kernel_dot.shape[1], *(1,) * (x.ndim - 1), -1)
    return x @ kernel, x_dot @ kernel + jnp.stack([(x * column).sum(-1) for column in columns], -1)


def _narrow(x, kernel, dimensions, **options):
    """`narrow_product` as Flax calls a product."""
    return narrow_product(x, kernel)


def within(limit: float) -> Initializer:
    """Initializer uniform on [-limit, limit]."""

    def initialise(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return initialise


def orthogonal(scale: float) -> Initializer:
    """Rows or columns, whichever are fewer, that are orthogonal and of length `scale`; those of Flax's initializer.

    Without LAPACK: several of its decompositions in one program, mapped over seeds, wait for each other for ever on a
    CPU of few cores (each holds a thread of XLA's pool while it waits for others of that pool; jaxlib 0.10.2).
    """

    def init(key, shape, dtype=jnp.float32):
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = jax.random.normal(key, (max(rows, columns), min(rows, columns)), dtype)
        found = orthonormal(drawn)
        return scale * (found if rows >= columns else found.T).reshape(shape)

    return init


def orthonormal(matrix):
    """Columns [M, N] made orthonormal one after the other, by projections that are made twice (Gram and Schmidt)."""
    product = functools.partial(jnp.matmul, precision="highest")

    def one(i, found):
        column = jax.lax.dynamic_index_in_dim(matrix, i, 1, keepdims=False)
        for _ in range(2):
            column = column - product(found, product(column, found))
        return jax.lax.dynamic_update_index_in_dim(found, column / jnp.linalg.norm(column), i, 1)

    return jax.lax.fori_loop(0, matrix.shape[1], one, jnp.zeros_like(matrix))


def constant(value: float) -> Initializer:
    """Initializer that fills with one value."""
    return nn.initializers.constant(value)


def mlp(inputs: int, hidden: Sequence[int], outputs: int, **options) -> Network:
    """[..., inputs] -> [..., outputs]; options are those of `MLP`."""
    module = MLP(tuple(hidden), outputs, **options)
    return Network(
        lambda key: module.init(key, jnp.zeros((1, inputs)))["params"],
        lambda params, x: module.apply({"params": params}, x),
    )


def ensemble(network: Network, members: int) -> Network:
    """Independent copies on a leading axis E of the parameters; `apply` adds the axis in front of the outputs."""
    return Network(
        lambda key: jax.vmap(network.init)(jax.random.split(key, members)),
        lambda params, *x: jax.vmap(lambda p: network.apply(p, *x))(params),
    )


def scalar() -> Network:
    """One trained number, zero at the start."""
    return Network(lambda key: jnp.zeros(()), lambda params: params)
