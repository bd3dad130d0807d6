"""C MuJoCo in a batch against Gymnasium environments stepped one after another, interleaved in one process.

    python benchmarks/speed/evaluation.py [--all] [--environments 40] [--steps 200] [--repeats 5]

Two measures, the best of the repeats on either side:

stepping: N environments take the same random actions, drawn beforehand; no policy. Gymnasium's are made as users make
    them, `gymnasium.make(id)`, and stepped one after another; what ended is reset on both sides.
evaluation: one episode in each of N environments, policy calls included. With Gymnasium, one environment plays one
    episode after another and calls the policy with one observation; ours is `evaluation.host.rollouts`, which calls it
    with all N. `linear` is a product in NumPy, `mlp` a compiled network with two layers of 256.
"""

import argparse
import time
from collections.abc import Callable

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import HostEnv
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.envs.mujoco.tasks import TASKS
from jaxrl.evaluation import host

PROMISED = ("Hopper-v5", "HalfCheetah-v5")


def made(name: str):
    """Gymnasium's environment, made as users make it, without MuJoCo's notes on its model."""
    with adapter.quiet(gymnasium.spec(name)):
        return gymnasium.make(name)


def one_after_another(machines: list, actions: np.ndarray) -> float:
    """Seconds for actions [T, N, A] in N Gymnasium environments; what ends is reset."""
    for i, machine in enumerate(machines):
        machine.reset(seed=i)
    start = time.perf_counter()
    for row in actions:
        for machine, action in zip(machines, row, strict=True):
            _, _, terminated, truncated, _ = machine.step(action)
            if terminated or truncated:
                machine.reset(seed=1)
    return time.perf_counter() - start


def together(machines, actions: np.ndarray) -> float:
    """Seconds for actions [T, N, A] in `Machines`; what ends is reset."""
    everyone = np.arange(actions.shape[1])
    machines.reset(everyone, everyone)
    start = time.perf_counter()
    for row in actions:
        _, _, terminated, truncated = machines.step(everyone, row)
        over = np.flatnonzero(terminated | truncated)
        if len(over):
            machines.reset(over, np.ones(len(over), int))
    return time.perf_counter() - start


def stepping(name: str, env: HostEnv, environments: int, steps: int, repeats: int) -> str:
    """The line on stepping."""
    draws, size = np.random.default_rng(0), (steps, environments, env.spec.action)
    actions = draws.uniform(env.spec.low, env.spec.high, size).astype(np.float32)
    theirs, ours = [made(name) for _ in range(environments)], env.many(environments)
    pairs = [(one_after_another(theirs, actions), together(ours, actions)) for _ in range(repeats)]
    for machine in (*theirs, ours):
        machine.close()
    before, after = (min(side) for side in zip(*pairs, strict=True))
    return line(name, "stepping", environments * steps / before, environments * steps / after)


def line(name: str, what: str, before: float, after: float) -> str:
    """Steps per second of both sides and their ratio."""
    return f"{name:26s} {what:18s} {before:9.0f} -> {after:9.0f} steps/s   {after / before:5.2f} x"


def policies(env: HostEnv) -> dict[str, Callable]:
    """Policies by name: observations [..., D] -> actions [..., A] in [-1, 1]."""
    weights = np.random.default_rng(0).standard_normal((env.spec.obs, env.spec.action)).astype(np.float32) / 10
    keys = jax.random.split(jax.random.key(0), 3)
    widths = (env.spec.obs, 256, 256, env.spec.action)
    layers = [jax.random.normal(key, (m, n)) / m**0.5 for key, m, n in zip(keys, widths[:-1], widths[1:], strict=True)]

    @jax.jit
    def network(obs):
        hidden = jax.nn.relu(jax.nn.relu(obs @ layers[0]) @ layers[1])
        return jnp.tanh(hidden @ layers[2])

    return {"linear": lambda obs: np.tanh(obs @ weights), "mlp": lambda obs: np.asarray(network(obs))}


def episodes(name: str, spec, act: Callable, seeds: list[int]) -> tuple[float, int]:
    """Seconds and steps of one Gymnasium environment that plays an episode for each seed."""
    machine = made(name)
    low, high = np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32)
    start, steps = time.perf_counter(), 0
    for seed in seeds:
        obs, over = machine.reset(seed=seed)[0], False
        while not over:
            action = low + (act(obs.astype(np.float32)) + 1) / 2 * (high - low)
            obs, _, terminated, truncated, _ = machine.step(action)
            steps, over = steps + 1, terminated or truncated
    spent = time.perf_counter() - start
    machine.close()
    return spent, steps


def evaluation(name: str, env: HostEnv, environments: int, repeats: int) -> list[str]:
    """The lines on whole evaluations."""
    lines = []
    for kind, act in policies(env).items():
        seeds, before, after = host.episode_seeds(0, environments), [], []
        act(np.zeros((1, environments, env.spec.obs), np.float32)), act(np.zeros(env.spec.obs, np.float32))
        for _ in range(repeats):
            spent, steps = episodes(name, env.spec, act, seeds)
            before.append(steps / spent)
            after.append(host.rollouts(env, act, [0], environments).steps_per_second)
        lines.append(line(name, f"evaluation, {kind}", max(before), max(after)))
    return lines


def main() -> None:
    """Print the lines of every task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every task, not only Hopper and HalfCheetah")
    parser.add_argument("--environments", type=int, default=40)
    parser.add_argument("--steps", type=int, default=200, help="of every environment, in a repeat of `stepping`")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    for name in TASKS if chosen.all else PROMISED:
        env = adapter.host(name)
        print(stepping(name, env, chosen.environments, chosen.steps, chosen.repeats), flush=True)
        print("\n".join(evaluation(name, env, chosen.environments, max(1, chosen.repeats // 2))), flush=True)
        host.close()


if __name__ == "__main__":
    main()
