"""Undiscounted returns of many policies in Gymnasium environments: all step together, one policy call per step."""

import atexit
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.core.types import HostEnv, Spec

KEPT = 4
"""Makers whose environments stay open between evaluations; the one used longest ago is closed first."""
FEWEST = 4
"""Environments below which handing them to threads costs more than it saves."""
_POOL: dict[Callable[[], Any], list] = {}


class Outcome(NamedTuple):
    """What an evaluation saw. returns: [members, episodes] float64; lengths: the same, in steps; seconds: wall time."""

    returns: np.ndarray
    lengths: np.ndarray
    seconds: float

    @property
    def steps_per_second(self) -> float:
        """Environment steps per second of wall time, policy calls included."""
        return float(self.lengths.sum() / max(self.seconds, 1e-9))


def evaluate(env: HostEnv, act: Callable, seeds: Sequence[int], episodes: int) -> np.ndarray:
    """Undiscounted returns [members, episodes]; see `rollouts`."""
    return rollouts(env, act, seeds, episodes).returns


def rollouts(env: HostEnv, act: Callable, seeds: Sequence[int], episodes: int) -> Outcome:
    """Play `episodes` episodes with each of as many policies as there are seeds, the members.

    act: observations [members, episodes, D] float32 -> actions [members, episodes, A] in [-1, 1], or class indices
    [members, episodes]; called once per step for all. An episode's start depends on (its member's seed, episode) only,
    so members of one seed meet the same starts. A member whose action is not finite ends there with a return of NaN.
    Environments are made on first use and kept for the next evaluation. Raises InputError where sizes do not match
    `env.spec`.
    """
    count = positive("members", len(seeds)) * positive("episodes", episodes)
    machines = _borrow(env.make, count)
    try:
        return _play(env, act, machines[:count], seeds, episodes)
    finally:
        _give_back(env.make, machines)


def episode_seeds(seed: int, episodes: int) -> list[int]:
    """Reset seed of each episode: the first word of NumPy's `SeedSequence([seed, episode])`."""
    return [int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) for i in range(episodes)]


def close() -> None:
    """Close all environments that are kept open; also done on exit."""
    for machine in [machine for machines in _POOL.values() for machine in machines]:
        machine.close()
    _POOL.clear()


def _borrow(make: Callable[[], Any], count: int) -> list:
    if not _POOL:
        atexit.unregister(close)
        atexit.register(close)
    machines = _POOL.pop(make, [])
    return machines + [make() for _ in range(count - len(machines))]


def _give_back(make: Callable[[], Any], machines: list) -> None:
    _POOL.setdefault(make, []).extend(machines)
    while len(_POOL) > KEPT:
        for machine in _POOL.pop(next(iter(_POOL))):
            machine.close()


def _play(env: HostEnv, act: Callable, machines: list, seeds: Sequence[int], episodes: int) -> Outcome:
    start, count, shape = time.perf_counter(), len(machines), (len(seeds), episodes)
    obs = _reset(env.spec, machines, [word for seed in seeds for word in episode_seeds(seed, episodes)])
    returns, lengths, alive = np.zeros(count), np.zeros(count, np.int64), np.ones(count, bool)

    def step(indices, commands):
        for i in indices:
            obs[i], reward, terminated, truncated, _ = machines[i].step(commands[i])
            returns[i] += reward
            lengths[i] += 1
            alive[i] = not (terminated or truncated)

    threads = _threads(machines[0])
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(env.spec.horizon):
            actions = np.asarray(act(env.observe(obs).reshape(*shape, -1)))
            commands, sound = _commands(env.spec, actions, shape)
            returns[alive & ~sound] = np.nan
            alive &= sound
            indices = np.flatnonzero(alive)
            first, *others = np.array_split(indices, threads if len(indices) >= FEWEST else 1)
            running = [pool.submit(step, part, commands) for part in others]
            step(first, commands)
            for part in running:
                part.result()
            if not alive.any():
                break
    return Outcome(returns.reshape(shape), lengths.reshape(shape), time.perf_counter() - start)


def _reset(spec: Spec, machines: list, seeds: list[int]) -> np.ndarray:
    """First observations [N, D] float32."""
    obs = np.stack([machine.reset(seed=seed)[0] for machine, seed in zip(machines, seeds, strict=True)])
    if obs.shape[1:] != (spec.obs,):
        raise InputError(
            f"{spec.name} shows observations of shape {obs.shape[1:]}, but its spec says ({spec.obs},); "
            "make it with flat observations of that length"
        )
    return obs.astype(np.float32)


def _threads(machine) -> int:
    """Threads that pay: MuJoCo lets go of the interpreter while it integrates, environments in Python do not."""
    return min(os.cpu_count() or 1, 8) if hasattr(machine.unwrapped, "mujoco_renderer") else 1


def _commands(spec: Spec, actions: np.ndarray, shape: tuple[int, int]):
    """Actions in the environment's own units, one per environment, and which of them are finite."""
    count = shape[0] * shape[1]
    expected = shape if spec.discrete else (*shape, spec.action)
    if actions.shape != expected:
        raise InputError(
            f"the policy's actions have shape {actions.shape}, but {spec.name} takes {expected}; use a card made for it"
        )
    if spec.discrete:
        return actions.reshape(count).tolist(), np.ones(count, bool)
    actions = actions.reshape(count, -1).astype(np.float64)
    low, high = np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32)
    scaled = low + (np.clip(actions, -1, 1) + 1) / 2 * (high - low)
    return np.clip(scaled.astype(np.float32), low, high), np.isfinite(actions).all(1)
