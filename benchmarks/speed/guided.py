"""Seconds per 1,000 guided trajectories, and the composed sampler against a straight-line yardstick, in one process.

    python -m benchmarks.speed.guided [--width 64] [--levels 32] [--made 256] [--repeats 3] [--full]

The yardstick is benchmarks/yardsticks/guided.py: the released rule for a normal actor. Both make the same windows from
the same key; their largest difference is printed. Times are the best of several interleaved repeats. --full: the
paper's size (width 1,024, three blocks, windows of 32, 256 levels), meant for an accelerator.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.speed.updates import best_seconds
from benchmarks.yardsticks import guided as yardstick
from jaxrl.algorithms.generative.pgd import Hyper
from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose import guidance, guided
from jaxrl.core.types import Scaler, Spec, Transition
from jaxrl.networks import temporal

SPEC = Spec("made up", 17, 6, 1000, False, (-1.0,) * 6, (1.0,) * 6)
COLUMNS = SPEC.obs + SPEC.action + 2
FULL = {"width": 1024, "blocks": 3, "window": 32, "levels": 256, "made": 1024, "chunk": 256}


def samplers(width: int, blocks: int, window: int, levels: int, made: int, chunk: int):
    """{name: compiled call} of the released rule by us and by the yardstick, our consistent rule and no guidance."""
    network = temporal.temporal_unet(COLUMNS, width=width, blocks=blocks)
    model = guided.model(network, window, COLUMNS, updates=1, levels=levels)
    params = jax.jit(network.init)(jax.random.key(0))
    agent = guidance.around(td3_bc.td3_bc(SPEC), lambda hyper: hyper.policy_std)
    hyper = Hyper()
    state = jax.jit(agent.init)(jax.random.key(1), hyper)
    scaler = Scaler(jnp.full(COLUMNS, 0.1), jnp.full(COLUMNS, 0.8))
    layers = state.params["actor"]
    actor = [(layers[f"Dense_{i}"]["kernel"], layers[f"Dense_{i}"]["bias"]) for i in range(len(layers))]

    def ours(rule, key, params, state):
        policy = agent.explore(hyper, state) if rule else None
        return guided.made(key, hyper, model, params, scaler, SPEC, policy, rule or guided.Rule(), made, chunk)

    def theirs(key, params, actor):
        sizes = chunk, window, SPEC.obs, SPEC.action, width, blocks, levels, hyper.guidance, hyper.guidance_cosine
        one = lambda i: yardstick.sample(jax.random.fold_in(key, i), params, actor, scaler.mean, scaler.std, *sizes)
        return jax.lax.map(one, jnp.arange(made // chunk)).reshape(made, window, COLUMNS)

    rules = {"released": guided.Rule(consistent=False), "consistent": guided.Rule(), "unguided": None}
    key = jax.random.key(2)
    calls = {
        name: jax.jit(lambda key, params, state, rule=rule: ours(rule, key, params, state)).lower(key, params, state)
        for name, rule in rules.items()
    }
    compiled = {name: (one.compile(), (key, params, state)) for name, one in calls.items()}
    compiled["yardstick"] = jax.jit(theirs).lower(key, params, actor).compile(), (key, params, actor)
    return {
        name: (lambda one=one, given=given: jax.block_until_ready(one(*given)))
        for name, (one, given) in compiled.items()
    }


def training(convolution, updates: int = 20):
    """Call of `updates` updates of a U-Net of 32 inside a loop, which is compiled with that convolution."""
    window, columns, batch = 16, 10, 32
    network = temporal.temporal_unet(columns, width=32, blocks=2)
    learner, hyper = guided.model(network, window, columns, updates=4_000, levels=16).learner, Hyper()
    rows = jax.random.normal(jax.random.key(1), (batch, window, columns))
    drawn = Transition(*[jnp.zeros(batch)] * 8, {"window": rows})
    one = lambda key: lambda i, state: learner.update(jax.random.fold_in(key, i), hyper, state, drawn)[0]
    run = jax.jit(lambda key, state: jax.lax.fori_loop(0, updates, one(key), state))
    key, state = jax.random.key(2), jax.jit(learner.init)(jax.random.key(0), hyper)
    ours, temporal.convolved = temporal.convolved, convolution
    try:
        compiled = run.lower(key, state).compile()
    finally:
        temporal.convolved = ours
    return lambda: jax.block_until_ready(compiled(key, state))


def main() -> None:
    """Read the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {"width": 64, "blocks": 2, "window": 16, "levels": 32, "made": 256, "chunk": 128}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    sizes = FULL if arguments.full else {name: getattr(arguments, name) for name in FULL}
    calls = samplers(**sizes)
    a, b = np.asarray(calls["released"]()), np.asarray(calls["yardstick"]())
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}; {sizes}")
    print(f"largest difference from the yardstick's windows: {np.abs(a - b).max():.1e}, of {np.abs(b).max():.1f}")
    seconds = best_seconds(calls, arguments.repeats)
    for name, spent in seconds.items():
        print(f"{name:<10} {1000 * spent / sizes['made']:>9.2f} s per 1,000 trajectories")
    print(f"released rule: {seconds['yardstick'] / seconds['released']:.2f} x yardstick")
    sides = {"ours": temporal.convolved, "XLA's own": temporal.library.fun}
    loops = best_seconds({name: training(one) for name, one in sides.items()}, arguments.repeats)
    for name, spent in loops.items():
        print(f"an update inside a loop, gradient of convolutions {name}: {1000 * spent / 20:.1f} ms")


if __name__ == "__main__":
    main()
