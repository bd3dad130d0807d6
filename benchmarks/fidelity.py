"""How far MuJoCo's tasks in JAX (MJX) are from Gymnasium's: one control step, and whole episodes of published policies.

    python benchmarks/fidelity.py [TASKS...] [--states 400] [--returns] [--episodes 20] [--horizon 1000]

Writes what it measured into benchmarks/tables/fidelity.md, whose other rows stay. --returns plays the policies of
`rlzoo_policies` and `gail_trpo_policies` under JAXRL_EXTERNAL_DATA instead of single steps.
"""

import argparse
import copy
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import h5py
import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import known
from jaxrl.core.types import reactive
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.envs.mujoco import fidelity, mjx
from jaxrl.envs.mujoco.tasks import TASKS
from jaxrl.evaluation import host, rollout

TABLE = Path(__file__).parent / "tables" / "fidelity.md"
INTRODUCTION = """# MuJoCo's tasks in JAX beside Gymnasium's

Made by `benchmarks/fidelity.py`, never edited.
"""
STEPS = """## One control step

From the same positions, velocities, warm starts and actions, in states that uniform random actions reach. Largest
absolute differences over all states, and in brackets the one that 99 % of the states stay below. The last column counts
the terminations in Gymnasium, and the states where ours disagrees.
"""
RETURNS = """## Return of published policies

Mean, standard error and number of episodes on either side, episodes cut after the steps named; the gap is in standard
errors of the difference. Both sides draw their first states by themselves.
"""
HEADS = {
    STEPS: ("task", "states", "qpos", "qvel", "obs", "reward", "ended (disagree)"),
    RETURNS: ("policy", "steps", "Gymnasium", "MJX", "gap"),
}


def stepped(name: str, states: int) -> tuple[str, ...]:
    """The row of a task: differences over `states` states."""
    found = fidelity.differences(name, states)
    gaps = [f"{gap.max():.1e} ({np.quantile(gap, 0.99):.1e})" for gap in found[:4]]
    return name, str(states), *gaps, f"{int(found.ended[:, 0].sum())} ({found.disagreements})"


class Published(NamedTuple):
    """A published policy: act(xp, weights, obs [..., D]) -> its mean action [..., A] in [-1, 1]."""

    name: str
    task: str
    act: Callable[[Any, dict[str, Any], Any], Any]
    weights: dict[str, np.ndarray]


def rlzoo(xp, weights, obs):
    """Mean action of a policy of `rlzoo_policies`, weights [out, in]; the forward pass of its README."""
    for name in ("latent_pi_0", "latent_pi_2"):
        obs = xp.maximum(affine(xp, obs, weights[f"{name}_weight"].T, weights[f"{name}_bias"]), 0)
    return xp.tanh(affine(xp, obs, weights["mu_weight"].T, weights["mu_bias"]))


def gail(xp, weights, obs):
    """Mean action of a policy of `gail_trpo_policies`, weights [in, out]; the forward pass of its README."""
    mean, square = (spread(weights[f"obsnorm/Standardizer/{name}_1_D"][0], obs) for name in ("mean", "meansq"))
    obs = (obs - mean) / (xp.sqrt(square - mean**2) + 1e-6)
    for layer in (0, 2):
        where = f"hidden/FeedforwardNet/layer_{layer}/AffineLayer"
        obs = xp.tanh(affine(xp, obs, weights[f"{where}/W"], weights[f"{where}/b"][0]))
    return xp.clip(affine(xp, obs, weights["out/AffineLayer/W"], weights["out/AffineLayer/b"][0]), -1, 1)


def affine(xp, inputs, weight, bias):
    """inputs [..., D] through weight [D, A] and bias [A]."""
    outputs = xp.matmul(inputs, weight)
    return outputs + spread(bias, outputs)


def spread(vector, like):
    """vector [D] with as many axes as `like`."""
    return vector.reshape((1,) * (like.ndim - 1) + vector.shape)


def policies(folder: Path) -> list[Published]:
    """The policies for Hopper, HalfCheetah and Walker2d under the folder of external data; of snapshots the last."""
    found = []
    for task in ("Hopper", "HalfCheetah", "Walker2d"):
        for file in sorted((folder / "rlzoo_policies").glob(f"{task}-v3_*.npz")):
            with np.load(file) as arrays:
                weights = {name: arrays[name].astype(np.float32) for name in arrays}
            found.append(Published(f"rlzoo {file.stem}", f"{task}-v5", rlzoo, weights))
        for file in sorted((folder / "gail_trpo_policies").glob(f"log_{task}-v1_*.h5")):
            found.append(Published(f"gail {file.stem}", f"{task}-v5", gail, last_snapshot(file)))
    return found


