"""Whether imitation follows a dataset's quality and unconstrained Q-learning its coverage, as arXiv:2111.04714 found.

    python -m benchmarks.measures [cartpole|embedded] [--steps 20000] [--updates 10000] [--seeds 3]

CartPole-v1, one of the paper's tasks; datasets of one size from a scripted controller in place of DQN, and a replay in
which its random moves fade out. Learners: `bc`, and plain DQN (`cql_discrete` without its penalty, one critic). Or the
embedded Pendulum sets, with TD3 (`td3_bc`, next to no imitation) in place of DQN. Prints each dataset's TQ and SACo,
the scores on TQ's scale, and the correlations over datasets.
"""

import argparse
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl
from jaxrl import tasks
from jaxrl.core import compilation
from jaxrl.core.types import Dataset, Reference, Task
from jaxrl.data.dataset import Arrays, episode_returns, fingerprint, from_arrays
from jaxrl.envs import suites
from jaxrl.measures import coverage, quality
from jaxrl.measures.cells import grid, pair_cells

GOOD = (0.1, 0.3, 3.0, 1.0)
"""Push right where this times (position, speed, angle, angular speed) is positive: 500 steps."""
POOR = (0.0, 0.0, 1.0, 0.05)
"""The same, less steady: random moves bring it down."""
BAD = (0.0, 0.0, 1.0, 0.0)
"""Swings ever wider: about 40 steps."""
BEST = 500.0
SIZES = {"width": 64, "depth": 2, "batch": 128, "episodes": 20}
BC = ("BC", "bc", {"actor_lr": 1e-3})
DQN = ("DQN", "cql_discrete", {"critic_lr": 1e-3, "conservatism": 0.0, "critics": 1, "discount": 0.95})
TD3 = ("TD3", "td3_bc", {"actor_lr": 1e-3, "critic_lr": 1e-3, "q_scale": 1e4})
PENDULUM = "embedded/pendulum-{}-v0"
EMBEDDED = ("random", "medium", "medium-replay", "expert", "expert-v0+mixture:0.05", "expert-v0+mixture:0.3")


class Part(NamedTuple):
    """Episodes of one behaviour. share: of the steps; rate: of random moves, from the first episode to the last."""

    share: float
    rate: tuple[float, float]
    weights: tuple[float, ...] = GOOD


SETS = {
    "random": (Part(1.0, (1, 1)),),
    "mixed, 5 % expert": (Part(0.95, (1, 1)), Part(0.05, (0, 0))),
    "mixed, 20 % expert": (Part(0.8, (1, 1)), Part(0.2, (0, 0))),
    "medium": (Part(1.0, (0.35, 0.35), POOR),),
    "replay": (Part(1.0, (1, 0.05)),),
    "half random": (Part(1.0, (0.5, 0.5)),),
    "noisy": (Part(1.0, (0.2, 0.2)),),
    "nearly expert": (Part(1.0, (0.05, 0.05)),),
    "expert": (Part(1.0, (0, 0)),),
    "poor": (Part(1.0, (0, 0), BAD),),
    "poor and expert": (Part(0.5, (0, 0), BAD), Part(0.5, (0, 0))),
}


def rolled(key, part: Part, episodes: int) -> tuple[np.ndarray, ...]:
    """(obs, action, reward, next_obs, terminated, truncated) of whole episodes, in random order."""
    env = suites.environment("CartPole-v1")

    def episode(key, rate):
        k_reset, k_steps = jax.random.split(key)

        def step(carry, key):
            state, obs, alive = carry
            k_luck, k_move, k_step = jax.random.split(key, 3)
            planned = (obs @ jnp.array(part.weights) > 0).astype(jnp.int32)
            action = jnp.where(jax.random.bernoulli(k_luck, rate), jax.random.randint(k_move, (), 0, 2), planned)
            state, after = env.step(k_step, env.params, state, action)
            row = obs, action, after.reward, after.obs, after.terminated, after.truncated, alive
            return (state, after.obs, alive * (1 - jnp.maximum(after.terminated, after.truncated))), row

        state, timestep = env.reset(k_reset, env.params)
        keys = jax.random.split(k_steps, env.spec.horizon)
        return jax.lax.scan(step, (state, timestep.obs, 1.0), keys)[1]

    rates = jax.random.permutation(key, jnp.linspace(*part.rate, episodes))
    *columns, alive = jax.jit(jax.vmap(episode))(jax.random.split(key, episodes), rates)
    kept = np.asarray(alive).reshape(-1) > 0
    return tuple(np.asarray(x).reshape(-1, *x.shape[2:])[kept] for x in columns)


