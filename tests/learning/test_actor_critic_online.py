"""What off-policy actor-critics are for: the right action, a pendulum that stands, a maze walked through.

A threshold is what `python -m tests.learning.test_actor_critic_online` prints: the mean of seeds 10 to 19 less three
standard errors of its difference from the mean of five more. The tests train seeds 0 to 4, whose mean has to pass.
"""

import functools

import numpy as np
import pytest

import jaxrl

SMALL = {"width": 64, "batch": 64, "warmup": 500, "capacity": 20_000, "critic_lr": 1e-3, "actor_lr": 1e-3}
QUICK = {**SMALL, "discount": 0.95, "polyak": 0.02}
SOFT = {**QUICK, "temperature_lr": 1e-3}
LOUD = {**QUICK, "explore_noise": 0.3}
CROSSED = {**SMALL, "discount": 0.95, "temperature_lr": 3e-3, "wider": 2}
MANY = {**QUICK, "temperature_lr": 3e-3, "actor_lr": 3e-3, "repeat": 5, "critics": 4}
SETTINGS = {
    "sac": (4000, SOFT),
    "td3": (5000, LOUD),
    "ddpg": (5000, LOUD),
    "mdpo_off_policy": (4000, {**QUICK, "copy_every": 100}),
    "crossq": (2500, CROSSED),
    "redq": (1500, MANY),
}
MAZE = {
    "sac": (3000, {**SMALL, "temperature_lr": 1e-3}),
    "td3": (3000, {**LOUD, "discount": 0.99}),
}
THRESHOLDS = {}
THRESHOLDS_MAZE = {}


def returns(name: str, env: str, updates: int, settings, seeds=range(10, 20), episodes: int = 20) -> np.ndarray:
    """Mean returns of the seeds' policies after training."""
    result = jaxrl.sweep(
        name, env, seeds=list(seeds), updates=updates, evaluate_every=updates, episodes=episodes, **settings
    )
    return result.returns[0, :, -1]


def swung_up(name: str, seeds=range(10, 20)) -> np.ndarray:
    """Returns on Pendulum; it hangs at about -1,200 and is held up at about -150, that being the way up."""
    return returns(name, "Pendulum-v1", *SETTINGS[name], seeds)


def walked(name: str, seeds=range(10, 20)) -> np.ndarray:
    """Steps of 100 at the goal of the point maze."""
    return returns(name, "PointMaze-UMaze-v0", *MAZE[name], seeds)


@functools.cache
def after(name: str, steps: int, **changes) -> float:
    """Mean return of seeds 0 to 4 on Pendulum after that many steps."""
    return float(returns(name, "Pendulum-v1", steps, {**SETTINGS[name][1], **changes}, range(5)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_it_finds_the_best_action(name):
    """0.5, worth 1; the middle is worth 0.75."""
    settings = {**SETTINGS[name][1], "width": 32, "warmup": 100, "actor_lr": 3e-3, "critic_lr": 3e-3}
    assert returns(name, "ProbeAction-v0", 800, settings, range(3)).min() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_it_holds_the_pendulum_up(name):
    assert swung_up(name, range(5)).mean() > THRESHOLDS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", MAZE)
def test_it_walks_through_the_maze(name):
    assert walked(name, range(5)).mean() > THRESHOLDS_MAZE[name]


def main() -> None:
    """Print the samples that the thresholds come from."""
    for run, names in ((swung_up, SETTINGS), (walked, MAZE)):
        for name in names:
            sample = run(name)
            mean, std = sample.mean(), sample.std(ddof=1)
            error = std * (1 / len(sample) + 1 / 5) ** 0.5
            print(f'    "{name}": {mean - 3 * error:.1f},  # {mean:.1f} - 3 x {error:.1f}', flush=True)


if __name__ == "__main__":
    main()
