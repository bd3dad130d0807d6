"""The actor-critic skeleton for continuous actions, and the record of what its relatives change."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.compose.learn import Part, learn
from jaxrl.core.types import Algorithm, Spec, reactive
from jaxrl.losses.value import td_target
from jaxrl.networks import critics as values
from jaxrl.networks import heads


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """What a term may look at: one action per state of a batch, and its surroundings.

    obs: the states in question [B, D].     action, log_prob: the scored action [B, A] and its log-probability [B].
    q_fn, propose, density: the critics, the actor and its density in play:
        (obs, action, members=None) -> [E, ...], (key, obs) -> (action, log_prob), (obs, action) -> [...].
        `members` is how many of the first critics, or an array of their indices.
    old_density: the density of the actor's copy, where the skeleton keeps one.
    """

    obs: Any = None
    action: Any = None
    log_prob: Any = None
    q_fn: Any = None
    propose: Any = None
    density: Any = None
    old_density: Any = None
    batch: Any = None
    hyper: Any = None
    state: Any = None
    key: Any = None

    @functools.cached_property
    def q(self):
        """Values of the scored action under every critic, [E, B]."""
        return self.q_fn(self.obs, self.action)

    @functools.cached_property
    def q_first(self):
        """Values of the scored action under the first critic alone, [B]; the others are not computed."""
        return self.q_fn(self.obs, self.action, 1)[0]

    def mean(self, values):
        """Mean of [B] over the batch with its weights as multiplicities."""
        return (self.batch.weight * values).mean()


class Kit(NamedTuple):
    """What further parts are made of: the actor's head; logged(state, hyper, batch, key) -> View of logged actions."""

    pi: heads.Head
    logged: Callable[..., View]


def unchanged(key, hyper, action):
    """The action itself."""
    return action


class Recipe(NamedTuple):
    """What sets one actor-critic apart from another. Terms map a View to [B] and are summed.

    backup: value of the next action, the View being of target critics at next_obs.
    actor: what the actor minimises.        critic: added to the squared Bellman error.
    perturb: (key, hyper, action) -> the action that the backup evaluates.
    slow_actor: whether the backup asks the actor's target copy.
    """

    backup: tuple
    actor: tuple
    critic: tuple = ()
    perturb: Callable = unchanged
    slow_actor: bool = True


def actor_critic(
    spec: Spec,
    recipe: Recipe,
    *,
    head: Callable = heads.deterministic,
    width: int = 256,
    depth: int = 2,
    critic_depth: int | None = None,
    critics: int = 2,
    delay: int = 2,
    target_delay: int | None = None,
    copy_every: int = 0,
    actor_options: Mapping[str, Any] = {},
    critic_options: Mapping[str, Any] = {},
    others: Mapping[str, Callable[[Kit], Part]] = {},
) -> Algorithm:
    """Ensemble critic and one actor, plus any `others` (temperature, multiplier, ...), each made from a Kit.

    The actor, and with it all targets, moves on every `delay`-th update (TD3, arXiv:1802.09477, section 5.2); targets
    on every `target_delay`-th where that is given. `copy_every` > 0 keeps a copy of the actor, renewed every so many
    updates, for terms that ask for `old_density`; then the actor has no slow target.
    `critic_depth` defaults to `depth`. Needs `discount polyak critic_lr actor_lr` in the record, and
    `explore_noise` for an actor without a density.
    """
    q = values.q(spec, width=width, depth=critic_depth or depth, members=critics, **critic_options)
    pi = head(spec, width=width, depth=depth, **actor_options)

    def look(actor, critic, **rest):
        def q_fn(obs, action, members=None):
            rows = slice(members) if isinstance(members, int) else members
            chosen = critic if members is None else jax.tree.map(lambda x: x[rows], critic)
            return q.apply(chosen, obs, action)

        density = functools.partial(pi.log_prob, actor) if pi.log_prob else None
        old = functools.partial(pi.log_prob, rest["state"].target["actor"]) if copy_every else None
        return View(q_fn=q_fn, propose=functools.partial(pi.propose, actor), density=density, old_density=old, **rest)

    def proposed(key, actor, obs, **rest):
        k_action, k_terms = jax.random.split(key)
        action, log_prob = pi.propose(actor, k_action, obs)
        return look(actor, obs=obs, action=action, log_prob=log_prob, key=k_terms, **rest)

    def at_logged(critic, state, hyper, batch, key):
        around = {"batch": batch, "hyper": hyper, "state": state, "key": key}
        return look(state.params["actor"], critic, obs=batch.obs, action=batch.action, **around)

    def logged(state, hyper, batch, key):
        return at_logged(state.params["critic"], state, hyper, batch, key)

    def critic_loss(params, state, hyper, batch, key):
        k_ahead, k_noise, k_now = jax.random.split(key, 3)
        actor = (state.target if recipe.slow_actor else state.params)["actor"]
        shared = {"batch": batch, "hyper": hyper, "state": state}
        ahead = proposed(k_ahead, actor, batch.next_obs, critic=state.target["critic"], **shared)
        ahead = dataclasses.replace(ahead, action=recipe.perturb(k_noise, hyper, ahead.action))
        value = sum(term(ahead) for term in recipe.backup)
        target = td_target(batch.reward, hyper.discount, batch.terminated, value)
        now = at_logged(params, state, hyper, batch, k_now)
        error = jnp.square(now.q - target[None]).sum(0)
        return error + sum(term(now) for term in recipe.critic), {"q": now.mean(now.q.mean(0))}

    def actor_loss(params, state, hyper, batch, key):
        critic = state.params["critic"]
        here = proposed(key, params, batch.obs, critic=critic, batch=batch, hyper=hyper, state=state)
        return sum(term(here) for term in recipe.actor), {}

    follow, pace = lambda h: h.polyak, target_delay or delay
    slow = {"follow": follow, "follow_every": pace} if recipe.slow_actor else {}
    copied = {"follow": lambda h: 1.0, "follow_every": copy_every} if copy_every else slow
    parts = {
        "critic": Part(q.init, critic_loss, lambda h, n: h.critic_lr, follow, follow_every=pace),
        "actor": Part(pi.init, actor_loss, lambda h, n: h.actor_lr, every=delay, **copied),
        **{name: make(Kit(pi, logged)) for name, make in others.items()},
    }
    init, update = learn(parts)
    return Algorithm(init, update, *policies(pi))


def policies(pi: heads.Head):
    """(policy, explore) of an actor: its mode; and a draw from its density, or where it has none its action with
    Gaussian noise of `explore_noise`."""

    def density(state):
        return functools.partial(pi.log_prob, state.params["actor"]) if pi.log_prob else None

    def policy(hyper, state):
        return reactive(lambda key, obs: pi.mode(state.params["actor"], obs), density(state))

    def explore(hyper, state):
        def act(key, obs):
            k_action, k_noise = jax.random.split(key)
            action, _ = pi.propose(state.params["actor"], k_action, obs)
            if pi.log_prob:
                return action
            noise = hyper.explore_noise * jax.random.normal(k_noise, action.shape)
            return jnp.clip(action + noise, -1, 1)

        return reactive(act, density(state))

    return policy, explore
