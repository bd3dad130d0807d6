"""IQL's values alone: what the data's better actions are worth, without a policy."""

import jax.numpy as jnp

from jaxrl.compose.learn import Part, learn
from jaxrl.core.types import Learner
from jaxrl.losses.value import expectile, td_target
from jaxrl.networks.basic import Network


def implicit_values(q: Network, v: Network) -> Learner:
    """Twin Q and a V that is an expectile of them (IQL, arXiv:2110.06169, eqs. 5 and 6); parts "value" and "critic".

    q: (obs, action) -> [E, B]. v: obs -> [B]. Needs `discount polyak expectile value_lr` in the record.
    """

    def value_loss(params, state, hyper, batch, key):
        gap = q.apply(state.target["critic"], batch.obs, batch.action).min(0) - v.apply(params, batch.obs)
        return expectile(gap, hyper.expectile), {}

    def critic_loss(params, state, hyper, batch, key):
        ahead = v.apply(state.params["value"], batch.next_obs)
        target = td_target(batch.reward, hyper.discount, batch.terminated, ahead)
        logged = q.apply(params, batch.obs, batch.action)
        return jnp.square(logged - target[None]).sum(0), {"q": logged.mean()}

    rate = lambda h, n: h.value_lr
    value, critic = Part(v.init, value_loss, rate), Part(q.init, critic_loss, rate, lambda h: h.polyak)
    return Learner(*learn({"value": value, "critic": critic}))
