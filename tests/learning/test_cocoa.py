"""Bilinear features of an anchor and a difference go on where a perceptron of the state does not."""

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxrl.networks import basic
from jaxrl.networks.transduction import Bilinear

UPDATES = 4_000


def fitted(seed: int, transductive: bool) -> float:
    """Mean squared error of s^2 on [1.1, 1.8], learned on [0, 1]; anchors lie in [0, 1], differences below 0.95."""
    key = jax.random.key(seed)
    net = basic.mlp(2, (), 1, embed=Bilinear(1, (64, 64), 1, 16)) if transductive else basic.mlp(1, (64, 64), 1)
    see = lambda state, anchor: jnp.concatenate([state - anchor, anchor], -1) if transductive else state

    def loss(params, state, anchor):
        return jnp.square(net.apply(params, see(state, anchor)) - state**2).mean()

    rule = optax.adam(optax.linear_schedule(1e-3, 0.0, UPDATES))

    def update(carry, i):
        params, opt = carry
        state, anchor = jax.random.uniform(jax.random.fold_in(key, i), (2, 128, 1))
        moves, opt = rule.update(jax.grad(loss)(params, state, anchor), opt)
        return (optax.apply_updates(params, moves), opt), None

    params = net.init(jax.random.fold_in(key, UPDATES))
    params, _ = jax.lax.scan(update, (params, rule.init(params)), jnp.arange(UPDATES))[0]
    state = jnp.linspace(1.1, 1.8, 200)[:, None]
    low = jnp.maximum(state - 0.95, 0.0)
    anchor = low + (1 - low) * jax.random.uniform(jax.random.fold_in(key, UPDATES + 1), state.shape)
    return loss(params, state, anchor)


@pytest.mark.slow
def test_it_extrapolates_a_square_where_a_perceptron_does_not():
    """Errors .30 .28 .18 and .037 .020 .005 were measured for such networks when the method was specified."""
    run = jax.jit(jax.vmap(fitted, (0, None)), static_argnums=1)
    ours, theirs = (run(jnp.arange(3), kind) for kind in (True, False))
    assert bool((ours < 0.3 * theirs).all())
