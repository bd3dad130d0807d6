"""Environment steps per second of composed online learners against straight-line yardsticks, in one process.

    python benchmarks/speed/online.py [ppo ...] [--updates 20] [--repeats 10]

The yardsticks are the files in `benchmarks/yardsticks`. Both sides are compiled whole, gathering included; the two
take turns, and the best of the repeats counts. `difference` is that of what both learn from the same start and batches.
"""

import argparse
import dataclasses
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import registry
from jaxrl.compose.learn import part_key
from jaxrl.core.types import Transition
from jaxrl.envs import suites
from jaxrl.train.fit import advance, begin

PARTS = ("critic", "actor", "temperature")
YARDSTICKS = Path(__file__).resolve().parents[1] / "yardsticks"


class Race(NamedTuple):
    """Ours and the yardstick, each a call that takes `steps` environment steps and blocks until they are done.

    difference: largest relative difference of what both learn from the same start.
    """

    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    steps: int
    difference: float


def yardstick(name: str):
    """The straight-line module of that name."""
    spec = importlib.util.spec_from_file_location(f"yardstick_{name}", YARDSTICKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Going:
    """A compiled (state, updates) -> (state, ...) that goes on from where it was at every call."""

    def __init__(self, go: Callable, state):
        self.state = state
        self.go = jax.jit(go, donate_argnums=0)

    def __call__(self):
        self.state = jax.block_until_ready(self.go(self.state)[0])


def ours(card, env, hyper, source, algorithm, updates: int) -> Going:
    """Our training of one seed, `updates` updates at a time."""
    key = jax.random.key(0)
    start = jax.jit(lambda key: begin(key, algorithm, hyper, source))(key)
    return Going(lambda progress: advance(key, algorithm, hyper, source, progress, updates), start)


def ppo(updates: int) -> Race:
    """PPO on CartPole: 64 environments, 128 steps, 4 passes of 4 minibatches, two layers of 64."""
    module, card, env = yardstick("ppo"), registry.card("ppo"), suites.environment("CartPole-v1")
    algorithm = card.make(env.spec, passes=module.PASSES, minibatches=module.MINIBATCHES, normalise=False)
    hyper = dataclasses.replace(card.hyper(), actor_lr=module.RATE, critic_lr=module.RATE)
    source = card.collect(env, envs=module.ENVS, length=module.LENGTH)
    key = jax.random.key(0)
    theirs = Going(lambda start: module.run(key, start, updates), jax.jit(module.begin)(key))
    steps = module.ROWS * updates
    return Race(ours(card, env, hyper, source, algorithm, updates), theirs, steps, ppo_difference(module))


def ppo_difference(module, updates: int = 5) -> float:
    """Largest relative difference of losses in updates from the same networks on the same batches, unshuffled."""
    card, env = registry.card("ppo"), suites.environment("CartPole-v1")
    algorithm = card.make(env.spec, passes=module.PASSES, minibatches=1, normalise=False)
    hyper = dataclasses.replace(card.hyper(), actor_lr=module.RATE, critic_lr=module.RATE)
    state = algorithm.init(jax.random.key(3), hyper)
    layers = lambda params: [(params[f"Dense_{i}"]["kernel"], params[f"Dense_{i}"]["bias"]) for i in range(3)]
    nets = module.fresh(*(layers(state.params[name]) for name in ("actor", "critic")))
    _, world = module.begin(jax.random.key(4))
    rollout, update = jax.jit(module.rollout), jax.jit(algorithm.update)
    learn = jax.jit(lambda key, nets, batch: module.learn(key, nets, batch, minibatches=1))
    largest = 0.0
    for i in range(updates):
        key = jax.random.fold_in(jax.random.key(5), i)
        world, batch = rollout(key, nets[0], world)
        obs, action, after, terminated, truncated = batch
        one = jnp.ones_like(terminated)
        state, metrics = update(
            key, hyper, state, Transition(obs, action, one, after, action, terminated, truncated, one)
        )
        nets, losses = learn(key, nets, batch)
        for name, theirs in zip(("actor", "critic"), losses, strict=True):
            largest = max(largest, abs(float(metrics[name]["loss"] - theirs)) / max(abs(float(theirs)), 1e-2))
    pairs = zip(
        jax.tree.leaves(nets[:2]), jax.tree.leaves([layers(state.params[n]) for n in ("actor", "critic")]), strict=True
    )
    return max(largest, *(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs))


def off_policy(name: str, updates: int, difference: Callable) -> Race:
    """One step and one update at a time on Pendulum, two layers of 256, batches of 256, a ring of a million steps."""
    module, card, env = yardstick(name), registry.card(name), suites.environment("Pendulum-v1")
    source = card.collect(env, module.BATCH, warmup=module.WARMUP)
    steps = 25 * updates
    theirs = Going(lambda start: module.run(jax.random.key(0), start, steps), jax.jit(module.begin)(jax.random.key(0)))
    mine = ours(card, env, card.hyper(), source, card.make(env.spec), steps)
    return Race(mine, theirs, steps, difference(module))


def sac(updates: int) -> Race:
    """SAC on Pendulum."""
    return off_policy("sac", updates, sac_difference)


def td3(updates: int) -> Race:
    """TD3 on Pendulum."""
    return off_policy("td3", updates, td3_difference)


def same_start(name: str):
    """Our algorithm, its first state, that state's actor and critics as lists of layers, and made-up batches."""
    card, spec = registry.card(name), suites.environment("Pendulum-v1").spec
    algorithm, hyper = card.make(spec), card.hyper()
    state = algorithm.init(jax.random.key(3), hyper)
    layers = lambda params: [(params[f"Dense_{i}"]["kernel"], params[f"Dense_{i}"]["bias"]) for i in range(3)]

    def batch(i):
        keys = jax.random.split(jax.random.key(i), 4)
        obs, after = (jax.random.normal(k, (256, spec.obs)) for k in keys[:2])
        action, reward = jnp.tanh(jax.random.normal(keys[2], (256, 1))), jax.random.normal(keys[3], (256,))
        flag = (jnp.arange(256) % 5 == 0).astype(jnp.float32)
        whole = Transition(obs, action, reward, after, action, flag, 0 * flag, jnp.ones(256))
        return whole, (obs, action, reward, after, flag)

    return jax.jit(lambda key, state, rows: algorithm.update(key, hyper, state, rows)[0]), state, layers, batch


def furthest(pairs) -> float:
    """Largest difference of paired trees' leaves, relative to each leaf's largest value."""
    pairs = [pair for a, b in pairs for pair in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def td3_difference(module, updates: int = 10) -> float:
    """Largest relative difference of parameters and targets after updates with the same noise."""
    update, state, layers, batch = same_start("td3")
    nets = module.fresh(layers(state.params["actor"]), layers(state.params["critic"]))
    critic, actor = jax.jit(module.critic_update), jax.jit(module.actor_update)
    for i in range(updates):
        key, (whole, rows) = jax.random.key(100 + i), batch(i)
        state = update(key, state, whole)
        nets = critic(nets, rows, jax.random.split(part_key(key, PARTS, "critic"), 3)[1])
        nets = actor(nets, rows) if i % 2 else nets
    learned = state.params["actor"], state.params["critic"], state.target["actor"], state.target["critic"]
    return furthest((layers(x), nets[n]) for x, n in zip(learned, ("a", "c", "ta", "tc"), strict=True))


def sac_difference(module, updates: int = 10) -> float:
    """Largest relative difference of parameters, targets and temperature after updates with the same noise."""
    update, state, layers, batch = same_start("sac")
    nets, learn = module.fresh(layers(state.params["actor"]), layers(state.params["critic"])), jax.jit(module.learn)
    for i in range(updates):
        key, (whole, rows) = jax.random.key(100 + i), batch(i)
        state = update(key, state, whole)
        ahead = jax.random.split(jax.random.split(part_key(key, PARTS, "critic"), 3)[0])[0]
        here = jax.random.split(part_key(key, PARTS, "actor"))[0]
        nets = learn(nets, rows, (ahead, here, part_key(key, PARTS, "temperature")))
    learned = state.params["actor"], state.params["critic"], state.target["critic"]
    pairs = [(layers(x), nets[n]) for x, n in zip(learned, ("a", "c", "tc"), strict=True)]
    return furthest([*pairs, (state.params["temperature"], nets["t"])])


RACES = {"ppo": ppo, "sac": sac, "td3": td3}


def line(name: str, updates: int, repeats: int) -> str:
    """One row: steps per second of both, their ratio, and the difference."""
    race = RACES[name](updates)
    best = {"ours": float("inf"), "theirs": float("inf")}
    for turn in range(repeats + 1):
        for side in best:
            start = time.perf_counter()
            getattr(race, side)()
            best[side] = min(best[side], time.perf_counter() - start) if turn else best[side]
    rate = {side: race.steps / seconds for side, seconds in best.items()}
    ratio = rate["ours"] / rate["theirs"]
    return f"{name:<6} {rate['ours']:>10.0f} {rate['theirs']:>10.0f} {ratio:>6.2f} x {race.difference:>10.0e}"


def main(names: list[str], updates: int = 20, repeats: int = 10) -> None:
    """Print a row for each of the names."""
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}; environment steps per second")
    print(f"{'':<6} {'ours':>10} {'yardstick':>10} {'ratio':>8} {'difference':>10}")
    for name in names:
        print(line(name, updates, repeats), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=sorted(RACES))
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    main(arguments.names, arguments.updates, arguments.repeats)
