"""What the cards are for: better policies than their data's, and better than cloning it. Thresholds are measured.

A threshold is what `python -m tests.learning.test_offline` prints: the mean of seeds 10 to 19 less three standard
errors of its difference from the mean of five more. The tests train seeds 0 to 4, whose mean has to pass.
"""

import functools

import jax
import numpy as np
import pytest

import jaxrl
from jaxrl.core.types import Task
from jaxrl.data.dataset import Arrays, from_arrays
from jaxrl.envs import suites

MAZE = "embedded/pointmaze-umaze-medium-replay-v0"
SMALL = {"width": 32, "depth": 2, "batch": 64, "updates": 3_000, "evaluate_every": 3_000, "episodes": 20}
FAST = {"actor_lr": 1e-3, "critic_lr": 1e-3}
SETTINGS = {
    "bc": {"actor_lr": 1e-3},
    "percent_bc": {"actor_lr": 1e-3},
    "td3_bc": FAST,
    "rebrac": {**FAST, "actor_bc": 0.05},
    "awac": FAST,
    "iql": {**FAST, "value_lr": 1e-3, "return_range": 0.0},
    "riql": {**FAST, "value_lr": 1e-3},
    "prdc": FAST,
    "a2pr": {**FAST, "value_lr": 1e-3, "vae_width": 64},
    "cql": {"critic_lr": 1e-3, "actor_lr": 3e-4, "conservatism": 1.0, "samples": 4},
    "cql_lagrange": {"critic_lr": 1e-3, "actor_lr": 3e-4, "gap": 5.0, "samples": 4},
    "sac_n": {"critic_lr": 1e-3, "actor_lr": 3e-4, "critics": 5},
    "edac": {"critic_lr": 1e-3, "actor_lr": 3e-4, "critics": 5},
}
DISCRETE = {
    "bc": {"actor_lr": 1e-3},
    "percent_bc": {"actor_lr": 1e-3},
    "iql": {**FAST, "value_lr": 1e-3, "return_range": 0.0, "expectile": 0.9, "inverse_temperature": 10.0},
    "cql_discrete": {"critic_lr": 1e-3, "conservatism": 0.1},
}


CLONED_EXPERT = 91.0  # 98.0 - 3 x 2.3
THRESHOLDS = {
    "bc": -17.8,  # 12.9 - 3 x 10.2
    "percent_bc": 85.8,  # 94.3 - 3 x 2.8
    "td3_bc": 51.1,  # 71.3 - 3 x 6.7
    "rebrac": 43.2,  # 79.4 - 3 x 12.0
    "awac": 98.4,  # 100.1 - 3 x 0.6
    "iql": 74.5,  # 87.6 - 3 x 4.4
    "riql": 62.5,  # 85.2 - 3 x 7.5
    "prdc": 32.7,  # 66.9 - 3 x 11.4
    "a2pr": 47.9,  # 76.8 - 3 x 9.6
    "cql": 84.5,  # 94.3 - 3 x 3.3
    "cql_lagrange": 61.1,  # 78.1 - 3 x 5.7
    "sac_n": 43.0,  # 66.9 - 3 x 7.9
    "edac": 33.4,  # 60.6 - 3 x 9.1
}
THRESHOLDS_DISCRETE = {
    "bc": -3.0,  # 3.3 - 3 x 2.1
    "percent_bc": 13.4,  # 17.2 - 3 x 1.3
    "iql": 26.4,  # 26.8 - 3 x 0.2
    "cql_discrete": 26.4,  # 26.8 - 3 x 0.2
}


@functools.cache
def maze():
    return jaxrl.load(MAZE)


