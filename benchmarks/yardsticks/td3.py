"""TD3 on Pendulum in one file of plain JAX: what a composed one is measured against. One step, one update."""

import jax
import jax.numpy as jnp

WIDTH, BATCH, CAPACITY, WARMUP = 256, 256, 1_000_000, 1_000
RATE, DISCOUNT, POLYAK, EXPLORE, SMOOTH, CLIP, HORIZON = 3e-4, 0.99, 0.005, 0.1, 0.2, 0.5, 200


def dense(key, inputs, outputs):
    return jax.random.normal(key, (inputs, outputs)) / inputs**0.5, jnp.zeros(outputs)


def layers(key, inputs, outputs):
    k1, k2, k3 = jax.random.split(key, 3)
    return [dense(k1, inputs, WIDTH), dense(k2, WIDTH, WIDTH), dense(k3, WIDTH, outputs)]


def forward(net, x):
    for w, b in net[:-1]:
        x = jax.nn.relu(x @ w + b)
    return x @ net[-1][0] + net[-1][1]


def pi(net, obs):
    return jnp.tanh(forward(net, obs))


def q(nets, obs, action):
    return jax.vmap(lambda net: forward(net, jnp.concatenate([obs, action], -1))[:, 0])(nets)


def zeros(tree):
    return jax.tree.map(jnp.zeros_like, tree)


def adam(net, grads, moments):
    m, v, n = moments
    n = n + 1
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
    c, d = 1 - 0.9**n, 1 - 0.999**n
    return jax.tree.map(lambda p, a, b: p - RATE * (a / c) / (jnp.sqrt(b / d) + 1e-8), net, m, v), (m, v, n)


def follow(slow, fast):
    return jax.tree.map(lambda s, f: (1 - POLYAK) * s + POLYAK * f, slow, fast)


def fresh(actor, critic):
    begin = lambda net: (zeros(net), zeros(net), 0)
    return {"a": actor, "c": critic, "ta": actor, "tc": critic, "ma": begin(actor), "mc": begin(critic)}


def critic_update(nets, batch, key):
    obs, action, reward, after, terminated = batch
    noise = jnp.clip(SMOOTH * jax.random.normal(key, action.shape), -CLIP, CLIP)
    ahead = jnp.clip(pi(nets["ta"], after) + noise, -1, 1)
    target = reward + DISCOUNT * (1 - terminated) * q(nets["tc"], after, ahead).min(0)
    loss = lambda c: ((q(c, obs, action) - target) ** 2).sum(0).mean()
    c, mc = adam(nets["c"], jax.grad(loss)(nets["c"]), nets["mc"])
    return {**nets, "c": c, "mc": mc}


def actor_update(nets, batch):
    first = jax.tree.map(lambda x: x[:1], nets["c"])
    loss = lambda a: -q(first, batch[0], pi(a, batch[0]))[0].mean()
    a, ma = adam(nets["a"], jax.grad(loss)(nets["a"]), nets["ma"])
    return {**nets, "a": a, "ma": ma, "ta": follow(nets["ta"], a), "tc": follow(nets["tc"], nets["c"])}


def observe(world):
    return jnp.stack([jnp.cos(world[0]), jnp.sin(world[0]), world[1]])


def reset(key):
    return jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0) * jnp.array([jnp.pi, 1.0])


def swing(world, action):
    angle, speed = world
    torque = 2 * action[0]
    wrapped = (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
    reward = -(wrapped**2 + 0.1 * speed**2 + 0.001 * torque**2)
    speed = jnp.clip(speed + (15 * jnp.sin(angle) + 3 * torque) * 0.05, -8, 8)
    return jnp.stack([angle + speed * 0.05, speed]), reward


def walk(key, world, time, memory, count, action):
    obs = observe(world)
    world, reward = swing(world, action)
    row = obs, action, reward, observe(world), jnp.float32(0)
    write = lambda _, memory: [rows.at[count % CAPACITY].set(x) for rows, x in zip(memory, row, strict=True)]
    memory = jax.lax.fori_loop(0, 2, write, memory)  # twice, in a loop: else all of it is copied each step
    time = (time + 1) % HORIZON
    return jnp.where(time == 0, reset(key), world), time, memory, count + 1


def begin(key):
    k1, k2, k3, k4 = jax.random.split(key, 4)
    critic = jax.vmap(lambda k: layers(k, 4, 1))(jax.random.split(k2, 2))
    memory = [jnp.zeros((CAPACITY, *shape)) for shape in ((3,), (1,), (), (3,), ())]

    def random(i, carry):
        k_action, k_reset = jax.random.split(jax.random.fold_in(k4, i))
        return walk(k_reset, *carry, jax.random.uniform(k_action, (1,), minval=-1.0, maxval=1.0))

    place = jax.lax.fori_loop(0, WARMUP, random, (reset(k3), 0, memory, 0))
    return fresh(layers(k1, 3, 1), critic), place, 0


def run(key, start, updates):
    """(start, steps) -> the same and nothing; one environment step and one update at a time."""

    def step(_, carry):
        nets, place, n = carry
        k_explore, k_reset, k_draw, k_noise = jax.random.split(jax.random.fold_in(key, n), 4)
        action = pi(nets["a"], observe(place[0])[None])[0] + EXPLORE * jax.random.normal(k_explore, (1,))
        place = walk(k_reset, *place, jnp.clip(action, -1, 1))
        index = jax.random.randint(k_draw, (BATCH,), 0, jnp.minimum(place[3], CAPACITY))
        batch = [rows[index] for rows in place[2]]
        nets = critic_update(nets, batch, k_noise)
        nets = jax.lax.cond(n % 2 == 1, lambda nets: actor_update(nets, batch), lambda nets: nets, nets)
        return nets, place, n + 1

    return jax.lax.fori_loop(0, updates, step, start), None
