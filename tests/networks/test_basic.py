"""Layers: what they compute and how they are differentiated."""

import flax.linen as nn
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


@pytest.mark.parametrize("shape", [(5, 7), (7, 5), (3, 4, 6), (1, 3), (256, 256)])
def test_orthogonal_kernels_are_those_of_flax(shape):
    ours, theirs = basic.orthogonal(1.5), nn.initializers.orthogonal(1.5)
    key = jax.random.key(0)
    found = np.asarray(jax.jit(ours, static_argnums=1)(key, shape))
    np.testing.assert_allclose(found, theirs(key, shape), atol=2e-4)
    flat = found.reshape(-1, shape[-1]) / 1.5
    small = flat @ flat.T if len(flat) < shape[-1] else flat.T @ flat
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)


def test_networks_of_many_seeds_begin_without_lapack():
    """Two of its decompositions at a time, each over seeds, can wait for each other for ever."""
    net = basic.mlp(3, (8, 8), 2, kernel=basic.orthogonal(1.0), last_kernel=basic.orthogonal(0.01))
    keys = jax.random.split(jax.random.key(0), 4)
    assert "lapack" not in jax.jit(jax.vmap(net.init)).lower(keys).as_text()
    assert "lapack" in jax.jit(jax.vmap(jnp.linalg.qr)).lower(jnp.zeros((4, 3, 3))).as_text()