def made(key, parts: tuple[Part, ...], steps: int) -> Dataset:
    """That many steps of a mixture; of a fading behaviour, episodes from all its stages."""
    pieces = []
    for index, part in enumerate(parts):
        wanted, own = round(part.share * steps), jax.random.fold_in(key, index)
        probe = rolled(own, part, 64)
        episodes = int(1.3 * wanted / (len(probe[0]) / 64)) + 2
        pieces.append([x[-wanted:] for x in rolled(own, part, episodes)])
    obs, action, reward, following, terminated, truncated = (np.concatenate(x) for x in zip(*pieces, strict=True))
    last = (terminated + truncated) > 0
    cuts = np.cumsum([len(piece[0]) for piece in pieces]) - 1
    truncated[cuts] = np.where(terminated[cuts] > 0, 0, 1)
    last[cuts] = True
    return from_arrays(Arrays(obs, action, reward, following, terminated > 0, truncated > 0, last))


def cartpole(steps: int) -> dict[str, Task]:
    """Tasks by the names of their datasets."""
    env = suites.environment("CartPole-v1")
    sets = {name: made(jax.random.key(i), parts, steps) for i, (name, parts) in enumerate(SETS.items())}
    low = float(episode_returns(sets["random"]).mean())
    reference = Reference(low, BEST, "given", "mean of the random set; steps of an episode")
    return {
        name: Task("made/cartpole-v0", env, data, (reference,), version=fingerprint(data))
        for name, data in sets.items()
    }


def embedded() -> dict[str, Task]:
    """Tasks by the names of their datasets."""
    ids = {name: PENDULUM.format(name) if "+" not in name else f"embedded/pendulum-{name}" for name in EMBEDDED}
    return {name: tasks.load(one) for name, one in ids.items()}


def scores(task: Task, learners, seeds: int, updates: int) -> list[np.ndarray]:
    """Last scores of each learner, on TQ's scale; [seeds] each."""
    found = []
    for _, card, settings in learners:
        run = jaxrl.sweep(card, task, seeds=range(seeds), updates=updates, evaluate_every=updates, **SIZES, **settings)
        found.append(np.asarray(run.scores)[0, :, -1] / 100)
    return found


def correlation(x, y) -> tuple[float, float]:
    """Pearson's, and Spearman's, which is that of ranks."""
    ranks = [np.argsort(np.argsort(values)) for values in (x, y)]
    return float(np.corrcoef(x, y)[0, 1]), float(np.corrcoef(*ranks)[0, 1])


def measured(found: dict[str, Task], replay: str, learners, seeds: int, updates: int) -> None:
    """Print a row a dataset, then the correlations."""
    bins = grid(found[replay].dataset.steps.obs)
    pairs = pair_cells(found[replay].dataset, bins)
    heads = "".join(f"{name:>14}" for name, *_ in learners)
    print(f"{'dataset':<26}{'TQ':>7}{'SACo':>7}{heads}   (mean ± deviation over {seeds} seeds)", flush=True)
    rows = []
    for name, task in found.items():
        tq = quality.trajectory_quality(episode_returns(task.dataset), task.references[0])
        saco = coverage.saco(pair_cells(task.dataset, bins), pairs)
        reached = scores(task, learners, seeds, updates)
        texts = "".join(f"{f'{one.mean():.2f} ± {one.std():.2f}':>14}" for one in reached)
        print(f"{name:<26}{tq:>7.2f}{saco:>7.2f}{texts}", flush=True)
        rows.append((tq, saco, *(one.mean() for one in reached)))
    tq, saco, *columns = np.array(rows).T
    for (label, *_), column in zip(learners, columns, strict=True):
        for what, measure in (("TQ", tq), ("SACo", saco)):
            pearson, spearman = correlation(measure, column)
            print(f"{label} with {what}: Pearson {pearson:+.2f}, Spearman {spearman:+.2f}, {len(rows)} datasets")


def main() -> None:
    """Measure, train, print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", nargs="?", choices=["cartpole", "embedded"], default="cartpole")
    for name, default in (("steps", 20_000), ("updates", 10_000), ("seeds", 3)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    chosen = arguments.parse_args()
    compilation.keep()
    if chosen.data == "cartpole":
        measured(cartpole(chosen.steps), "replay", (BC, DQN), chosen.seeds, chosen.updates)
    else:
        measured(embedded(), "medium-replay", (BC, TD3), chosen.seeds, chosen.updates)


if __name__ == "__main__":
    main()
