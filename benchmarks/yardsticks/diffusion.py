"""A diffusion model of rows in one file of plain JAX: what the composed one is measured against (EDM, SynthER)."""

import jax
import jax.numpy as jnp

WIDTH, BLOCKS, EMBEDDING, WAVES, BATCH, LEVELS = 256, 6, 128, 8, 256, 32
RATE, TOTAL, AVERAGE, EVERY = 3e-4, 100_000, 0.005, 10
CHURN, LOW, HIGH, INFLATION = 80.0, 0.05, 50.0, 1.003


def dense(key, inputs, outputs):
    return jax.random.normal(key, (inputs, outputs)) / inputs**0.5, jnp.zeros(outputs)


def network(key, columns):
    keys = jax.random.split(key, 6 + BLOCKS)
    layers = {
        "time": [dense(keys[0], 2 * WAVES + 1, EMBEDDING), dense(keys[1], EMBEDDING, EMBEDDING)],
        "in": dense(keys[2], columns, EMBEDDING),
        "wide": dense(keys[3], EMBEDDING, WIDTH),
        "blocks": [dense(k, WIDTH, WIDTH) for k in keys[6:]],
        "out": dense(keys[4], WIDTH, columns),
    }
    return layers, jax.random.normal(keys[5], (WAVES,))


def line(layer, x):
    return x @ layer[0] + layer[1]


def forward(net, waves, x, level):
    angle = 2 * jnp.pi * level[:, None] * waves[None]
    level = jnp.concatenate([level[:, None], jnp.sin(angle), jnp.cos(angle)], -1)
    time = line(net["time"][1], jax.nn.silu(line(net["time"][0], level)))
    h = line(net["wide"], line(net["in"], x) + time)
    for layer in net["blocks"]:
        h = h + line(layer, jax.nn.relu(h))
    return line(net["out"], jax.nn.relu(h))


def denoise(net, waves, x, sigma):
    s = sigma[:, None]
    root = jnp.sqrt(s**2 + 1)
    return x / root**2 + s / root * forward(net, waves, x / root, jnp.log(sigma) / 4)


def loss(net, waves, key, x):
    k_level, k_noise = jax.random.split(key)
    sigma = jnp.exp(-1.2 + 1.2 * jax.random.normal(k_level, x.shape[:1]))
    noisy = x + sigma[:, None] * jax.random.normal(k_noise, x.shape)
    error = ((denoise(net, waves, noisy, sigma) - x) ** 2).mean(-1)
    return ((sigma**2 + 1) / sigma**2 * error).mean()


def adam(net, grads, moments, n):
    m, v = moments
    norm = jnp.sqrt(sum((g**2).sum() for g in jax.tree.leaves(grads)))
    grads = jax.tree.map(lambda g: g / jnp.maximum(norm, 1.0), grads)
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.99 * a + 0.01 * g * g, v, grads)
    rate = RATE * (1 + jnp.cos(jnp.pi * n / TOTAL)) / 2
    c, d = 1 - 0.9 ** (n + 1), 1 - 0.99 ** (n + 1)
    return jax.tree.map(lambda p, a, b: p - rate * (a / c) / (jnp.sqrt(b / d) + 1e-8), net, m, v), (m, v)


def fresh(net, waves):
    zero = jax.tree.map(jnp.zeros_like, net)
    return net, waves, net, (zero, zero), 0


def learn(state, key, x):
    net, waves, slow, moments, n = state
    net, moments = adam(net, jax.grad(loss)(net, waves, key, x), moments, n)
    n = n + 1
    far = jnp.maximum((n // EVERY + 0.0) ** (-2 / 3), AVERAGE)
    move = lambda slow: jax.tree.map(lambda s, f: s + far * (f - s), slow, net)
    return net, waves, jax.lax.cond(n % EVERY == 0, move, lambda slow: slow, slow), moments, n


def run(key, state, rows, updates):
    def step(_, state):
        k_batch, k_loss = jax.random.split(jax.random.fold_in(key, state[-1]))
        return learn(state, k_loss, rows[jax.random.randint(k_batch, (BATCH,), 0, rows.shape[0])])

    return jax.lax.fori_loop(0, updates, step, state)


def sample(net, waves, key, count, columns):
    levels = jnp.append((80 ** (1 / 7) + jnp.linspace(0, 1, LEVELS) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7, 0.0)
    rises = jnp.where((levels >= LOW) & (levels <= HIGH), min(CHURN / LEVELS, 2**0.5 - 1), 0.0)
    k_start, k_churn = jax.random.split(key)
    slope = lambda x, s: (x - denoise(net, waves, x, jnp.full(count, s))) / s

    def raised(i, x):
        fresh = INFLATION * levels[i] * jnp.sqrt(rises[i] * (2 + rises[i]))
        return x + fresh * jax.random.normal(jax.random.fold_in(k_churn, i), x.shape), levels[i] * (1 + rises[i])

    def step(i, x):
        x, s = raised(i, x)
        first = slope(x, s)
        second = slope(x + (levels[i + 1] - s) * first, levels[i + 1])
        return x + (levels[i + 1] - s) * (first + second) / 2

    x = jax.lax.fori_loop(0, LEVELS - 1, step, 80 * jax.random.normal(k_start, (count, columns)))
    x, s = raised(LEVELS - 1, x)
    return x - s * slope(x, s)


def fill(net, waves, key, count, chunk, columns):
    def piece(i, rows):
        made = sample(net, waves, jax.random.fold_in(key, i), chunk, columns)
        return jax.lax.dynamic_update_slice_in_dim(rows, made, i * chunk, 0)

    return jax.lax.fori_loop(0, count // chunk, piece, jnp.zeros((count, columns)))
