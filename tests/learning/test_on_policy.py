"""What on-policy learners are for: good policies and true values on small tasks. Thresholds are measured.

A threshold is what `python -m tests.learning.test_on_policy` prints: the mean of seeds 10 to 19 less three standard
errors of its difference from the mean of five more. The tests train seeds 0 to 4, whose mean has to pass.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.compose.policy_gradient import networks
from jaxrl.envs import suites
from tests.learning.test_values import returns, trained

STEPS = {"envs": 16, "length": 64, "width": 32}
FAST = {"actor_lr": 3e-3, "critic_lr": 3e-3}
PPO = {**STEPS, "actor_lr": 1e-3, "critic_lr": 3e-3, "minibatches": 4, "decay_updates": 100.0}
A2C = {**STEPS, "length": 16, "decay_updates": 1600.0}
PENDULUM = {**STEPS, **FAST, "discount": 0.9, "decay_updates": 100.0}
RUNS = {
    ("ppo", "CartPole-v1"): (60, PPO),
    ("ppo", "Acrobot-v1"): (96, PPO),
    ("ppo", "Pendulum-v1"): (192, {**PPO, "decay_updates": 200.0, "discount": 0.95}),
    ("a2c", "CartPole-v1"): (1600, {**A2C, "actor_lr": 1e-3, "critic_lr": 3e-3, "gradient_clip": 5.0}),
    ("a2c", "Acrobot-v1"): (800, {**A2C, "actor_lr": 2e-3, "critic_lr": 2e-3, "normalise": True}),
    ("reinforce", "CartPole-v1"): (
        60,
        {"width": 32, "length": 256, "decay_updates": 65.0, "actor_lr": 2e-2, "critic_lr": 1e-2},
    ),
    ("mdpo", "CartPole-v1"): (40, {**STEPS, **FAST, "actor_lr": 5e-4, "decay_updates": 60.0}),
    ("mdpo", "Pendulum-v1"): (96, PENDULUM),
}
THRESHOLDS = {
    ("ppo", "CartPole-v1"): 490.0,  # 500 for all ten seeds, less a little for luck
    ("ppo", "Acrobot-v1"): -88.8,  # -82.6 - 3 x 2.1
    ("ppo", "Pendulum-v1"): -211.0,  # -165.0 - 3 x 15.3
    ("a2c", "CartPole-v1"): 425.5,  # 484.0 - 3 x 19.5
    ("a2c", "Acrobot-v1"): -85.7,  # -81.7 - 3 x 1.3
    ("reinforce", "CartPole-v1"): 490.0,  # 500 for all ten seeds, less a little for luck
    ("mdpo", "CartPole-v1"): 490.0,  # 500 for all ten seeds, less a little for luck
    ("mdpo", "Pendulum-v1"): -355.2,  # -223.6 - 3 x 43.9
}
SHORT = {"envs": 16, "length": 8, "width": 16, "actor_lr": 1e-2, "critic_lr": 1e-2, "gradient_clip": 5.0}
PROBES = {
    "ppo": {**SHORT, "actor_lr": 3e-3, "passes": 4, "minibatches": 4, "normalise": False},
    "a2c": {**SHORT, "actor_lr": 5e-3, "critic_lr": 3e-3, "entropy_weight": 0.0},
    "reinforce": {**SHORT, "minibatches": 4},
    "mdpo": {**SHORT, "minibatches": 4, "normalise": False, "actor_lr": 2e-3, "decay_updates": 1e4},
}


def learned(name: str, env: str, seeds=range(10, 20)) -> np.ndarray:
    """Returns of the seeds' greedy policies."""
    updates, settings = RUNS[name, env]
    return returns(name, suites.environment(env), updates, seeds, **settings)


def values(name: str, probe: str, obs) -> np.ndarray:
    """Values of states obs [B, 1] that five seeds learned on a probe, [5, B]."""
    env = suites.environment(probe)
    progress, _, _ = trained(name, env, 200, range(5), **PROBES[name])
    net = networks(env.spec, None, SHORT["width"], 2).v
    return np.asarray(jax.vmap(lambda params: net.apply(params, obs))(progress.state.params["critic"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBES)
def test_it_learns_the_value_of_a_constant_reward(name):
    np.testing.assert_allclose(values(name, "ProbeConstant-v0", jnp.zeros((1, 1))), 1.0, atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBES)
def test_it_bootstraps_and_stops_at_terminations(name):
    found = values(name, "ProbeTwoStep-v0", jnp.asarray([[0.0], [1.0]]))
    np.testing.assert_allclose(found, [[0.99, 1.0]] * 5, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBES)
def test_it_finds_the_best_action_and_tells_right_from_wrong(name):
    for probe, least in (("ProbeAction-v0", 0.9), ("ProbeClass-v0", 1.0)):
        assert returns(name, suites.environment(probe), 200, range(5), **PROBES[name]).min() >= least, probe


@pytest.mark.slow
@pytest.mark.parametrize(("name", "env"), RUNS)
def test_it_reaches_its_threshold(name, env):
    assert learned(name, env, range(5)).mean() > THRESHOLDS[name, env]


@pytest.mark.slow
def test_ten_inner_steps_of_mirror_descent_beat_one_at_equal_samples():
    env, (updates, settings) = suites.environment("Pendulum-v1"), RUNS["mdpo", "Pendulum-v1"]
    one = returns("mdpo", env, updates, range(5), **settings, steps=1)
    ten = learned("mdpo", "Pendulum-v1", range(5))
    assert ten.mean() - one.mean() > 300, "measured: -190 and -1030"


def test_every_run_has_a_threshold():
    assert set(THRESHOLDS) == set(RUNS)


def main() -> None:
    """Print the samples that the thresholds come from."""
    for name, env in RUNS:
        sample = learned(name, env)
        mean, std = sample.mean(), sample.std(ddof=1)
        error = std * (1 / len(sample) + 1 / 5) ** 0.5
        print(f'    ("{name}", "{env}"): {mean - 3 * error:.1f},  # {mean:.1f} - 3 x {error:.1f}', flush=True)
    for name in PROBES:
        constant, steps = (
            values(name, f"Probe{probe}-v0", jnp.asarray([[0.0], [1.0]])) for probe in ("Constant", "TwoStep")
        )
        best = [
            returns(name, suites.environment(f"Probe{p}-v0"), 200, range(5), **PROBES[name])
            for p in ("Action", "Class")
        ]
        print(
            name, np.round(constant[:, 0], 3), np.round(steps, 3).tolist(), *(np.round(x, 3) for x in best), flush=True
        )


if __name__ == "__main__":
    main()
