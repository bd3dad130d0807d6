"""Rollouts of a soft policy in a model ensemble in one file of plain JAX: what the composed ones are measured against.

Hopper's observations and endings, MOPO's penalised reward (arXiv:2005.13239).
"""

import jax
import jax.numpy as jnp

ELITES, PENALTY = 5, 0.5


def forward(net, x, activation):
    for w, b in net[:-1]:
        x = activation(x @ w + b)
    return x @ net[-1][0] + net[-1][1]


def act(net, key, obs):
    mean, log_std = jnp.split(forward(net, obs, jax.nn.relu), 2, -1)
    return jnp.tanh(mean + jnp.exp(jnp.clip(log_std, -5, 2)) * jax.random.normal(key, mean.shape))


def gaussians(nets, low, high, x):
    mean, spread = jnp.split(jax.vmap(lambda net: forward(net, x, jax.nn.silu))(nets), 2, -1)
    spread = high - jax.nn.softplus(high - spread)
    return mean, low + jax.nn.softplus(spread - low)


def fallen(obs):
    bounded = (jnp.abs(obs[:, 1:]) < 100).all(-1)
    return ~(bounded & (obs[:, 0] > 0.7) & (obs[:, 0] < jnp.inf) & (jnp.abs(obs[:, 1]) < 0.2))


def rollout(key, actor, model, obs, horizon):
    """Penalised steps (obs, action, reward, next_obs, terminated, alive), [T, N, ...] each."""
    nets, low, high, errors, centre, scale = model
    elites, rows = jnp.argsort(errors)[:ELITES], jnp.arange(len(obs))

    def step(carry, time):
        obs, alive = carry
        k_act, k_step = jax.random.split(jax.random.fold_in(key, time))
        action = act(actor, jax.random.split(k_act)[0], obs)
        mean, spread = gaussians(nets, low, high, (jnp.concatenate([obs, action], -1) - centre) / scale)
        k_member, k_noise = jax.random.split(k_step)
        member = elites[jax.random.randint(k_member, rows.shape, 0, ELITES)]
        std = jnp.exp(0.5 * spread)
        drawn = mean[member, rows] + std[member, rows] * jax.random.normal(k_noise, mean.shape[1:])
        after = obs + drawn[:, :-1]
        reward = drawn[:, -1] - PENALTY * jnp.sqrt((std**2).sum(-1)).max(0)
        ended = fallen(after).astype(jnp.float32)
        going = alive * (1 - ended)
        return (jnp.where(going[:, None] > 0, after, obs), going), (obs, action, reward, after, ended, alive)

    return jax.lax.scan(step, (obs, jnp.ones(len(obs))), jnp.arange(horizon))[1]
