"""Layers: what they compute and how they are differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.networks import basic


@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 7, 5)])
def test_a_narrow_product_and_its_derivatives_are_those_of_the_plain_one(shape):
    x, kernel = jax.random.normal(jax.random.key(0), shape), jax.random.normal(jax.random.key(1), (5, 2))
    ahead = jax.random.normal(jax.random.key(2), shape), jax.random.normal(jax.random.key(3), (5, 2))

    def derivatives(product):
        bent = lambda x, kernel: jnp.tanh(product(x, kernel))
        value, pull = jax.vjp(bent, x, kernel)
        return value, pull(value), jax.jvp(bent, (x, kernel), ahead)

    for ours, plain in zip(*map(jax.tree.leaves, map(derivatives, (basic.narrow_product, jnp.matmul))), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


def test_a_tall_network_is_the_same_function_of_the_same_parameters():
    tall, plain = (basic.mlp(3, (8,), 2, tall=tall) for tall in (True, False))
    params, x = plain.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (4, 3))
    assert jax.tree.structure(tall.init(jax.random.key(0))) == jax.tree.structure(params)
    np.testing.assert_array_equal(tall.apply(params, x), plain.apply(params, x))
    grads = [jax.jit(jax.grad(lambda p, net=net: jnp.square(net.apply(p, x)).sum()))(params) for net in (tall, plain)]
    for ours, theirs in zip(*map(jax.tree.leaves, grads), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
