"""On-policy learners from recipes: an advantage, what actor and critic minimise, and in which order."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl.compose import running, surrogates
from jaxrl.compose.epochs import epochs
from jaxrl.compose.learn import Part, learn
from jaxrl.core.types import Algorithm, Spec, Transition, Tree, reactive
from jaxrl.networks import basic, critics, heads
from jaxrl.returns import discounted, gae


class OnPolicy(NamedTuple):
    """State of a learner made here: `learn`'s and running moments.

    step: optimiser steps so far. seen, scale: moments of observations, and of discounted sums of rewards; () where
    nothing is normalised.
    """

    params: Tree
    target: Tree
    opt: Tree
    step: jax.Array
    seen: Tree = ()
    scale: Tree = ()


class Visited(NamedTuple):
    """Steps taken, with what the learner thought of them before the update; leaves [B, ...].

    numbers, log_prob: the law of the policy that collected (`networks.laws`), and the action's log-density by it.
    value, advantage, returns: the critic's value, the recipe's advantage, and what values are fitted to.
    weight: multiplicity in a loss.
    """

    obs: Any
    action: Any
    numbers: Any
    log_prob: Any
    value: Any
    advantage: Any
    returns: Any
    weight: Any


class Nets(NamedTuple):
    """The actor's head, which has a law, and the network of state values."""

    pi: heads.Head
    v: basic.Network


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """What a term may look at: steps taken [B], a network as it is now, and the share of training that is over."""

    batch: Visited
    hyper: Any
    nets: Nets | None = None
    actor: Any = None
    critic: Any = None
    progress: Any = 0.0

    @functools.cached_property
    def numbers(self):
        """The policy's law at the states visited."""
        return self.nets.pi.law.numbers(self.actor, self.batch.obs)

    @functools.cached_property
    def log_prob(self):
        """log pi of the actions taken, [B]."""
        return self.nets.pi.law.log_prob(self.numbers, self.batch.action)

    @functools.cached_property
    def ratio(self):
        """pi over the policy that collected, [B]."""
        return jnp.exp(self.log_prob - self.batch.log_prob)

    @functools.cached_property
    def entropy(self):
        """Entropy of pi at the states visited, [B]."""
        return self.nets.pi.law.entropy(self.numbers)

    @functools.cached_property
    def kl(self):
        """KL divergence of pi from the policy that collected, [B]."""
        return self.nets.pi.law.kl(self.numbers, self.batch.numbers)

    @functools.cached_property
    def value(self):
        """Values of the states visited, [B]."""
        return self.nets.v.apply(self.critic, self.batch.obs)


class Stage(NamedTuple):
    """Which parts are improved together, in how many passes of how many minibatches over the batch."""

    parts: tuple[str, ...]
    passes: int = 1
    minibatches: int = 1


def as_estimated(advantage):
    """The advantage itself."""
    return advantage


def generalised(hyper, *steps):
    """Generalised advantages by the record's `discount` and `trace`."""
    return gae(*steps, discount=hyper.discount, trace=hyper.trace)


class Recipe(NamedTuple):
    """What sets one on-policy learner apart from another. Terms map a View to [B] and are summed.

    actor, critic: what each minimises. scale_batch, scale_part: changes to the advantages of a whole batch, and of
    each minibatch. estimate: (hyper, reward, value, next_value, terminated, over), [T, N] each -> (advantage, returns).
    optimiser: step size -> an optax transformation, of each network's gradients after they were clipped.
    """

    actor: tuple
    critic: tuple = (surrogates.value_error,)
    scale_batch: Callable = as_estimated
    scale_part: Callable = as_estimated
    estimate: Callable = generalised
    optimiser: Callable = functools.partial(optax.adam, eps=1e-5)


def policy_gradient(
    spec: Spec,
    recipe: Recipe,
    stages: tuple[Stage, ...],
    *,
    width: int = 64,
    depth: int = 2,
    normalise: bool = False,
    head: Callable | None = None,
) -> Algorithm:
    """Actor and critic of their own networks (tanh, orthogonal), trained on batches [T, N] of `sources.rollouts`.

    normalise: whether observations are standardised, and rewards divided by the std of discounted sums of them, by
    moments of all that was seen before the batch. The record needs `discount actor_lr critic_lr gradient_clip
    decay_updates`, and `trace` for generalised advantages; step sizes fall to zero over `decay_updates` batches.
    """
    nets = networks(spec, head, width, depth)
    parts = trained(nets, recipe, calls=sum(stage.passes * stage.minibatches for stage in stages))
    start = learn(parts)[0]
    improve = [learn({name: parts[name] for name in stage.parts})[1] for stage in stages]

    def init(key, hyper):
        moments = (running.fresh(spec.obs), running.fresh()) if normalise else ((), ())
        return OnPolicy(*start(key, hyper), *moments)

    def update(key, hyper, state, batch):
        rows = rethought(nets, recipe, hyper, state, batch)
        state, metrics = (observed(hyper, state, batch) if normalise else state), {}
        for i, (stage, one) in enumerate(zip(stages, improve, strict=True)):
            step = lambda key, state, part, one=one: one(key, hyper, state, part)
            k_stage = jax.random.fold_in(key, i)
            state, seen = epochs(k_stage, step, state, rows, passes=stage.passes, minibatches=stage.minibatches)
            metrics |= seen
        return state, metrics

    return Algorithm(init, update, *policies(nets.pi))


