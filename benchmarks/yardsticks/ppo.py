"""Straight-line PPO on CartPole, in plain JAX: what the composed `ppo` is measured against. Imports nothing of ours.

The same mathematics: two tanh networks with an optimiser each (gradients clipped by their own norm, Adam with epsilon
1e-5, step sizes that fall to zero), generalised advantages that bootstrap where an episode is cut, advantages
standardised in each minibatch. Numbers are constants here, loops are of fixed length.
"""

import jax
import jax.numpy as jnp

ENVS, LENGTH, PASSES, MINIBATCHES, WIDTH = 64, 128, 4, 4, 64
DISCOUNT, TRACE, CLIP, ENTROPY, NORM, RATE, UPDATES = 0.99, 0.95, 0.2, 0.0, 0.5, 1e-3, 1e6
ROWS = ENVS * LENGTH


def layers(key, sizes, last):
    """Orthogonal weights and zero biases."""
    scales = [2**0.5] * (len(sizes) - 2) + [last]
    make = lambda i: jax.nn.initializers.orthogonal(scales[i])(jax.random.fold_in(key, i), (sizes[i], sizes[i + 1]))
    return [(make(i), jnp.zeros(sizes[i + 1])) for i in range(len(sizes) - 1)]


def net(params, x):
    for weight, bias in params[:-1]:
        x = jnp.tanh(x @ weight + bias)
    return x @ params[-1][0] + params[-1][1]


def value(params, obs):
    return net(params, obs)[..., 0]


def reset(key):
    return jax.random.uniform(key, (ENVS, 4), minval=-0.05, maxval=0.05)


def move(x, action):
    """CartPole's equations for all environments: (next states [N, 4], whether they have fallen)."""
    _, speed, angle, spin = x.T
    force = jnp.where(action == 1, 10.0, -10.0)
    push = (force + 0.05 * spin**2 * jnp.sin(angle)) / 1.1
    turn = (9.8 * jnp.sin(angle) - jnp.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * jnp.cos(angle) ** 2 / 1.1))
    rate = jnp.stack([speed, push - 0.05 * turn * jnp.cos(angle) / 1.1, spin, turn], -1)
    x = x + 0.02 * rate
    return x, (jnp.abs(x[:, 0]) > 2.4) | (jnp.abs(x[:, 2]) > 12 * 2 * jnp.pi / 360)


def rollout(key, actor, world):
    """LENGTH steps of all environments: (world, (obs, action, next_obs, terminated, truncated))."""

    def step(world, time):
        k_act, k_reset = jax.random.split(jax.random.fold_in(key, time))
        x, age = world
        action = jax.random.categorical(k_act, net(actor, x))
        after, fallen = move(x, action)
        cut = age + 1 >= 500
        over = fallen | cut
        world = jnp.where(over[:, None], reset(k_reset), after), jnp.where(over, 0, age + 1)
        return world, (x, action, after, fallen.astype(jnp.float32), cut.astype(jnp.float32))

    return jax.lax.scan(step, world, jnp.arange(LENGTH))


def prepare(actor, critic, batch):
    """Rows (obs, action, log_prob, advantage, returns) of a batch, in order of time."""
    obs, action, after, terminated, truncated = batch
    now, ahead = value(critic, obs), value(critic, after)
    over = jnp.maximum(terminated, truncated)
    error = 1.0 + DISCOUNT * (1 - terminated) * ahead - now

    def back(advantage, step):
        error, over = step
        advantage = error + DISCOUNT * TRACE * (1 - over) * advantage
        return advantage, advantage

    advantage = jax.lax.scan(back, jnp.zeros(ENVS), (error, over), reverse=True)[1]
    log_prob = chosen(jax.nn.log_softmax(net(actor, obs)), action)
    rows = obs, action, log_prob, advantage, advantage + now
    return jax.tree.map(lambda x: x.reshape(ROWS, *x.shape[2:]), rows)


