"""Summands of actor, backup and critic objectives. Each maps a View to [B] numbers."""

import functools

import jax
import jax.numpy as jnp

from jaxrl.losses.distance import pairwise_cosine, squared
from jaxrl.losses.policy import advantage_weight


def pessimistic(v):
    """Smallest Q of the ensemble (TD3, arXiv:1802.09477, eq. 10)."""
    return v.q.min(0)


def smallest_of(v, *, subset: int):
    """Smallest Q of `subset` members drawn for this update, all of them where there are no more (REDQ, alg. 1)."""
    members = jax.tree.leaves(v.state.params["critic"])[0].shape[0]
    if subset >= members:
        return pessimistic(v)
    return v.q_fn(v.obs, v.action, jax.random.choice(v.key, members, (subset,), replace=False)).min(0)


def maximise_q(v):
    """Minus the first critic's value (TD3)."""
    return -v.q_first


def maximise_min_q(v):
    """Minus the smallest value of the ensemble (SAC, SAC-N)."""
    return -v.q.min(0)


def maximise_mean_q(v):
    """Minus the ensemble's mean value (REDQ, arXiv:2101.05982, alg. 1)."""
    return -v.q.mean(0)


def in_units_of_size(v, q):
    """q [B] divided by its mean absolute value over the batch, which carries no gradient."""
    return q / jax.lax.stop_gradient(v.mean(jnp.abs(q)))


def maximise_scaled_q(v):
    """-Q in units of its mean size, so that cloning keeps its weight (TD3+BC, arXiv:2106.06860, eq. 5)."""
    return -v.hyper.q_scale * in_units_of_size(v, v.q_first)


def maximise_scaled_min_q(v):
    """The same with the ensemble's minimum (ReBRAC's released code)."""
    return -v.hyper.q_scale * in_units_of_size(v, v.q.min(0))


def clone(v):
    """Mean squared distance per dimension to the logged action (TD3+BC)."""
    return jnp.square(v.action - v.batch.action).mean(-1)


def clone_weighted(v):
    """Summed squared distance to the logged action, times `actor_bc` (ReBRAC, arXiv:2305.09836, eq. 3)."""
    return v.hyper.actor_bc * squared(v.action, v.batch.action)


def stay_near_next(v):
    """Penalty on backing up actions unlike the logged next one (ReBRAC, eq. 4)."""
    return -v.hyper.critic_bc * squared(v.action, v.batch.next_action)


def temperature(v):
    """The entropy weight in force, without gradient; scalar."""
    return jax.lax.stop_gradient(jnp.exp(v.state.params["temperature"]))


def entropy_bonus(v):
    """Entropy's share of the next value (SAC, arXiv:1812.05905, eq. 3)."""
    return -temperature(v) * v.log_prob


def entropy_cost(v):
    """Entropy's share of the actor's loss (SAC, eq. 9)."""
    return temperature(v) * v.log_prob


def set_entropy_bonus(v):
    """Entropy's share of the next value at a weight that is set, not learned (MDPO, arXiv:2005.09814)."""
    return -v.hyper.entropy_weight * v.log_prob


def stay_near_old(v):
    """Divergence from the actor's copy and entropy, both by one sample (off-policy MDPO, arXiv:2005.09814).

    `nearness` is 1/t_k of the paper, `entropy_weight` its lambda; where they are equal the copy does not count and
    this is SAC's entropy cost.
    """
    h = v.hyper
    return h.nearness * v.log_prob - (h.nearness - h.entropy_weight) * v.old_density(v.obs, v.action)


def imitate_advantage(v):
    """-log pi of the logged action, weighted by exp(advantage / temperature) (AWAC, arXiv:2006.09359, eq. 13).

    The advantage is over one fresh proposal, both under the online critics' minimum.
    """
    better = v.q_fn(v.obs, v.batch.action).min(0) - v.q.min(0)
    weight = advantage_weight(better, 1 / v.hyper.advantage_temperature, v.hyper.weight_clip)
    return -weight * v.density(v.obs, v.batch.action)


def diversify(v):
    """Mean cosine similarity of the members' action gradients at logged actions (EDAC, arXiv:2110.01548, eq. 6)."""
    _, pull = jax.vjp(lambda action: v.q_fn(v.batch.obs, action), v.batch.action)
    members = v.q.shape[0]
    one_hot = jnp.broadcast_to(jnp.eye(members)[:, :, None], (members, *v.q.shape))
    slopes = jax.vmap(lambda row: pull(row)[0])(one_hot)  # [E, B, A]
    return v.hyper.diversity * pairwise_cosine(slopes) / (members - 1)


def soft_maximum_gap(v, samples: int, floor=None):
    """Importance-sampled log-sum-exp of Q over actions minus Q of the logged one; [E, B] (CQL(H), arXiv:2006.04779, F).

    `samples` actions each from the uniform law, from the policy here and from the policy at the next state,
    all scored here; the policy's draws and densities carry no gradient. floor: [B], below which the policy's actions
    count no less, and are pushed down no more (Cal-QL, arXiv:2303.05479, eq. 5.1).
    """
    k_random, k_here, k_next = jax.random.split(v.key, 3)
    batch, dimensions = v.batch, v.batch.action.shape[-1]
    obs, next_obs = (jnp.broadcast_to(x, (samples, *x.shape)) for x in (batch.obs, batch.next_obs))
    random = jax.random.uniform(k_random, (samples, *batch.action.shape), minval=-1, maxval=1)
    here, log_here = jax.lax.stop_gradient(v.propose(k_here, obs))
    ahead, log_ahead = jax.lax.stop_gradient(v.propose(k_next, next_obs))
    log_uniform = jnp.full(log_here.shape, -dimensions * jnp.log(2.0))
    actions = jnp.concatenate([random, here, ahead])
    log_density = jnp.concatenate([log_uniform, log_here, log_ahead])
    values = v.q_fn(jnp.concatenate([obs] * 3), actions)
    if floor is not None:
        values = values.at[:, samples:].max(floor)
    scores = values - log_density[None]
    return jax.nn.logsumexp(scores, axis=1) - v.q


def conservative(v, *, samples: int = 10):
    """Push Q down on the policy's actions and up on the data's, by `conservatism` (CQL, eq. 4)."""
    return v.hyper.conservatism * soft_maximum_gap(v, samples).sum(0)


def multiplier_of(log_multiplier):
    """A non-negative multiplier from its logarithm, at most 1e6."""
    return jnp.minimum(jnp.exp(log_multiplier), 1e6)


def conservative_to_gap(v, *, samples: int = 10):
    """The same, weighted by a multiplier that holds the gap at `gap` (CQL with a Lagrangian, eq. 30)."""
    weight = jax.lax.stop_gradient(multiplier_of(v.state.params["multiplier"]))
    return weight * v.hyper.conservatism * (soft_maximum_gap(v, samples) - v.hyper.gap).sum(0)


def best_of(v, *, samples: int = 10):
    """Largest value over sampled next actions of the smallest Q (CQL's max-Q backup)."""
    obs = jnp.broadcast_to(v.obs, (samples, *v.obs.shape))
    action, _ = v.propose(v.key, obs)
    return v.q_fn(obs, action).min(0).max(0)


def with_samples(term, samples: int):
    """`term` with another number of sampled actions."""
    return functools.partial(term, samples=samples)


def with_subset(subset: int):
    """`smallest_of` with that many members."""
    return functools.partial(smallest_of, subset=subset)