def last_snapshot(file: Path) -> dict[str, np.ndarray]:
    """Arrays of the last snapshot in a file of `gail_trpo_policies`."""
    weights = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset) and item.ndim == 2:
            weights[name] = item[()].astype(np.float32)

    with h5py.File(file) as opened:
        snapshots = opened["snapshots"]
        snapshots[max(snapshots)]["GaussianPolicy"].visititems(keep)
    return weights


def in_gymnasium(policy: Published, episodes: int, horizon: int, seed: int = 0) -> np.ndarray:
    """Returns [episodes] of a policy's mean actions in Gymnasium."""
    spec = copy.copy(gymnasium.spec(policy.task))  # else the registry's own would change
    spec.max_episode_steps = horizon
    act = lambda obs: policy.act(np, policy.weights, obs.astype(np.float32))
    try:
        return host.rollouts(adapter.host(spec), act, [seed], episodes).returns[0]
    finally:
        host.close()


def in_jax(policy: Published, episodes: int, horizon: int, seed: int = 0) -> np.ndarray:
    """Returns [episodes] of a policy's mean actions on MJX, all in one compiled call."""
    env = mjx.environment(policy.task, horizon)

    def play(key, weights):
        acting = reactive(lambda key, obs: policy.act(jnp, weights, obs))
        return rollout.evaluate(key, env, acting, episodes)

    return np.asarray(jax.jit(play)(jax.random.key(seed), policy.weights), np.float64)


def standard_error(returns: np.ndarray) -> float:
    """Of the mean of returns [episodes]."""
    return float(returns.std(ddof=1) / np.sqrt(len(returns)))


def gap(one: np.ndarray, other: np.ndarray) -> float:
    """Difference of two means in standard errors of it."""
    return float((other.mean() - one.mean()) / max(np.hypot(standard_error(one), standard_error(other)), 1e-12))


def played(policy: Published, episodes: int, horizon: int) -> tuple[str, ...]:
    """The row of a policy: returns on both sides."""
    theirs, ours = (play(policy, episodes, horizon) for play in (in_gymnasium, in_jax))
    sides = [f"{x.mean():.1f} ± {standard_error(x):.1f} ({len(x)})" for x in (theirs, ours)]
    return policy.name, str(horizon), *sides, f"{gap(theirs, ours):.1f}"


def write(section: str, row: tuple[str, ...]) -> None:
    """Put a row into the table, in place of an earlier one with the same first cell."""
    text = TABLE.read_text() if TABLE.exists() else ""
    parts = []
    for heading, head in HEADS.items():
        rows = dict(cells(text, heading))
        if heading == section:
            rows[row[0]] = row
        lines = [" | ".join(cells_) for cells_ in (head, ["---"] * len(head), *(rows[name] for name in ordered(rows)))]
        parts.append(heading + "\n" + "\n".join(f"| {line} |" for line in lines) + "\n" if rows else "")
    TABLE.write_text("\n".join([INTRODUCTION, *(part for part in parts if part)]))


def cells(text: str, heading: str) -> list[tuple[str, tuple[str, ...]]]:
    """(first cell, all cells) of the rows below a heading."""
    _, _, after = text.partition(heading.splitlines()[0] + "\n")
    rows = re.findall(r"^\| (.*) \|$", after.partition("\n## ")[0], re.MULTILINE)
    return [(row.split(" | ")[0], tuple(row.split(" | "))) for row in rows[2:]]


def ordered(rows: dict) -> list[str]:
    """First cells, tasks in the order of the suite."""
    return sorted(rows, key=lambda name: (list(TASKS).index(name) if name in TASKS else 0, name))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=[], help="names such as Hopper-v5; all unless given")
    parser.add_argument("--states", type=int, default=400)
    parser.add_argument("--returns", action="store_true")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--horizon", type=int, default=1000)
    arguments = parser.parse_args()
    tasks = [known("MuJoCo task", name, TASKS) for name in arguments.tasks] or list(TASKS)
    print(f"JAX {jax.__version__}, {jax.devices()[0].device_kind}")
    todo = [(STEPS, stepped, (name, arguments.states)) for name in tasks]
    if arguments.returns:
        folder = Path(os.environ["JAXRL_EXTERNAL_DATA"])
        there = [policy for policy in policies(folder) if policy.task in tasks]
        todo = [(RETURNS, played, (policy, arguments.episodes, arguments.horizon)) for policy in there]
    for section, measure, inputs in todo:
        start = time.perf_counter()
        row = measure(*inputs)
        write(section, row)
        print(" | ".join(row), f"| {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
