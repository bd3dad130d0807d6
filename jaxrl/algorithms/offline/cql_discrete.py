"""CQL for discrete actions: double Q-learning with a conservative penalty (arXiv:2006.04779, section 5.2 and eq. 4).

Departures: scalar values where the paper's Atari agent learns quantiles; a Polyak target where it copies at intervals.
"""

import jax
import jax.numpy as jnp

from jaxrl.algorithms.offline import cql
from jaxrl.compose.learn import Part, learn
from jaxrl.core.card import Card
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec, reactive
from jaxrl.data import prepare
from jaxrl.losses.value import td_target
from jaxrl.networks import critics as values


@hyper
class Hyper:
    """Numbers of discrete CQL. conservatism: alpha of the paper."""

    discount: float = 0.99
    critic_lr: float = 3e-4
    polyak: float = 0.005
    conservatism: float = 1.0
    explore_rate: float = 0.05


def pick(table, action):
    """Entries table[..., action]; [E, B, A], [B] -> [E, B]."""
    index = jnp.broadcast_to(action, table.shape[:-1])[..., None]
    return jnp.take_along_axis(table, index, -1)[..., 0]


def cql_discrete(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2) -> Algorithm:
    """A table-valued ensemble; the policy is greedy in its mean."""
    q = values.q_table(spec, width=width, depth=depth, members=critics)

    def greedy(params, obs):
        return q.apply(params, obs).mean(0).argmax(-1).astype(jnp.int32)

    def loss(params, state, hyper, batch, key):
        ahead = pick(q.apply(state.target["critic"], batch.next_obs), greedy(params, batch.next_obs)).min(0)
        target = jax.lax.stop_gradient(td_target(batch.reward, hyper.discount, batch.terminated, ahead))
        table = q.apply(params, batch.obs)
        logged = pick(table, batch.action)
        penalty = jax.nn.logsumexp(table, axis=-1) - logged
        return (0.5 * jnp.square(logged - target[None]) + hyper.conservatism * penalty).sum(0), {"q": logged.mean()}

    init, update = learn({"critic": Part(q.init, loss, lambda h, n: h.critic_lr, lambda h: h.polyak)})

    def policy(hyper, state):
        return reactive(lambda key, obs: greedy(state.params["critic"], obs))

    def explore(hyper, state):
        def act(key, obs):
            k_coin, k_action = jax.random.split(key)
            best = greedy(state.params["critic"], obs)
            other = jax.random.randint(k_action, best.shape, 0, spec.action, jnp.int32)
            return jnp.where(jax.random.uniform(k_coin, best.shape) < hyper.explore_rate, other, best)

        return reactive(act)

    return Algorithm(init, update, policy, explore)


CARD = Card(
    "cql_discrete", "offline", cql_discrete, Hyper, cql.PAPER, actions=("discrete",), prepare=prepare.standardised
)