def chosen(logits, action):
    return jnp.take_along_axis(logits, action[..., None], -1)[..., 0]


def actor_loss(actor, rows):
    obs, action, before, advantage, _ = rows
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    logits = jax.nn.log_softmax(net(actor, obs))
    ratio = jnp.exp(chosen(logits, action) - before)
    gain = jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage)
    entropy = -(jnp.exp(logits) * logits).sum(-1)
    return -(gain + ENTROPY * entropy).mean()


def critic_loss(critic, rows):
    return 0.5 * jnp.square(value(critic, rows[0]) - rows[4]).mean()


def adam(params, moments, grads, count):
    """One step of Adam after clipping by the global norm."""
    norm = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(grads)))
    grads = jax.tree.map(lambda g: g * jnp.minimum(1.0, NORM / norm), grads)
    rate = RATE * (1 - (count // (PASSES * MINIBATCHES)) / UPDATES)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], grads)
    second = jax.tree.map(lambda m, g: 0.999 * m + 0.001 * jnp.square(g), moments[1], grads)
    c1, c2 = 1 - 0.9 ** (count + 1), 1 - 0.999 ** (count + 1)
    step = lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-5)
    return jax.tree.map(step, params, first, second), (first, second)


def improve(nets, rows):
    """One step of both networks on a minibatch: (nets, losses)."""
    actor, critic, actor_moments, critic_moments, count = nets
    loss, grads = jax.value_and_grad(actor_loss)(actor, rows)
    actor, actor_moments = adam(actor, actor_moments, grads, count)
    fit, grads = jax.value_and_grad(critic_loss)(critic, rows)
    critic, critic_moments = adam(critic, critic_moments, grads, count)
    return (actor, critic, actor_moments, critic_moments, count + 1), (loss, fit)


def learn(key, nets, batch, minibatches=MINIBATCHES):
    """PASSES over a batch: (nets, mean losses)."""
    rows = prepare(nets[0], nets[1], batch)

    def one(nets, index):
        order = shuffled(jax.random.fold_in(key, index)).reshape(minibatches, -1)
        pick = lambda x, part: x.at[part].get(mode="promise_in_bounds")
        return jax.lax.scan(lambda nets, part: improve(nets, jax.tree.map(lambda x: pick(x, part), rows)), nets, order)

    nets, losses = jax.lax.scan(one, nets, jnp.arange(PASSES))
    return nets, jax.tree.map(jnp.mean, losses)


def shuffled(key):
    """A random order of the rows, by a sort of words whose high bits are random and whose low bits are the row."""
    low = ROWS.bit_length() - 1
    words = (jax.random.bits(key, (ROWS,)) >> low << low) | jnp.arange(ROWS, dtype=jnp.uint32)
    return (jnp.sort(words) & (ROWS - 1)).astype(jnp.int32)


def fresh(actor, critic):
    """Networks with optimisers that have seen nothing."""
    moments = lambda params: (jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params))
    return actor, critic, moments(actor), moments(critic), jnp.zeros((), jnp.int32)


def begin(key):
    """(nets, world) at the start."""
    k_actor, k_critic, k_world = jax.random.split(key, 3)
    actor, critic = layers(k_actor, (4, WIDTH, WIDTH, 2), 0.01), layers(k_critic, (4, WIDTH, WIDTH, 1), 1.0)
    return fresh(actor, critic), (reset(k_world), jnp.zeros(ENVS, jnp.int32))


def run(key, start, updates):
    """`updates` times (rollout, learn) from (nets, world)."""

    def update(start, index):
        k_rollout, k_learn = jax.random.split(jax.random.fold_in(key, index))
        nets, world = start
        world, batch = rollout(k_rollout, nets[0], world)
        nets, losses = learn(k_learn, nets, batch)
        return (nets, world), losses

    return jax.lax.scan(update, start, jnp.arange(updates))
