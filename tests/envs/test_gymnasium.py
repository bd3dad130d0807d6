"""Gymnasium environments as ours, and ours as Gymnasium's."""

import json
import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from jaxrl.core.check import InputError
from jaxrl.envs import suites
from jaxrl.envs.adapters import gymnasium as adapter


class Odd(gymnasium.Env):
    """An environment with the spaces given."""

    def __init__(self, observation, action, render_mode=None):
        self.observation_space, self.action_space = observation, action

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def odd(observation, action, **settings) -> EnvSpec:
    return EnvSpec(id="Odd-v0", entry_point=Odd, kwargs={"observation": observation, "action": action}, **settings)


BOX = gymnasium.spaces.Box(-1.0, 1.0, (2,))


@pytest.mark.parametrize("name", ["Pendulum-v1", "CartPole-v1", "Acrobot-v1"])
def test_host_spec_equals_the_one_in_jax(name):
    host = adapter.host(name)
    ours = suites.environment(name).spec
    assert host.spec == ours
    assert adapter.jax_name(gymnasium.spec(name)) == name


def test_host_flattens_dictionaries_and_limits_time():
    space = gymnasium.spaces.Dict({"a": BOX, "b": gymnasium.spaces.Discrete(3)})
    host = adapter.host(odd(space, gymnasium.spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 5.0]), dtype=np.float64)))
    assert host.spec == ("Odd-v0", 5, 2, 1000, False, (-2.0, 0.0), (2.0, 5.0))
    env = host.make()
    assert env.reset(seed=0)[0].shape == (5,)
    assert [env.step(env.action_space.sample())[3] for _ in range(1000)] == [False] * 999 + [True]
    assert adapter.host(odd(BOX, gymnasium.spaces.Discrete(4), max_episode_steps=7)).spec.horizon == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Hoper-v5", "unknown environment 'Hoper-v5'.*check the id"),
        ("NoSuchPackage/Thing-v0", "unknown environment 'NoSuchPackage/Thing-v0'"),
        ("no_such_module:Thing-v0", "pip install no-such-module"),
        (
            EnvSpec("A-v0", entry_point="gymnasium_nowhere.envs:A"),
            "'A-v0' cannot be made.*pip install gymnasium-nowhere",
        ),
        (odd(BOX, gymnasium.spaces.Box(-np.inf, np.inf, (1,))), "'Odd-v0' has unbounded actions"),
        (odd(BOX, gymnasium.spaces.MultiDiscrete([2, 2])), "'Odd-v0' has actions MultiDiscrete"),
        (odd(BOX, gymnasium.spaces.Discrete(3, start=1)), "only Discrete from 0"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(given, message):
    with pytest.raises(InputError, match=message) as caught:
        adapter.host(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["PointMaze-UMaze-v0", "PointMass-v0", "ProbeTwoStep-v0", "Chain-v0"])
def test_ours_pass_the_checker_of_gymnasium(name):
    spec = EnvSpec.from_json(adapter.env_spec(name).to_json())
    env = gymnasium.make(spec)
    with warnings.catch_warnings():
        # Our observations have no bounds, of which the checker warns.
        warnings.filterwarnings("ignore", message=".*Box observation space (minimum|maximum) value is.*infinity")
        check_env(env.unwrapped, skip_render_check=True)
    assert adapter.jax_name(spec) == name
    assert spec.id == f"jaxrl/{name}"
    assert adapter.host(spec).spec == suites.environment(name).spec._replace(name=spec.id)
    assert adapter.host(spec.id).spec == adapter.host(spec).spec


def test_ours_step_as_in_jax_in_physical_units():
    host = gymnasium.make(EnvSpec("P-v0", entry_point=adapter.ENTRY, kwargs={"name": "Pendulum-v1"}))
    host.reset(seed=3)
    inner, env = host.unwrapped, suites.environment("Pendulum-v1")
    state = inner._state
    for action in (-2.0, 0.5, 2.0):
        state, ours = env.step(jax.random.key(0), env.params, state, jnp.full(1, action / 2))
        obs, reward, terminated, truncated, _ = host.step(np.array([action], np.float32))
        np.testing.assert_allclose(obs, ours.obs, rtol=1e-5, atol=1e-6)
        assert reward == pytest.approx(float(ours.reward), rel=1e-5)
        assert not (terminated or truncated)


def test_env_spec_is_gymnasiums_own_where_it_has_one():
    assert adapter.env_spec("Pendulum-v1") == gymnasium.spec("Pendulum-v1")
    assert json.loads(adapter.env_spec("PointMaze-Large-v0").to_json())["max_episode_steps"] == 200
    with pytest.raises(InputError, match="unknown environment"):
        adapter.env_spec("PointMaze-Huge-v0")


def test_changed_environments_are_not_taken_for_ours():
    pendulum = gymnasium.spec("Pendulum-v1")
    for change in ({"kwargs": {"g": 5.0}}, {"max_episode_steps": 100}, {"id": "Hopper-v5"}):
        changed = gymnasium.envs.registration.EnvSpec(
            **{"id": pendulum.id, "entry_point": pendulum.entry_point, "max_episode_steps": 200} | change
        )
        assert adapter.jax_name(changed) is None
