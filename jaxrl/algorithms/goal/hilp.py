"""HILP: states in a space whose distances are times, and policies along its directions (arXiv:2402.15567).

Features phi are learned such that minus their distance is the value of reaching a goal. Policies take a direction z and
are rewarded for moving along it, by IQL. To reach a goal the policy is asked for the direction to it, anew each step.

Departures: parts step one after the other by their own Adam, each seeing the newest state of those before, where the
authors' code takes one step on the sum. A new direction is drawn for every row of every update; the released code of
the paper's figures drew the same ones again, a known fault. IQL is the suite's own: its networks have no layer norm and
its actor's rate decays. Of planning there is `midpoint` alone; zero-shot rewards by successor features are not here.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.algorithms.offline import iql
from jaxrl.compose.learn import Learned, Part, learn
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Env, Phase, Policy, Spec
from jaxrl.data import goals as tasks
from jaxrl.networks.basic import Network, ensemble, mlp
from jaxrl.sources.goals import goals


@hyper
class Hyper(iql.Hyper):
    """Numbers of HILP. feature_expectile: of the goals' values; expectile: of the directions'."""

    feature_lr: float = 3e-4
    feature_expectile: float = 0.95
    expectile: float = 0.9
    inverse_temperature: float = 10.0


class State(NamedTuple):
    """The features, part "feature", and IQL of the directions."""

    features: Learned
    skills: Learned


def distance(a, b):
    """Euclidean distance on the last axis, at least 1e-3 so that it has a gradient."""
    return jnp.sqrt(jnp.maximum(jnp.square(a - b).sum(-1), 1e-6))


def halves(obs):
    """(state, goal) of observations [..., 2 D]."""
    return jnp.split(obs, 2, -1)


def toward(here, goal):
    """The unit vector from here to a goal, [..., d]."""
    return (goal - here) / distance(here, goal)[..., None]


def midpoint(here, goal, states):
    """Index of the state [N, d] that halves the way: its larger distance to both ends is smallest (section 5.3)."""
    return jnp.maximum(distance(states, here[None]), distance(states, goal[None])).argmin()


def features(phi: Network):
    """(init, update) of the features: goals' values by expectiles of one-step targets (eq. 5)."""

    def value(params, obs):
        state, goal = halves(obs)
        return -distance(phi.apply(params, state), phi.apply(params, goal))

    def loss(params, state, hyper, batch, key):
        ahead, here = (value(state.target["feature"], obs) for obs in (batch.next_obs, batch.obs))
        going = hyper.discount * (1 - batch.terminated)
        gap = batch.reward + going * ahead.min(0) - here.mean(0)
        side = jnp.where(gap < 0, 1 - hyper.feature_expectile, hyper.feature_expectile)
        target = batch.reward[None] + going[None] * ahead
        now = value(params, batch.obs)
        return (side[None] * jnp.square(target - now)).sum(0), {"value": now.mean()}

    return learn({"feature": Part(phi.init, loss, lambda h, n: h.feature_lr, lambda h: h.polyak)})


def learner(spec: Spec, *, width: int = 512, depth: int = 3, size: int = 32) -> Algorithm:
    """Twin features of `size` numbers and IQL on [state, direction]; learns from `sources.goals`."""
    phi = ensemble(mlp(spec.obs // 2, (width,) * depth, size, norm=True, activation=jax.nn.gelu), 2)
    skills = iql.iql(spec._replace(obs=spec.obs // 2 + size), width=width, depth=depth)
    init_features, update_features = features(phi)

    def init(key, hyper):
        k_features, k_skills = jax.random.split(key)
        return State(init_features(k_features, hyper), skills.init(k_skills, hyper))

    def first(state, obs):
        return phi.apply(state.features.params["feature"], obs)[0]

    def update(key, hyper, state, batch):
        k_features, k_draw, k_skills = jax.random.split(key, 3)
        learned, metrics = update_features(k_features, hyper, state.features, batch)
        state = state._replace(features=learned)
        here, ahead = halves(batch.obs)[0], halves(batch.next_obs)[0]
        direction = jax.random.normal(k_draw, (*batch.reward.shape, size))
        direction /= jnp.linalg.norm(direction, axis=-1, keepdims=True)
        reward = ((first(state, ahead) - first(state, here)) * direction).sum(-1)
        beside = lambda obs: jnp.concatenate([obs, direction], -1)
        told = {"obs": beside(here), "next_obs": beside(ahead), "terminated": jnp.zeros_like(batch.terminated)}
        moved, more = skills.update(k_skills, hyper, state.skills, batch._replace(reward=reward, **told))
        return State(learned, moved), {**metrics, **more}

    def policy(hyper, state):
        inner = skills.policy(hyper, state.skills)

        def act(key, timestep, memory):
            here, goal = halves(timestep.obs)
            direction = toward(first(state, here), first(state, goal))
            return inner.act(key, timestep._replace(obs=jnp.concatenate([here, direction], -1)), memory)

        return Policy(inner.start, act)

    return Algorithm(init, update, policy, policy)


def hilp(
    env: Env, batch: int, *, width: int = 512, depth: int = 3, size: int = 32,
    future: float = 0.625, ahead: float = 0.99,
) -> tuple[Phase]:  # fmt: skip
    """One phase: features and policies together. future: share of goals from later in the episode, the others are
    any states; ahead: discount of their geometric draw."""
    source = lambda given, stock: goals(given.dataset, batch, future=future, discount=ahead)
    return (Phase("hilp", learner(env.spec, width=width, depth=depth, size=size), source),)


PAPER = Paper(
    "arXiv:2402.15567",
    "Foundation Policies with Hilbert Representations",
    "Seohong Park and Tobias Kreiman and Sergey Levine",
    2024,
)
CARD = Card("hilp", "plan", hilp, Hyper, PAPER, actions=("continuous", "discrete"), prepare=tasks.asked, batch=1024)
