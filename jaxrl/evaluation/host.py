"""Undiscounted returns of many policies in environments on the host: all step together, one policy call per step."""

import atexit
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.core.types import HostEnv, Machines, Spec
from jaxrl.envs.adapters.machines import physical, several

KEPT = 4
"""Environments of which machines stay open between evaluations; those used longest ago are closed first."""


class Open(NamedTuple):
    """Machines that are kept, and how many environments they hold."""

    machines: Machines
    size: int


_POOL: dict[Callable[..., Any], Open] = {}


class Player(NamedTuple):
    """Policies with memory at work, members x episodes at once.

    start() -> their memory before an episode's first step. act: (observations [members, episodes, D] float32, rewards
    of the last step [members, episodes] float32, memory) -> (actions, memory).
    """

    start: Callable[[], Any]
    act: Callable[[Any, Any, Any], tuple[Any, Any]]


class Outcome(NamedTuple):
    """What an evaluation saw. returns: [members, episodes] float64; lengths: the same, in steps; seconds: wall time.

    success: how far each episode succeeded, 0 to 1, the same shape; None where the environment has no goal.
    """

    returns: np.ndarray
    lengths: np.ndarray
    seconds: float
    success: np.ndarray | None = None

    @property
    def steps_per_second(self) -> float:
        """Environment steps per second of wall time, policy calls included."""
        return float(self.lengths.sum() / max(self.seconds, 1e-9))


def evaluate(env: HostEnv, act: Callable | Player, seeds: Sequence[int], episodes: int) -> np.ndarray:
    """Undiscounted returns [members, episodes]; see `rollouts`."""
    return rollouts(env, act, seeds, episodes).returns


def rollouts(env: HostEnv, act: Callable | Player, seeds: Sequence[int], episodes: int) -> Outcome:
    """Play `episodes` episodes with each of as many policies as there are seeds, the members.

    act: observations [members, episodes, D] float32 -> actions [members, episodes, A] in [-1, 1], or class indices
    [members, episodes]; called once per step for all; a Player where policies remember, or read rewards. An episode's
    start depends on (its member's seed, episode) only, so members of one seed meet the same starts. A member whose
    action is not finite ends there with a return of NaN. Environments are made on first use, by `env.many` where the
    environment has it, and kept for the next evaluation. Raises InputError where sizes do not match `env.spec`.
    """
    held = _borrow(env, positive("members", len(seeds)) * positive("episodes", episodes))
    try:
        return _play(env, act, held.machines, seeds, episodes)
    finally:
        _give_back(env, held)


def episode_seeds(seed: int, episodes: int) -> list[int]:
    """Reset seed of each episode: the first word of NumPy's `SeedSequence([seed, episode])`."""
    return [int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) for i in range(episodes)]


def close() -> None:
    """Close all environments that are kept open; also done on exit."""
    for held in _POOL.values():
        held.machines.close()
    _POOL.clear()


def _borrow(env: HostEnv, count: int) -> Open:
    if not _POOL:
        atexit.unregister(close)
        atexit.register(close)
    held = _POOL.pop(env.many or env.make, None)
    if held and held.size >= count:
        return held
    if held:
        held.machines.close()
    return Open(several(env, count), count)


def _give_back(env: HostEnv, held: Open) -> None:
    key = env.many or env.make
    if key in _POOL:  # another evaluation of the same environment went on meanwhile
        _POOL.pop(key).machines.close()
    _POOL[key] = held
    while len(_POOL) > KEPT:
        _POOL.pop(next(iter(_POOL))).machines.close()


def without_memory(act: Callable) -> Player:
    """A function of observations alone as a Player."""
    return Player(lambda: (), lambda obs, reward, memory: (act(obs), memory))


def _play(env: HostEnv, act: Callable | Player, machines: Machines, seeds: Sequence[int], episodes: int) -> Outcome:
    start, shape = time.perf_counter(), (len(seeds), episodes)
    count = shape[0] * shape[1]
    obs = _reset(env, machines, [word for seed in seeds for word in episode_seeds(seed, episodes)])
    returns, lengths, alive = np.zeros(count), np.zeros(count, np.int64), np.ones(count, bool)
    player = act if isinstance(act, Player) else without_memory(act)
    memory, gained = player.start(), np.zeros(count, np.float32)
    for _ in range(env.spec.horizon):
        actions, memory = player.act(env.observe(obs).reshape(*shape, -1), gained.reshape(shape), memory)
        commands, sound = _commands(env.spec, np.asarray(actions), shape)
        returns[alive & ~sound] = np.nan
        alive &= sound
        indices = np.flatnonzero(alive)
        if not len(indices):
            break
        obs[indices], reward, terminated, truncated = machines.step(indices, commands[indices])
        returns[indices] += reward
        gained = np.zeros(count, np.float32)
        gained[indices] = reward
        lengths[indices] += 1
        alive[indices] = ~(terminated | truncated)
        if not alive.any():
            break
    success = reached(machines, count)
    seconds = time.perf_counter() - start
    return Outcome(
        returns.reshape(shape), lengths.reshape(shape), seconds, None if success is None else success.reshape(shape)
    )


def reached(machines: Machines, count: int) -> np.ndarray | None:
    """How far the episodes of the first `count` environments succeeded, [count]; None where they have no goal."""
    read = getattr(machines, "success", None)
    found = read(np.arange(count)) if read else np.full(count, np.nan)
    return None if np.isnan(found).all() else found


def _reset(env: HostEnv, machines: Machines, seeds: list[int]) -> np.ndarray:
    """First observations [N, D] float32, as the machines show them."""
    obs = machines.reset(np.arange(len(seeds)), seeds).astype(np.float32)
    if not _fits(env, obs):
        raise InputError(
            f"{env.spec.name} shows observations of shape {obs.shape[1:]}, but its spec says ({env.spec.obs},); "
            "make it with flat observations of that length"
        )
    return obs


def _fits(env: HostEnv, obs: np.ndarray) -> bool:
    """Whether observations, as a policy sees them, have the length of the spec."""
    try:
        return env.observe(obs).shape[1:] == (env.spec.obs,)
    except (TypeError, ValueError):  # a scaler made for another length
        return False


def _commands(spec: Spec, actions: np.ndarray, shape: tuple[int, int]):
    """Actions in the environment's own units, one per environment, and which of them are finite."""
    count = shape[0] * shape[1]
    expected = shape if spec.discrete else (*shape, spec.action)
    if actions.shape != expected:
        raise InputError(
            f"the policy's actions have shape {actions.shape}, but {spec.name} takes {expected}; use a card made for it"
        )
    if spec.discrete:
        return actions.reshape(count), np.ones(count, bool)
    actions = actions.reshape(count, -1)
    return physical(spec, actions), np.isfinite(actions).all(1)
