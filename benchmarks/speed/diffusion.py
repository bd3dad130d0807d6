"""Training and sampling of the row generator against a straight-line yardstick, in one process.

    python -m benchmarks.speed.diffusion [--updates 20] [--rows 1000] [--repeats 10]

The yardstick is `benchmarks/yardsticks/diffusion.py`: blocks of 256, batches of 256, 32 levels. Both sides are compiled
whole and take turns; the best of the repeats counts. Ours draws whole steps and scales them, the yardstick rows that
are scaled already. `difference` is the largest relative one from the same parameters and noise.
"""

import argparse
import functools
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks.speed.updates import best_seconds
from jaxrl.algorithms.generative import synther
from jaxrl.compose import generator
from jaxrl.compose.learn import part_key
from jaxrl.core.types import Dataset, Spec, Transition
from jaxrl.data import rows, samplers
from jaxrl.sources.logged import logged
from jaxrl.train.fit import advance, begin

SPEC = Spec("made up", 11, 3, 1000, False, (-1.0,) * 3, (1.0,) * 3)
COLUMNS = rows.columns(SPEC)
STEPS = 100_000


def yardstick():
    """The straight-line module."""
    path = Path(__file__).resolve().parents[1] / "yardsticks" / "diffusion.py"
    spec = importlib.util.spec_from_file_location("yardstick_diffusion", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dataset(count: int = STEPS) -> Dataset:
    """Random steps."""
    keys = jax.random.split(jax.random.key(0), 4)
    obs, after = (jax.random.normal(key, (count, SPEC.obs)) for key in keys[:2])
    action, reward = jnp.tanh(jax.random.normal(keys[2], (count, SPEC.action))), jax.random.normal(keys[3], (count,))
    flag = (jnp.arange(count) % 100 == 99).astype(jnp.float32)
    steps = Transition(obs, action, reward, after, action, flag, 0 * flag, jnp.ones(count))
    return Dataset(steps, jnp.full((count,), count - 1, jnp.int32))


def straight(params, module):
    """Parameters of our network as the yardstick has them: (layers, waves)."""
    layer = lambda i: (params[f"Dense_{i}"]["kernel"], params[f"Dense_{i}"]["bias"])
    count = module.BLOCKS
    # Flax numbers layers in the order in which they are made: the outer one of the time's two comes first.
    net = {"time": [layer(1), layer(0)], "in": layer(3), "wide": layer(2), "out": layer(4 + count)}
    return {**net, "blocks": [layer(4 + i) for i in range(count)]}, params["Fourier_0"]["frequency"]


def learner(module):
    """Our generator at the yardstick's sizes."""
    sizes = {"width": module.WIDTH, "blocks": module.BLOCKS, "levels": module.LEVELS}
    return synther.model(SPEC, updates=module.TOTAL, **sizes)


def training(module, data, updates: int):
    """(ours, theirs): calls that make so many updates."""

    def source(data, codec):
        return logged(data, rows.encoded(codec, samplers.uniform(module.BATCH)))

    ours, hyper, key = learner(module), synther.Hyper(), jax.random.key(1)
    codec = rows.whitening(data.steps)
    held = {"ours": jax.jit(lambda data, codec: begin(key, ours, hyper, source(data, codec)))(data, codec)}

    @functools.partial(jax.jit, donate_argnums=0)
    def learn(progress, data, codec):
        return advance(key, ours, hyper, source(data, codec), progress, updates)[0]

    matrix = rows.encode(codec, data.steps)
    held["theirs"] = module.fresh(*module.network(jax.random.key(2), COLUMNS))
    run = jax.jit(lambda state, matrix: module.run(jax.random.key(3), state, matrix, updates), donate_argnums=0)
    held["theirs"] = jax.tree.map(jnp.array, held["theirs"])

    def go_ours():
        held["ours"] = jax.block_until_ready(learn(held["ours"], data, codec))

    def go_theirs():
        held["theirs"] = jax.block_until_ready(run(held["theirs"], matrix))

    return {"ours": go_ours, "theirs": go_theirs}


def sampling(module, count: int, chunk: int):
    """(ours, theirs): calls that make so many rows, chunk by chunk."""
    ours, hyper = learner(module), synther.Hyper()
    state = jax.jit(ours.init)(jax.random.key(4), hyper)
    parameters = straight(state.target[generator.PART], module)

    @jax.jit
    def fill(key, state):
        one = lambda key, many: ours.sample(key, hyper, state, many)
        return generator.in_chunks(one, key, (COLUMNS,), count, chunk)

    theirs = jax.jit(lambda key, parameters: module.fill(*parameters, key, count, chunk, COLUMNS))
    key = jax.random.key(5)
    return {
        "ours": lambda: jax.block_until_ready(fill(key, state)),
        "theirs": lambda: jax.block_until_ready(theirs(key, parameters)),
    }


def relative(a, b) -> float:
    """Largest difference of two trees' leaves, relative to each leaf's largest value; a bias may be near zero."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(jnp.abs(x - y).max() / jnp.maximum(jnp.abs(y).max(), 1e-3)) for x, y in pairs)


def made_difference(module, count: int = 100, chunk: int = 50) -> float:
    """Of rows that both make from the same parameters and keys."""
    race = sampling(module, count, chunk)
    return relative(race["ours"](), race["theirs"]())


def learned_difference(module, data, updates: int = 10) -> float:
    """Of parameters and their average after updates from the same start on the same batches and noise."""
    ours, hyper = learner(module), synther.Hyper()
    state = jax.jit(ours.init)(jax.random.key(6), hyper)
    theirs = module.fresh(*straight(state.params[generator.PART], module))
    update, learn = jax.jit(ours.update), jax.jit(module.learn)
    draw = rows.encoded(rows.whitening(data.steps), samplers.uniform(module.BATCH))
    for i in range(updates):
        key, batch = jax.random.key(i), draw(jax.random.key(100 + i), data)
        state, _ = update(key, hyper, state, batch)
        theirs = learn(theirs, part_key(key, (generator.PART,), generator.PART), batch.extras["row"])
    pair = straight(state.params[generator.PART], module)[0], straight(state.target[generator.PART], module)[0]
    return relative(pair, (theirs[0], theirs[2]))


def line(name: str, calls, amount: int, difference: float, repeats: int) -> str:
    """One row: amounts per second of both, their ratio, the difference."""
    seconds = best_seconds(calls, repeats)
    rate = {side: amount / spent for side, spent in seconds.items()}
    ratio = rate["ours"] / rate["theirs"]
    return f"{name:<20} {rate['ours']:>9.0f} {rate['theirs']:>9.0f} {ratio:>6.2f} x {difference:>10.0e}"


def main() -> None:
    """Read the arguments, print two rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    module, data = yardstick(), dataset()
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}; per second")
    print(f"{'':<20} {'ours':>9} {'yardstick':>9} {'ratio':>8} {'difference':>10}")
    show = functools.partial(print, flush=True)
    race = training(module, data, arguments.updates)
    show(line("updates", race, arguments.updates, learned_difference(module, data), arguments.repeats))
    race = sampling(module, arguments.rows, min(1_000, arguments.rows))
    show(line("sampled rows", race, arguments.rows, made_difference(module), arguments.repeats))


if __name__ == "__main__":
    main()
