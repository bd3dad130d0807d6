"""Policies improved on logged states by PPO's surrogate, step by step past an estimate of what they are worth."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl.compose import surrogates
from jaxrl.compose.learn import Part, learn
from jaxrl.compose.policy_gradient import Nets, View, Visited
from jaxrl.core.types import Learner, Transition, Tree

SAME = 0
"""Key of every estimate, so that two policies are compared on the same draws."""


class Improving(NamedTuple):
    """n policies under way.

    members: what the optimiser moves, leaves [n, ...]. anchor: the actors accepted last. best: their estimates [n],
    minus infinity before the first.
    """

    members: Tree
    anchor: Tree
    best: Any
    step: Any


def gated(
    nets: Nets, advantage: Callable, estimate: Callable, *, members: int, updates: int, every: int, gate: bool = True
) -> Learner:
    """Multi-step improvement with a gate (Uni-O4, arXiv:2311.03351, section 3.3; BPPO, arXiv:2302.11312).

    Actions at logged states are the anchor's, which is replaced on every `every`-th update if the policy's estimate is
    higher than any before, or always without `gate`. advantage: (frozen, obs [B, D], action [B, A]) -> [B]; estimate:
    (key, hyper, frozen, actor) -> scalar; `frozen` is the batch's extra of that name. Clip and step size fall to zero
    over `updates`. Needs `improve_lr improve_clip ratio_clip gradient_clip` in the record.
    """

    def loss(params, state, hyper, batch, key):
        view = View(batch=batch.extras["visited"], hyper=hyper, nets=nets, actor=params)
        return surrogates.clipped(view), {"ratio": view.ratio.mean()}

    def optimiser(hyper, rate):
        return optax.chain(optax.clip_by_global_norm(hyper.gradient_clip), optax.adam(rate))

    def rate(hyper, count):
        return hyper.improve_lr * (1 - jnp.minimum(count / updates, 1.0))

    start, improve = learn({"actor": Part(nets.pi.init, loss, rate, optimiser=optimiser)})

    def init(key, hyper):
        return begun(jax.vmap(start, (0, None))(jax.random.split(key, members), hyper))

    def judged(hyper, frozen, state):
        worth = lambda actor: estimate(jax.random.key(SAME), hyper, frozen, actor)
        actors = state.members.params["actor"]
        found = jax.lax.map(worth, actors)
        better = (found > state.best) if gate else jnp.ones_like(found, bool)
        keep = lambda new, old: jnp.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
        return state._replace(anchor=jax.tree.map(keep, actors, state.anchor), best=keep(found, state.best))

    def update(key, hyper, state, batch):
        frozen = batch.extras["frozen"]
        judge = lambda state: judged(hyper, frozen, state)
        state = jax.lax.cond(state.step % every == 0, judge, lambda same: same, state)
        left = 1 - jnp.minimum(state.step / updates, 1.0)
        numbers = dataclasses.replace(hyper, ratio_clip=hyper.improve_clip * left)

        def one(key, member, anchor):
            k_act, k_improve = jax.random.split(key)
            seen = sampled(k_act, nets, anchor, lambda *x: advantage(frozen, *x), batch)
            return improve(k_improve, numbers, member, seen)

        keys = jax.random.split(key, members)
        moved, metrics = jax.vmap(one)(keys, state.members, state.anchor)
        state = state._replace(members=moved, step=state.step + 1)
        return state, {**jax.tree.map(jnp.mean, metrics), "gate": {"best": state.best.max(), "mean": state.best.mean()}}

    return Learner(init, update)


def begun(members: Tree) -> Improving:
    """The state before the first update, of learners [n, ...] whose actors are the first anchors."""
    count = jax.tree.leaves(members.params)[0].shape[0]
    return Improving(members, members.params["actor"], jnp.full(count, -jnp.inf), jnp.zeros((), jnp.int32))


def sampled(key, nets: Nets, anchor: Tree, advantage: Callable, batch: Transition) -> Transition:
    """The batch with what the surrogate reads of the anchor's actions at its states, the extra "visited"."""
    action, log_prob = nets.pi.propose(anchor, key, batch.obs)
    worth = surrogates.standardised(advantage(batch.obs, jnp.clip(action, -1, 1)))
    visited = Visited(batch.obs, action, None, log_prob, None, worth, None, batch.weight)
    return batch._replace(extras={"visited": jax.lax.stop_gradient(visited)})


def best_of(state: Improving) -> Tree:
    """The accepted actor with the highest estimate."""
    return jax.tree.map(lambda x: x[state.best.argmax()], state.anchor)


def imagined_value(predict: Callable, q: Callable, mode: Callable, obs, horizon: int):
    """Mean Q along deterministic rollouts of `horizon` steps from obs [N, D]; scalar (AM-Q, Uni-O4, eq. 12).

    predict: (time, obs, action) -> Transition of the model. q: (obs, action) -> [N]. mode: obs -> action. Nothing is
    counted after a predicted end.
    """

    def one(carry, time):
        obs, alive = carry
        action = mode(obs)
        step = predict(time, obs, action)
        after = alive * (1 - step.terminated)
        return (jnp.where((after > 0)[:, None], step.next_obs, obs), after), alive * q(obs, action)

    values = jax.lax.scan(one, (obs, jnp.ones(obs.shape[0])), jnp.arange(horizon))[1]
    return values.mean()
