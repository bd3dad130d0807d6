"""What learners of action values are for: good policies and true values on small tasks. Thresholds are measured.

A threshold is what `python -m tests.learning.test_values` prints: the mean of seeds 10 to 19 less three standard errors
of its difference from the mean of five more. The tests train seeds 0 to 4, whose mean has to pass.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.types import Env, Spec
from jaxrl.envs import suites, tabular
from jaxrl.envs.control import timed
from jaxrl.evaluation.rollout import evaluate
from jaxrl.networks import critics
from jaxrl.registry import card
from jaxrl.train.fit import fit

FAST = {"critic_lr": 1e-3, "explore_updates": 1000.0}
RING = {"width": 64, "copy_every": 100, "capacity": 40_000, "warmup": 1000, "per": 4, "steps": 5, "batch": 64}
SHORT = {**RING, "width": 32, "copy_every": 20, "capacity": 2000, "warmup": 500, "per": 1, "steps": 1, "batch": 32}
SETTINGS = {
    "dqn": FAST,
    "double_dqn": FAST,
    "dueling_dqn": FAST,
    "prioritised_dqn": FAST,
    "c51": {**FAST, "low": 0.0, "high": 110.0},
    "qr_dqn": {**FAST, "quantiles": 21},
}
PQN = {"width": 64, "critic_lr": 2.5e-4, "decay_updates": 160.0, "explore_updates": 32.0}
THRESHOLDS = {
    "dqn": 386.0,  # 460.4 - 3 x 24.8
    "double_dqn": 340.8,  # 438.5 - 3 x 32.6
    "dueling_dqn": 324.2,  # 441.3 - 3 x 39.0
    "prioritised_dqn": 342.7,  # 442.1 - 3 x 33.1
    "c51": 277.2,  # 426.3 - 3 x 49.7
    "qr_dqn": 193.1,  # 376.3 - 3 x 61.1
    "pqn": 490.0,  # 500 for all ten seeds, less a little for luck
}
ACROBOT = -104.9  # -93.7 - 3 x 3.7
VALUES = -0.02  # -0.003, where the largest value is 10


def trained(name: str, env: Env, updates: int, seeds, **settings):
    """(states, feeds, hyper, learner) after training all seeds in one compiled call; settings find their place."""
    one = card(name)
    pick = lambda names: {key: value for key, value in settings.items() if key in names}
    learner, hyper = one.make(env.spec, **pick(one.structure())), one.hyper(**pick(one.numbers()))
    sizes = pick(one.collection())
    source = one.collect(env, settings["batch"], **sizes) if one.batch else one.collect(env, **sizes)
    keys = jax.vmap(jax.random.key)(jnp.asarray(list(seeds)))
    progress, _ = jax.jit(jax.vmap(lambda key: fit(key, learner, hyper, source, updates)))(keys)
    return progress, hyper, learner


def returns(name: str, env: Env, updates: int, seeds, episodes: int = 20, **settings) -> np.ndarray:
    """Mean returns of the seeds' greedy policies after training."""
    progress, hyper, learner = trained(name, env, updates, seeds, **settings)

    def one(state):
        return evaluate(jax.random.key(5), env, learner.policy(hyper, state), episodes).mean()

    return np.asarray(jax.jit(jax.vmap(one))(progress.state))


def balanced(name: str, seeds=range(10, 20)) -> np.ndarray:
    """Returns on CartPole."""
    env = suites.environment("CartPole-v1")
    if name == "pqn":
        return returns(name, env, 160, seeds, **PQN)
    return returns(name, env, 8000, seeds, **RING, **SETTINGS[name])


def swung_up(seeds=range(10, 20)) -> np.ndarray:
    """Returns of DQN on Acrobot."""
    return returns("dqn", suites.environment("Acrobot-v1"), 8000, seeds, **RING, **SETTINGS["dqn"])


