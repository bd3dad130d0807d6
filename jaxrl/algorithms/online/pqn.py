"""PQN: Q-learning on fresh experience of many environments, without memory or target copy (arXiv:2407.04811).

Layer norm keeps it stable; targets are Q(lambda) over the rollout. Defaults are the released code's for CartPole, for
500,000 steps (244 updates). Departures: episodes that are cut bootstrap from their last state; weights start as Flax
starts them (LeCun's scale).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl.compose import q_terms
from jaxrl.compose.epochs import epochs
from jaxrl.compose.learn import Part, learn
from jaxrl.compose.q_learning import annealed, greedy
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.networks import critics
from jaxrl.returns import gae
from jaxrl.sources.rollouts import rollouts


@hyper
class Hyper:
    """Numbers of PQN. trace: lambda of the targets; decay_updates: updates until the step size is zero."""

    discount: float = 0.99
    trace: float = 0.95
    critic_lr: float = 1e-4
    reward_scale: float = 0.1
    gradient_clip: float = 10.0
    decay_updates: float = 244.0
    explore_from: float = 1.0
    explore_to: float = 0.2
    explore_updates: float = 49.0


class Visited(NamedTuple):
    """Steps and what their values are fitted to; leaves [B, ...]."""

    obs: Any
    action: Any
    returns: Any
    weight: Any


def pqn(spec: Spec, *, width: int = 256, depth: int = 2, passes: int = 4, minibatches: int = 16) -> Algorithm:
    """`passes` over each batch [T, N] in shuffled `minibatches`, with targets from before the first."""
    net = critics.table(spec, width=width, depth=depth, norm_first=True)
    calls = passes * minibatches

    def loss(params, state, hyper, batch, key):
        q = q_terms.pick(net.apply(params, batch.obs), batch.action)
        return 0.5 * jnp.square(q - batch.returns), {"q": q.mean()}

    def rate(hyper, count):
        return hyper.critic_lr * jnp.clip(1 - (count // calls) / hyper.decay_updates, 0.0, 1.0)

    def rule(hyper, rate):
        return optax.chain(optax.clip_by_global_norm(hyper.gradient_clip), optax.radam(rate))

    init, improve = learn({"critic": Part(net.init, loss, rate, optimiser=rule)})

    def update(key, hyper, state, batch):
        best, ahead = (net.apply(state.params["critic"], x).max(-1) for x in (batch.obs, batch.next_obs))
        over = jnp.maximum(batch.terminated, batch.truncated)
        reward = hyper.reward_scale * batch.reward
        # With the largest value as the state's, the value targets of GAE are those of Peng's Q(lambda).
        _, returns = gae(reward, best, ahead, batch.terminated, over, hyper.discount, hyper.trace)
        rows = Visited(batch.obs, batch.action, returns, batch.weight)
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
        one = lambda key, state, part: improve(key, hyper, state, part)
        return epochs(key, one, state, rows, passes=passes, minibatches=minibatches)

    def values(hyper, state, obs):
        return net.apply(state.params["critic"], obs)

    policies = greedy(spec, values, lambda hyper, state: annealed(hyper, state.step // calls))
    return Algorithm(init, update, *policies)


PAPER = Paper(
    "arXiv:2407.04811",
    "Simplifying Deep Temporal Difference Learning",
    "Matteo Gallici and Mattie Fellows and Benjamin Ellis and Bartomeu Pou and Ivan Masmitja and "
    "Jakob Nicolaus Foerster and Mario Martin",
    2025,
)
CARD = Card(
    "pqn", "online", pqn, Hyper, PAPER, actions=("discrete",), batch=0,
    collect=functools.partial(rollouts, envs=32, length=64),
)  # fmt: skip
