"""IQL: expectile value, critic bootstrapped from it, advantage-weighted actor (arXiv:2110.06169).

Departures: none from the authors' code for continuous actions: its order of parts (value, actor, critic), the cosine
decay of the actor's rate, returns rescaled to a range of 1000. Discrete actions, which the paper leaves open, take a
softmax actor and a Q of the chosen action.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from jaxrl.compose.learn import Part, learn
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec, reactive
from jaxrl.data import prepare
from jaxrl.losses.distance import squared
from jaxrl.losses.policy import advantage_weight
from jaxrl.losses.value import expectile, td_target
from jaxrl.networks import critics as values
from jaxrl.networks import heads


@hyper
class Hyper:
    """Numbers of IQL. expectile: tau; inverse_temperature: beta; actor_decay_updates: length of the cosine."""

    discount: float = 0.99
    value_lr: float = 3e-4
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    actor_decay_updates: float = 1e6
    polyak: float = 0.005
    expectile: float = 0.7
    inverse_temperature: float = 3.0
    weight_clip: float = 100.0


def cosine_rate(hyper, count):
    """The actor's step size after `count` of its updates."""
    share = jnp.minimum(count / hyper.actor_decay_updates, 1.0)
    return hyper.actor_lr * 0.5 * (1 + jnp.cos(jnp.pi * share))


class Choices(NamedTuple):
    """What IQL's relatives change.

    together: (hyper, q [E, B]) -> the value [B] that the critics stand for together.
    critic: (hyper, gaps [E, B] of the critics to their target) -> losses [B]. bound: (hyper, target [B]) -> target.
    """

    together: Callable = lambda hyper, q: q.min(0)
    critic: Callable = lambda hyper, gap: jnp.square(gap).sum(0)
    bound: Callable = lambda hyper, target: target


def iql(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2) -> Algorithm:
    """Gaussian (or softmax) actor, one value network, twin critics."""
    pi = (heads.categorical if spec.discrete else heads.gaussian)(spec, width=width, depth=depth)
    return of(Choices(), spec, pi, width=width, depth=depth, critics=critics)


def of(choices: Choices, spec: Spec, pi: heads.Head, *, width: int, depth: int, critics: int) -> Algorithm:
    """The skeleton: value network, actor, critics. An actor without a density clones by squared distance, summed."""
    q = values.q(spec, width=width, depth=depth, members=critics)
    v = values.v(spec, width=width, depth=depth)
    likeness = pi.log_prob or (lambda params, obs, action: -squared(pi.mode(params, obs), action))

    def gap(value_params, state, hyper, batch):
        """The target critics' value of the logged action over the state's value; [B]."""
        logged = choices.together(hyper, q.apply(state.target["critic"], batch.obs, batch.action))
        return logged - v.apply(value_params, batch.obs)

    def value_loss(params, state, hyper, batch, key):
        return expectile(gap(params, state, hyper, batch), hyper.expectile), {}

    def actor_loss(params, state, hyper, batch, key):
        advantage = gap(state.params["value"], state, hyper, batch)
        weight = advantage_weight(advantage, hyper.inverse_temperature, hyper.weight_clip)
        return -weight * likeness(params, batch.obs, batch.action), {}

    def critic_loss(params, state, hyper, batch, key):
        ahead = v.apply(state.params["value"], batch.next_obs)
        target = choices.bound(hyper, td_target(batch.reward, hyper.discount, batch.terminated, ahead))
        logged = q.apply(params, batch.obs, batch.action)
        return choices.critic(hyper, logged - target[None]), {"q": logged.mean()}

    init, update = learn(
        {
            "value": Part(v.init, value_loss, lambda h, n: h.value_lr),
            "actor": Part(pi.init, actor_loss, cosine_rate),
            "critic": Part(q.init, critic_loss, lambda h, n: h.critic_lr, lambda h: h.polyak),
        }
    )

    def policy(hyper, state):
        density = functools.partial(pi.log_prob, state.params["actor"]) if pi.log_prob else None
        return reactive(lambda key, obs: pi.mode(state.params["actor"], obs), density)

    def explore(hyper, state):
        return reactive(lambda key, obs: pi.propose(state.params["actor"], key, obs)[0], policy(hyper, state).log_prob)

    return Algorithm(init, update, policy, explore)


PAPER = Paper(
    "arXiv:2110.06169",
    "Offline Reinforcement Learning with Implicit Q-Learning",
    "Ilya Kostrikov and Ashvin Nair and Sergey Levine",
    2021,
)
CARD = Card(
    "iql", "offline", iql, Hyper, PAPER, actions=("continuous", "discrete"), prepare=prepare.varied(return_range=1000.0)
)
