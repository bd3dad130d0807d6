"""Turn named parts, each with its own loss, into one learner."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl.core.types import Tree
from jaxrl.losses.policy import weighted_mean


class Part(NamedTuple):
    """One trained set of parameters.

    init: key -> params.
    loss: (params, state, hyper, batch, key) -> ([B] losses, metrics). Gradients flow through `params` only;
        everything in `state` is a constant.
    rate: (hyper, count) -> step size, `count` being the part's own updates so far.
    follow: hyper -> Polyak step of a target copy; None keeps no copy.
    every: update on every n-th call.            follow_every: move the target on every n-th call.
    optimiser: (hyper, step size) -> an optax transformation; None for the learner's own.
    """

    init: Callable
    loss: Callable
    rate: Callable
    follow: Callable | None = None
    every: int = 1
    follow_every: int = 1
    optimiser: Callable | None = None


class Learned(NamedTuple):
    """State of every learner made by `learn`: parameters, targets and optimiser states by part, and calls so far."""

    params: Mapping[str, Tree]
    target: Mapping[str, Tree]
    opt: Mapping[str, Tree]
    step: jax.Array


def learn(parts: Mapping[str, Part], optimiser: Callable = optax.adam):
    """(init, update) that improves every part once per call, in the order given.

    Each part sees the newest state of those before it. Optimisers are rebuilt from traced rates, so a state holds
    arrays only. Parts idle on a call report NaN metrics. The first part of a call whose loss is not finite reports 1 as
    `diverged`, others 0. The loss is the mean of `batch.weight * losses`.
    """

    def init(key, hyper):
        keys = {name: jax.random.fold_in(key, i) for i, name in enumerate(parts)}
        params = {name: part.init(keys[name]) for name, part in parts.items()}
        target = {name: params[name] for name, part in parts.items() if part.follow}
        opt = {name: _optimiser(optimiser, part, hyper, 0).init(params[name]) for name, part in parts.items()}
        return Learned(params, target, opt, jnp.zeros((), jnp.int32))

    def update(key, hyper, state, batch):
        metrics, sound = {}, True
        for i, (name, part) in enumerate(parts.items()):
            step = _stepper(optimiser, name, part, jax.random.fold_in(key, i), hyper, batch)
            state, found = _on_turn(step, part.every, state)
            metrics[name] = {**found, "diverged": found["diverged"] * sound}
            sound = sound & ~(found["diverged"] > 0)
            if part.follow:
                state, _ = _on_turn(_follower(name, part, hyper), part.follow_every, state)
        return state._replace(step=state.step + 1), metrics

    return init, update


def part_key(key, parts, name):
    """The key that `update(key, ...)` hands to the loss of the part called `name`."""
    return jax.random.fold_in(key, list(parts).index(name))


def _optimiser(default, part: Part, hyper, count):
    rate = part.rate(hyper, count)
    return part.optimiser(hyper, rate) if part.optimiser else default(rate)


def _stepper(optimiser, name, part, key, hyper, batch):
    def go(state):
        def objective(params):
            losses, aux = part.loss(params, state, hyper, batch, key)
            return weighted_mean(losses, batch.weight), aux

        (loss, aux), grads = jax.value_and_grad(objective, has_aux=True)(state.params[name])
        rule = _optimiser(optimiser, part, hyper, state.step // part.every)
        updates, opt = rule.update(grads, state.opt[name], state.params[name])
        params = optax.apply_updates(state.params[name], updates)
        metrics = {"loss": loss, "diverged": 1.0 - jnp.isfinite(loss), **aux}
        return _put(state, name, params=params, opt=opt), metrics

    return go


def _follower(name, part, hyper):
    def go(state):
        moved = optax.incremental_update(state.params[name], state.target[name], part.follow(hyper))
        return _put(state, name, target=moved), {}

    return go


def _put(state: Learned, name: str, **fields: Any) -> Learned:
    return state._replace(**{field: {**getattr(state, field), name: value} for field, value in fields.items()})


def _on_turn(go, every: int, state: Learned):
    """`go(state)` on every n-th call, counted from the n-th; NaN metrics on the others."""
    if every == 1:
        return go(state)
    shapes = jax.eval_shape(go, state)[1]
    idle = jax.tree.map(lambda s: jnp.full(s.shape, jnp.nan, s.dtype), shapes)
    return jax.lax.cond(state.step % every == every - 1, go, lambda same: (same, idle), state)