def error_of_values(seeds=range(10, 20)) -> np.ndarray:
    """Minus the largest error of DQN's values on the chain, whose true values are known."""
    settings = {**SHORT, **FAST, "discount": 0.9, "explore_to": 0.5}
    progress, _, _ = trained("dqn", suites.environment("Chain-v0"), 3000, seeds, **settings)
    net = critics.table(suites.environment("Chain-v0").spec, width=SHORT["width"])
    found = jax.vmap(lambda params: net.apply(params, jnp.eye(5)))(progress.state.params["critic"])
    return -np.asarray(jnp.abs(found - tabular.value_iteration(tabular.chain())[None]).max((1, 2)))


def noise() -> Env:
    """Two steps, ten actions, a reward without meaning at the second: every value is zero."""
    spec = Spec("Noise-v0", obs=1, action=10, horizon=2, discrete=True)

    def move(key, params, values, action):
        return values + 1, values[0] * jax.random.normal(key), values[0] > 0

    return timed(spec, (), lambda key, params: jnp.zeros(1), move, lambda values: values)


def overestimate(name: str, seeds) -> np.ndarray:
    """The largest value of the start of pure noise, learned from a short memory; the truth is zero."""
    settings = {**SHORT, "capacity": 200, "warmup": 200, "copy_every": 800, "critic_lr": 1e-3, "discount": 1.0}
    progress, _, _ = trained(name, noise(), 4000, seeds, **settings, explore_to=1.0)
    net = critics.table(noise().spec, width=SHORT["width"])
    return np.asarray(jax.vmap(lambda p: net.apply(p, jnp.zeros(1)).mean())(progress.state.params["critic"]))


@functools.cache
def classes(name: str) -> np.ndarray:
    """Returns on the probe whose action has to agree with the observation."""
    env = suites.environment("ProbeClass-v0")
    if name == "pqn":
        sizes = {"envs": 8, "length": 8, "minibatches": 4, "critic_lr": 1e-2}
        return returns(name, env, 60, range(5), episodes=100, **{**PQN, **sizes})
    return returns(name, env, 600, range(5), episodes=100, **{**SHORT, **SETTINGS[name], "low": -1.0, "high": 2.0})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dqn", "c51", "qr_dqn", "pqn"])
def test_it_tells_right_from_wrong(name):
    assert classes(name).min() == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", THRESHOLDS)
def test_it_reaches_its_threshold_on_cartpole(name):
    assert balanced(name, range(5)).mean() > THRESHOLDS[name]


@pytest.mark.slow
def test_dqn_reaches_its_threshold_on_acrobot():
    assert swung_up(range(5)).mean() > ACROBOT


@pytest.mark.slow
def test_values_on_the_chain_are_the_true_ones():
    assert error_of_values(range(5)).mean() > VALUES


@pytest.mark.slow
def test_double_dqn_overestimates_less():
    """Where all values are zero DQN believes in a gain (arXiv:1509.06461, theorem 1), Double DQN in next to none."""
    plain, double = (overestimate(name, range(20)) for name in ("dqn", "double_dqn"))
    error = (plain.var() / 20 + double.var() / 20) ** 0.5
    assert plain.mean() - double.mean() > 5 * error
    assert plain.mean() > 0.2 and abs(double.mean()) < 0.5 * plain.mean(), "measured: 0.32 and 0.04"


def test_every_card_of_action_values_has_a_threshold():
    assert set(THRESHOLDS) == {*SETTINGS, "pqn"}


def main() -> None:
    """Print the samples that the thresholds come from."""
    runs = {name: functools.partial(balanced, name) for name in [*SETTINGS, "pqn"]}
    for name, run in {**runs, "ACROBOT": swung_up, "VALUES": error_of_values}.items():
        sample = run()
        mean, std = sample.mean(), sample.std(ddof=1)
        error = std * (1 / len(sample) + 1 / 5) ** 0.5
        print(f'    "{name}": {mean - 3 * error:.2f},  # {mean:.2f} - 3 x {error:.2f}', flush=True)
    for name in ("dqn", "double_dqn"):
        sample = overestimate(name, range(20))
        print(f"# overestimate of {name}: {sample.mean():.3f} +- {sample.std():.3f}")


if __name__ == "__main__":
    main()
