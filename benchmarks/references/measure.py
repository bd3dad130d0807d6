"""Measures the expert-relative reference returns of jaxrl/data/references.toml.

    JAXRL_EXTERNAL_DATA=... python benchmarks/references/measure.py [--write]

low: mean return of a uniform random policy, seeded as Minari seeds its own (123 for actions and the first reset).
high: mean return of the dataset `external/*-expert-v0`. Without `--write` the pairs are printed only.
"""

import argparse
from importlib.metadata import version

import numpy as np

from jaxrl.data import load, reference
from jaxrl.data.dataset import episode_returns, fingerprint, from_arrays

TASKS = (("external/hopper", "Hopper-v5"), ("external/halfcheetah", "HalfCheetah-v5"))
MARK = "# measured:"


def random_returns(env_id: str, episodes: int, seed: int) -> np.ndarray:
    """Undiscounted returns of uniform random actions; [episodes]."""
    import gymnasium

    env = gymnasium.make(env_id)
    env.action_space.seed(seed)
    env.reset(seed=seed)
    returns = np.zeros(episodes)
    for i in range(episodes):
        over = False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            returns[i] += reward
            over = terminated or truncated
        env.reset()
    env.close()
    return returns


def measured(family: str, env_id: str, episodes: int, seed: int) -> str:
    """One pair as TOML."""
    dataset_id = f"{family}-expert-v0"
    data = from_arrays(load.scaled(load.read(dataset_id, download=False))[0])
    expert, random = episode_returns(data), random_returns(env_id, episodes, seed)
    origin = (
        f"measured by benchmarks/references/measure.py: low, uniform random policy in {env_id}, {episodes} episodes, "
        f"seed {seed}, std {random.std():.1f} (gymnasium {version('gymnasium')}, mujoco {version('mujoco')}); high, "
        f"mean of dataset {dataset_id}, {len(expert)} episodes, std {expert.std():.1f}, fingerprint {fingerprint(data)}"
    )
    lines = (
        "[[pair]]",
        f'datasets = ["{family}-*"]',
        "environments = []",
        'convention = "expert"',
        f"low = {random.mean():.4f}",
        f"high = {expert.mean():.4f}",
        f'origin = "{origin}"',
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and with `--write` replace what stands below the mark in the registry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=123)
    parser.add_argument("--write", action="store_true", help="replace the measured pairs in the registry")
    chosen = parser.parse_args()
    pairs = "\n".join(measured(*task, chosen.episodes, chosen.seed) for task in TASKS)
    print(pairs)
    if chosen.write:
        head, mark, rest = reference.FILE.read_text().partition(MARK)
        reference.FILE.write_text(f"{head}{mark}{rest.splitlines()[0]}\n\n{pairs}")


if __name__ == "__main__":
    main()
