"""A learner of which action leads from one state to the next."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.compose.learn import Learned, Part, learn
from jaxrl.core.types import InitFn, Spec, Tree, UpdateFn
from jaxrl.networks import dropout
from jaxrl.networks.laws import normal_log_prob


class Model(NamedTuple):
    """State of an inverse model. learned: what the optimiser moves. best: the network at its lowest loss on steps held
    out; error: that loss."""

    learned: Learned
    best: Tree
    error: Any


class Inverse(NamedTuple):
    """A learner of actions. predict(state, states [B, I]) -> actions [B, A] in [-1, 1]."""

    init: InitFn
    update: UpdateFn
    predict: Callable


def inverse(spec: Spec, history: int, *, width: int = 1024, depth: int = 2, check_every: int = 1000) -> Inverse:
    """Gaussian over the action, given `history` + 2 consecutive states, by maximum likelihood.

    Batches have the extras "states" [B, I], I = (history + 2) D, and "held_states" [H, I], "held_action" [H, A]. Every
    `check_every` updates the network is kept if it does better on those than ever before. Needs `inverse_lr
    inverse_dropout` in the record. Source: SS-ORL (arXiv:2210.06518, section 4.1).
    """
    net = dropout.mlp((history + 2) * spec.obs, (width,) * depth, 2 * spec.action)

    def cost(params, states, action, key=None, rate=0.0):
        mean, spread = parameters(net.apply(params, states, key, rate))
        return -normal_log_prob((action - mean) * jnp.exp(-spread), spread)

    def loss(params, state, hyper, batch, key):
        return cost(params, batch.extras["states"], batch.action, key, hyper.inverse_dropout), {}

    start, improve = learn({"inverse": Part(net.init, loss, lambda h, n: h.inverse_lr)})

    def init(key, hyper):
        learned = start(key, hyper)
        return Model(learned, learned.params["inverse"], jnp.asarray(jnp.finfo(jnp.float32).max))

    def check(state: Model, states, action) -> Model:
        error = cost(state.learned.params["inverse"], states, action).mean()
        better = error < state.error
        keep = lambda new, old: jnp.where(better, new, old)
        best = jax.tree.map(keep, state.learned.params["inverse"], state.best)
        return Model(state.learned, best, keep(error, state.error))

    def update(key, hyper, state, batch):
        learned, metrics = improve(key, hyper, state.learned, batch)
        state = state._replace(learned=learned)
        held = batch.extras["held_states"], batch.extras["held_action"]
        due = learned.step % check_every == 0
        return jax.lax.cond(due, check, lambda same, *_: same, state, *held), metrics

    def predict(state, states):
        return jnp.clip(parameters(net.apply(state.best, states))[0], -1, 1)

    return Inverse(init, update, predict)


def parameters(output):
    """(mean, logarithm of the spread) from [..., 2 A]; the latter between -5 and 2."""
    mean, spread = jnp.split(output, 2, -1)
    return mean, jnp.clip(spread, -5.0, 2.0)