def networks(spec: Spec, head: Callable | None, width: int, depth: int) -> Nets:
    """An actor that starts nearly indifferent, of the head that suits the actions unless one is given, and a critic."""
    net = {"activation": jnp.tanh, "kernel": basic.orthogonal(2**0.5), "width": width, "depth": depth, "tall": True}
    head = head or (heads.categorical if spec.discrete else heads.diagonal_gaussian)
    pi = head(spec, last_kernel=basic.orthogonal(0.01), **net)
    return Nets(pi, critics.v(spec, last_kernel=basic.orthogonal(1.0), **net))


def trained(nets: Nets, recipe: Recipe, calls: int) -> dict[str, Part]:
    """Actor and critic as parts of a learner that is called `calls` times a batch."""

    def progress(hyper, count):
        return jnp.clip((count // calls) / hyper.decay_updates, 0.0, 1.0)

    def view(state, hyper, batch, **network):
        batch = batch._replace(advantage=recipe.scale_part(batch.advantage))
        return View(batch=batch, hyper=hyper, nets=nets, progress=progress(hyper, state.step), **network)

    def actor_loss(params, state, hyper, batch, key):
        seen = view(state, hyper, batch, actor=params)
        metrics = {"entropy": seen.entropy.mean(), "kl": (batch.log_prob - seen.log_prob).mean()}
        return sum(term(seen) for term in recipe.actor), metrics

    def critic_loss(params, state, hyper, batch, key):
        seen = view(state, hyper, batch, critic=params)
        return sum(term(seen) for term in recipe.critic), {"value": seen.value.mean()}

    def optimiser(hyper, rate):
        return optax.chain(optax.clip_by_global_norm(hyper.gradient_clip), recipe.optimiser(rate))

    def falling(name):
        return lambda hyper, count: getattr(hyper, name) * (1 - progress(hyper, count))

    return {
        "actor": Part(nets.pi.init, actor_loss, falling("actor_lr"), optimiser=optimiser),
        "critic": Part(nets.v.init, critic_loss, falling("critic_lr"), optimiser=optimiser),
    }


def rethought(nets: Nets, recipe: Recipe, hyper, state: OnPolicy, batch: Transition) -> Visited:
    """Rows [T N, ...] of a batch [T, N, ...], with what the networks in `state` think of them."""
    obs, reward = seen_by(state, batch.obs), batch.reward
    if state.scale:
        reward = jnp.clip(reward * jax.lax.rsqrt(state.scale.variance + 1e-8), -10, 10)
    value, ahead = (nets.v.apply(state.params["critic"], x) for x in (obs, seen_by(state, batch.next_obs)))
    advantage, returns = recipe.estimate(hyper, reward, value, ahead, batch.terminated, over(batch))
    numbers = nets.pi.law.numbers(state.params["actor"], obs)
    log_prob = nets.pi.law.log_prob(numbers, batch.action)
    advantage = recipe.scale_batch(advantage)
    rows = Visited(obs, batch.action, numbers, log_prob, value, advantage, returns, batch.weight)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)


def observed(hyper, state: OnPolicy, batch: Transition) -> OnPolicy:
    """The state with a batch's observations and discounted sums of rewards among what was seen."""
    sums = discounted(batch.reward, over(batch), hyper.discount)
    return state._replace(seen=running.observe(state.seen, batch.obs), scale=running.observe(state.scale, sums))


def over(batch: Transition):
    """1 where an episode ended, in either way; [T, N]."""
    return jnp.maximum(batch.terminated, batch.truncated)


def seen_by(state: OnPolicy, obs):
    """Observations [..., D] as the networks are given them."""
    return running.standardised(state.seen, obs) if state.seen else obs


def policies(pi: heads.Head):
    """(policy, explore) of an actor: its mode, and a draw from its density."""

    def density(state):
        return lambda obs, action: pi.log_prob(state.params["actor"], seen_by(state, obs), action)

    def policy(hyper, state):
        return reactive(lambda key, obs: pi.mode(state.params["actor"], seen_by(state, obs)), density(state))

    def explore(hyper, state):
        draw = lambda key, obs: pi.propose(state.params["actor"], key, seen_by(state, obs))[0]
        return reactive(draw, density(state))

    return policy, explore
