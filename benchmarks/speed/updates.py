"""Updates per second of every offline card, and composed TD3+BC against a straight-line yardstick, in one process.

    python benchmarks/speed/updates.py [--updates 200] [--seeds 1 4] [--cards td3_bc ...] [--repeats 5]

The yardstick is the file `td3_bc.py` in the folder that `JAXRL_YARDSTICKS` names; without it only our figures are
printed. Both sides train on the same rows; times are the best of several interleaved repeats.
"""

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import registry
from jaxrl.compose.learn import part_key
from jaxrl.core import hyper as records
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Phase, Spec, Transition
from jaxrl.data import samplers
from jaxrl.sources.logged import logged
from jaxrl.train.driver import program

ROWS = 100_000
SPECS = {
    "continuous": Spec("made up", 11, 3, 1000, False, (-1.0,) * 3, (1.0,) * 3),
    "discrete": Spec("made up", 11, 3, 1000, True),
}


def yardstick():
    """The straight-line module, or None where `JAXRL_YARDSTICKS` does not lead to it."""
    path = Path(os.environ.get("JAXRL_YARDSTICKS", "")) / "td3_bc.py"
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location("yardstick_td3_bc", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dataset(kind: str) -> Dataset:
    """Random rows, the same for every card and for the yardstick."""
    key = jax.random.split(jax.random.key(0), 5)
    spec = SPECS[kind]
    obs, next_obs = (jax.random.normal(k, (ROWS, spec.obs)) for k in key[:2])
    action = jnp.tanh(jax.random.normal(key[2], (ROWS, spec.action)))
    action = action.argmax(-1).astype(jnp.int32) if spec.discrete else action
    flag = (jax.random.uniform(key[4], (ROWS,)) < 0.01).astype(jnp.float32)
    reward = jax.random.normal(key[3], (ROWS,))
    steps = Transition(obs, action, reward, next_obs, action, flag, jnp.zeros(ROWS), jnp.ones(ROWS))
    return Dataset(steps, jnp.full((ROWS,), ROWS - 1, jnp.int32))


class Ours:
    """A card's training of some seeds as the suite runs it."""

    def __init__(self, card, kind: str, seeds: int, data: Dataset, batch: int | None = None):
        self.algorithm = card.make(SPECS[kind])
        size = batch or card.batch
        collect = card.collect or (lambda rows, size: logged(rows, samplers.uniform(size)))
        self.collect = lambda rows: collect(rows, size)
        self.program = program(Phase(card.name, self.algorithm, lambda rows, stock: self.collect(rows)))
        self.keys = jax.random.split(jax.random.key(1), seeds)
        self.hypers = records.stack(*[card.hyper()] * seeds)
        self.data = data
        self.progress = self.program.begin(self.keys, self.hypers, data, {})

    def __call__(self, updates: int) -> None:
        arguments = self.keys, self.hypers, self.progress, self.data, jnp.asarray(updates, jnp.int32)
        self.progress = jax.block_until_ready(self.program.advance(*arguments)[0])

    def flops(self) -> float:
        """Floating point operations of one update of all seeds, as the compiler counts its own matrix products."""
        state = jax.tree.map(lambda x: x[0] if x.ndim else x, self.progress.state)
        hyper = jax.tree.map(lambda x: x[0], self.hypers)
        source = self.collect(self.data)
        _, batch = source.next(jax.random.key(0), source.init(jax.random.key(0)), None)
        made = jax.jit(self.algorithm.update).lower(jax.random.key(0), hyper, state, batch).compile()
        return operations(made) * len(self.keys)


def operations(compiled) -> float:
    """Floating point operations of a compiled program by the compiler's account; the body of a loop counts once."""
    costs = compiled.cost_analysis()
    return float((costs[0] if isinstance(costs, list) else costs)["flops"])


def best_seconds(calls: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Smallest time of each call, the calls taking turns."""
    for call in calls.values():
        call()
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def matrix_rate(size: int = 2048, repeats: int = 10) -> float:
    """Floating point operations per second of a large matrix product."""
    a = jnp.ones((size, size))
    product = jax.jit(lambda a: a @ a)
    seconds = best_seconds({"product": lambda: product(a).block_until_ready()}, repeats)["product"]
    return 2 * size**3 / seconds


def against_yardstick(module, seeds: int, updates: int, repeats: int) -> str:
    """One line: ours over the yardstick's updates per second."""
    data = dataset("continuous")
    ours = Ours(registry.card("td3_bc"), "continuous", seeds, data)
    rows = (data.steps.obs, data.steps.action, data.steps.reward, data.steps.next_obs, data.steps.terminated)
    keys = jax.random.split(jax.random.key(1), seeds)
    run = jax.vmap(lambda key, rows: module.run(key, rows, updates), (0, None))
    theirs = jax.jit(run).lower(keys, rows).compile()
    calls = {"ours": lambda: ours(updates), "theirs": lambda: jax.block_until_ready(theirs(keys, rows))}
    seconds = best_seconds(calls, repeats)
    rate = {name: seeds * updates / spent for name, spent in seconds.items()}
    many = "seed" if seeds == 1 else "seeds"
    ratio = rate["ours"] / rate["theirs"]
    return (
        f"td3_bc, {seeds} {many}: {ratio:.2f} x yardstick ({rate['ours']:.0f} against {rate['theirs']:.0f} updates/s)"
    )


def difference_from(module, updates: int = 10) -> float:
    """Largest relative difference of any layer's parameters after some updates from the same start, noise and batches.

    Relative to the layer's largest value. The noise is made the same by giving the yardstick the key that our
    skeleton hands to `smooth`.
    """
    card, spec = registry.card("td3_bc"), SPECS["continuous"]
    algorithm, hyper, data = card.make(spec), card.hyper(), dataset("continuous").steps
    state = algorithm.init(jax.random.key(3), hyper)
    theirs = module.init(jax.random.key(3))
    layers = lambda params: [(params[f"Dense_{i}"]["kernel"], params[f"Dense_{i}"]["bias"]) for i in range(3)]
    actor, critic = layers(state.params["actor"]), layers(state.params["critic"])
    theirs |= {"a": actor, "ta": actor, "c": critic, "tc": critic}
    update, their_critic, their_actor = (
        jax.jit(algorithm.update),
        jax.jit(module.critic_update),
        jax.jit(module.actor_update),
    )
    for i in range(updates):
        key = jax.random.key(100 + i)
        batch = take(data, slice(256 * i, 256 * (i + 1)))
        state, _ = update(key, hyper, state, batch)
        k_noise = jax.random.split(part_key(key, ("critic", "actor"), "critic"), 3)[1]
        rows = (batch.obs, batch.action, batch.reward, batch.next_obs, batch.terminated)
        theirs = their_critic(theirs, rows, k_noise)
        theirs = their_actor(theirs, rows) if i % 2 else theirs
    pairs = [(layers(state.params[p]), theirs[q]) for p, q in (("actor", "a"), ("critic", "c"))]
    pairs += [(layers(state.target[p]), theirs[q]) for p, q in (("actor", "ta"), ("critic", "tc"))]
    ours_leaves, their_leaves = (jax.tree.leaves([pair[side] for pair in pairs]) for side in (0, 1))
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(ours_leaves, their_leaves, strict=True))


def card_line(name: str, kind: str, updates: int, repeats: int, peak: float) -> str:
    """Updates per second, compile seconds and share of the matrix-product rate, at the paper's sizes and batch 256."""
    run = Ours(registry.card(name), kind, 1, dataset(kind), batch=256)
    spent = best_seconds({"run": lambda: run(updates)}, repeats)["run"]
    compiling = run.program.begin.seconds + run.program.advance.seconds
    share = run.flops() * updates / spent / peak
    return f"{name:<14} {kind:<11} {updates / spent:>9.0f} {compiling:>10.1f} {share:>9.0%}"


def main() -> None:
    offline = sorted(name for name, card in registry.cards().items() if card.kind == "offline")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=200, help="of the comparison; a card's line takes a quarter")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--cards", nargs="*", default=offline)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    peak = matrix_rate()
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {peak / 1e9:.0f} GFLOP/s in a large product")
    module = yardstick()
    if module is None:
        print("no yardstick: set JAXRL_YARDSTICKS to the folder that holds td3_bc.py")
    else:
        print(f"td3_bc, 10 updates from the same start: largest relative difference {difference_from(module):.1e}")
        for seeds in arguments.seeds:
            print(against_yardstick(module, seeds, arguments.updates, arguments.repeats), flush=True)
    print(f"\n{'card':<14} {'actions':<11} {'updates/s':>9} {'compile s':>10} {'of peak':>9}   (1 seed, batch 256)")
    for name in arguments.cards:
        for kind in registry.card(name).actions:
            print(card_line(name, kind, max(arguments.updates // 4, 1), arguments.repeats, peak), flush=True)


if __name__ == "__main__":
    main()