@functools.cache
def grid(episodes: int = 400) -> Task:
    """A grid maze with the steps of uniformly random actions."""
    env = suites.environment("GridMaze-v0")

    def episode(key):
        state, timestep = env.reset(jax.random.fold_in(key, 0), env.params)

        def step(carry, time):
            state, obs = carry
            k_act, k_step = jax.random.split(jax.random.fold_in(key, time + 1))
            action = jax.random.randint(k_act, (), 0, env.spec.action)
            state, t = env.step(k_step, env.params, state, action)
            return (state, t.obs), (obs, action, t.reward, t.obs, t.terminated, t.truncated)

        return jax.lax.scan(step, (state, timestep.obs), jax.numpy.arange(env.spec.horizon))[1]

    rows = jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(0), episodes))
    ended = np.asarray(rows[4] + rows[5]) > 0
    alive = np.cumsum(ended, 1) - ended == 0
    obs, action, reward, next_obs, terminated, truncated = (np.asarray(x)[alive] for x in rows)
    arrays = Arrays(obs, action, reward, next_obs, terminated > 0, truncated > 0, ended[alive])
    return Task("grid", env, from_arrays(arrays))


def last(card: str, seeds=range(10, 20)) -> np.ndarray:
    """Scores of the seeds after training on the point maze."""
    options = {name: value for name, value in SMALL.items() if name != "depth"} | SETTINGS[card]
    return jaxrl.sweep(card, maze(), seeds=list(seeds), depth=SMALL["depth"], **options).scores[0, :, -1]


def repeated(card: str, seeds=range(10, 20)) -> np.ndarray:
    """Scores of the seeds after training on the expert's data."""
    task = jaxrl.load("embedded/pointmaze-umaze-expert-v0")
    return jaxrl.sweep(card, task, seeds=list(seeds), **SMALL, **SETTINGS[card]).scores[0, :, -1]


def last_discrete(card: str, seeds=range(10, 20)) -> np.ndarray:
    """Returns of the seeds after training on random steps in the grid maze."""
    return jaxrl.sweep(card, grid(), seeds=list(seeds), **SMALL, **DISCRETE[card]).returns[0, :, -1]


@functools.cache
def trained(card: str) -> float:
    """Mean score of seeds 0 to 4 on the point maze."""
    return float(last(card, range(5)).mean())


@functools.cache
def trained_discrete(card: str) -> float:
    """Mean return of seeds 0 to 4 in the grid maze."""
    return float(last_discrete(card, range(5)).mean())


@pytest.mark.slow
def test_cloning_an_expert_is_about_as_good():
    assert repeated("bc", range(5)).mean() > CLONED_EXPERT


@pytest.mark.slow
@pytest.mark.parametrize("card", THRESHOLDS)
def test_it_reaches_its_threshold_in_the_maze(card):
    assert trained(card) > THRESHOLDS[card]


@pytest.mark.slow
@pytest.mark.parametrize("card", sorted(set(THRESHOLDS) - {"bc"}))
def test_it_beats_cloning_by_far_in_the_maze(card):
    """The data's mean score is 20; cloning a mixture of walkers lies below it."""
    assert trained(card) > trained("bc") + 20


@pytest.mark.slow
@pytest.mark.parametrize("card", THRESHOLDS_DISCRETE)
def test_it_reaches_its_threshold_in_the_grid(card):
    assert trained_discrete(card) > THRESHOLDS_DISCRETE[card]


@pytest.mark.slow
@pytest.mark.parametrize("card", ["iql", "cql_discrete"])
def test_value_learning_solves_what_cloning_of_random_steps_does_not(card):
    assert trained_discrete(card) > 2 * trained_discrete("bc")


def test_every_card_has_a_threshold():
    cards = [card for card in jaxrl.cards().values() if card.kind == "offline"]
    assert set(THRESHOLDS) == {card.name for card in cards if "continuous" in card.actions}
    assert set(THRESHOLDS_DISCRETE) == {card.name for card in cards if "discrete" in card.actions}


def main() -> None:
    """Print the sample that the thresholds come from."""
    for run, cards in ((repeated, ["bc"]), (last, SETTINGS), (last_discrete, DISCRETE)):
        for card in cards:
            sample = run(card)
            mean, std = sample.mean(), sample.std(ddof=1)
            error = std * (1 / len(sample) + 1 / 5) ** 0.5
            print(f'    "{card}": {mean - 3 * error:.1f},  # {mean:.1f} - 3 x {error:.1f}', flush=True)


if __name__ == "__main__":
    main()
