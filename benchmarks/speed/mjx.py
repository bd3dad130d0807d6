"""Steps per second of MuJoCo's tasks in JAX (MJX), on whatever device JAX has, under random actions.

    python benchmarks/speed/mjx.py [TASKS...] [--envs 1024 4096 16384] [--steps 20] [--repeats 3]

All environments step in one compiled scan; one that ended is reset inside it, as a learner does. The best of the
repeats counts; compilation is named apart. On the CPU the default is 64 environments: C MuJoCo is what is fast there
(benchmarks/speed/evaluation.py).
"""

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxrl.core.check import known, positive
from jaxrl.core.types import Env
from jaxrl.envs.mujoco import mjx
from jaxrl.envs.mujoco.tasks import TASKS

DEFAULT = ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5")


def walking(env: Env, steps: int) -> Callable:
    """walk(key, states [N, ...]) -> (states, mean reward) after `steps` random actions in each environment."""

    def one(key, state):
        k_act, k_step, k_reset = jax.random.split(key, 3)
        action = jax.random.uniform(k_act, (env.spec.action,), minval=-1.0, maxval=1.0)
        state, seen = env.step(k_step, env.params, state, action)
        over = (seen.terminated > 0) | (seen.truncated > 0)
        first, _ = env.reset(k_reset, env.params)
        return jax.tree.map(lambda new, old: jnp.where(over, new, old), first, state), seen.reward

    def step(carry, time):
        key, states = carry
        keys = jax.random.split(jax.random.fold_in(key, time), len(states.qpos))
        states, rewards = jax.vmap(one)(keys, states)
        return (key, states), rewards.mean()

    def walk(key, states):
        (_, states), rewards = jax.lax.scan(step, (key, states), jnp.arange(steps))
        return states, rewards.mean()

    return walk


def measure(name: str, count: int, steps: int, repeats: int) -> tuple[float, float]:
    """(environment steps per second, seconds of compilation) of `count` environments of a task."""
    env = mjx.environment(name)
    keys = jax.random.split(jax.random.key(0), count)
    states = jax.block_until_ready(jax.jit(jax.vmap(lambda key: env.reset(key, env.params)[0]))(keys))
    start = time.perf_counter()
    walk = jax.jit(walking(env, steps)).lower(jax.random.key(0), states).compile()
    compiled, best = time.perf_counter() - start, float("inf")
    for repeat in range(repeats + 1):  # the first is not counted
        start = time.perf_counter()
        states, reward = jax.block_until_ready(walk(jax.random.key(repeat), states))
        best = min(best, time.perf_counter() - start) if repeat else best
        if not jnp.isfinite(reward):
            raise SystemExit(f"{name}: rewards are not finite")
    return count * steps / best, compiled


def main() -> None:
    """Measure and print."""
    accelerated = jax.default_backend() != "cpu"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=[], help=f"names; {', '.join(DEFAULT)} unless given")
    parser.add_argument("--envs", type=int, nargs="+", default=[1024, 4096, 16384] if accelerated else [64])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    steps, repeats = positive("--steps", arguments.steps), positive("--repeats", arguments.repeats)
    print(f"JAX {jax.__version__}, {jax.devices()[0].device_kind}; environment steps per second")
    for name in [known("MuJoCo task", name, TASKS) for name in arguments.tasks] or DEFAULT:
        for count in arguments.envs:
            speed, compiled = measure(name, positive("--envs", count), steps, repeats)
            print(f"{name:28} {count:6d} environments {speed:12,.0f} /s   compiled in {compiled:.0f} s", flush=True)


if __name__ == "__main__":
    main()
