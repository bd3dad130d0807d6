"""The skeleton of learners of action values, and the record of what its relatives change."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.compose import q_terms
from jaxrl.compose.learn import Part, learn
from jaxrl.core.types import Algorithm, Spec, Transition, reactive
from jaxrl.networks import critics
from jaxrl.returns import n_step


class Backup(NamedTuple):
    """Windows of steps, each made into one: the sum of its rewards and what the value after it is multiplied by."""

    obs: Any
    action: Any
    reward: Any
    factor: Any
    next_obs: Any
    weight: Any


class Recipe(NamedTuple):
    """What sets one learner of action values apart from another. Outputs are [..., A], or [..., A, Z].

    network: (spec, width=, depth=) -> Network whose apply(params, obs) is the output.
    values: (hyper, output) -> the actions' values [..., A], of which the largest is chosen.
    slow_choice: whether the target copy chooses the next action that it values; else the trained network does.
    target: (hyper, reward [B], factor [B], the chosen action's output ahead) -> what the output is fitted to.
    loss, priority: (hyper, output of the action taken, target) -> [B]: what is minimised, what draws are weighted by.
    penalties: (hyper, output [B, A, ...], action [B]) -> [B] each, added to the loss.
    """

    network: Callable = critics.table
    values: Callable = q_terms.as_given
    slow_choice: bool = True
    target: Callable = q_terms.backed_up
    loss: Callable = q_terms.clipped_error
    priority: Callable = q_terms.size_of_error
    penalties: tuple = ()


def annealed(hyper, step):
    """Share of random actions: from `explore_from` to `explore_to` in `explore_updates` equal steps."""
    over = jnp.clip(step / hyper.explore_updates, 0.0, 1.0)
    return hyper.explore_from + over * (hyper.explore_to - hyper.explore_from)


def q_learning(
    spec: Spec,
    recipe: Recipe,
    *,
    width: int = 120,
    depth: int = 2,
    copy_every: int = 1,
    follow: Callable = lambda hyper: 1.0,
    exploration: Callable = annealed,
) -> Algorithm:
    """One network of action values, fitted to the values that a slow copy of it gives to what comes next.

    Batches are [B, ...], or windows [B, n, ...] for n-step targets. The copy moves on every `copy_every`-th update,
    all the way or by `follow(hyper)`. exploration: (hyper, step) -> share of random actions. The record needs
    `discount critic_lr` and what the recipe's pieces read. Reports "priority" [B] for sources that draw by it.
    """
    net = recipe.network(spec, width=width, depth=depth)

    def loss(params, state, hyper, batch, key):
        ahead = net.apply(state.target["critic"], batch.next_obs)
        judged = ahead if recipe.slow_choice else net.apply(params, batch.next_obs)
        best = recipe.values(hyper, judged).argmax(-1)
        target = recipe.target(hyper, batch.reward, batch.factor, q_terms.pick(ahead, best))
        target = jax.lax.stop_gradient(target)
        output = net.apply(params, batch.obs)
        taken = q_terms.pick(output, batch.action)
        losses = recipe.loss(hyper, taken, target) + sum(term(hyper, output, batch.action) for term in recipe.penalties)
        seen = {"q": recipe.values(hyper, taken).mean(), "priority": recipe.priority(hyper, taken, target)}
        return losses, jax.lax.stop_gradient(seen)

    part = Part(net.init, loss, lambda h, n: h.critic_lr, follow, follow_every=copy_every)
    init, improve = learn({"critic": part})

    def update(key, hyper, state, batch):
        state, metrics = improve(key, hyper, state, collapsed(batch, hyper.discount))
        seen = dict(metrics["critic"])
        return state, {"priority": seen.pop("priority"), "critic": seen}

    def values(hyper, state, obs):
        return recipe.values(hyper, net.apply(state.params["critic"], obs))

    return Algorithm(init, update, *greedy(spec, values, lambda hyper, state: exploration(hyper, state.step)))


def collapsed(batch: Transition, discount) -> Backup:
    """Windows [B, n, ...] as one step each, weighted as their first; a batch [B, ...] counts as windows of one."""
    windows = batch.reward.ndim > 1
    reward, terminated, truncated = (
        x if windows else x[:, None] for x in (batch.reward, batch.terminated, batch.truncated)
    )
    reward, factor, last = n_step(reward, terminated, truncated, discount)
    obs, action, weight = (x[:, 0] if windows else x for x in (batch.obs, batch.action, batch.weight))
    next_obs = batch.next_obs[jnp.arange(len(last)), last] if windows else batch.next_obs
    return Backup(obs, action, reward, factor, next_obs, weight)


def greedy(spec: Spec, values: Callable, share: Callable):
    """(policy, explore): the action of the largest value, and the same but for a `share` of uniformly random ones.

    values: (hyper, state, obs [..., D]) -> [..., A]; share: (hyper, state) -> scalar.
    """

    def best(hyper, state, obs):
        return values(hyper, state, obs).argmax(-1).astype(jnp.int32)

    def policy(hyper, state):
        return reactive(lambda key, obs: best(hyper, state, obs))

    def explore(hyper, state):
        def act(key, obs):
            k_coin, k_action = jax.random.split(key)
            chosen = best(hyper, state, obs)
            other = jax.random.randint(k_action, chosen.shape, 0, spec.action, jnp.int32)
            return jnp.where(jax.random.uniform(k_coin, chosen.shape) < share(hyper, state), other, chosen)

        def log_prob(obs, action):
            random = share(hyper, state)
            return jnp.log(random / spec.action + (1 - random) * (action == best(hyper, state, obs)))

        return reactive(act, log_prob)

    return policy, explore
