"""MuJoCo Playground's environments as ours; most of it needs the extra `playground`."""

import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs.adapters import playground as adapter
from jaxrl.envs.adapters import prefixed

pytestmark = pytest.mark.filterwarnings("ignore")  # Playground and Warp warn of their own affairs


def library():
    return pytest.importorskip("mujoco_playground", reason="needs the extra playground")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_playground", None)
    with pytest.raises(InputError, match=r"pip install 'jaxrl-suite\[playground\]'") as error:
        prefixed.environment("playground/CartpoleBalance")
    assert "playground/CartpoleBalance" in str(error.value) and "\n" not in str(error.value)


class Config(dict):
    """A configuration whose entries are attributes too."""

    __getattr__ = dict.__getitem__


class Registry:
    """A stand-in for Playground's registry with one environment, `Line`: x moves by the action, ends past 1."""

    ALL_ENVS = ("Line", "Twice", "Robot", "Odd")

    def __init__(self):
        self.overrides = None

    def get_default_config(self, name):
        return Config(episode_length=5, action_repeat=2 if name == "Twice" else 1, impl="warp")

    def load(self, name, config_overrides):
        self.overrides = config_overrides
        if name == "Odd":
            raise NotImplementedError("no such\nfeature in MJX")
        pack = lambda x, reward, ended: Line(x, {"state": x, "privileged_state": x}, reward, ended)
        return SimpleNamespace(
            action_size=2,
            reset=lambda key: pack(jax.random.uniform(key, (2,)) * 0.1, jnp.zeros(()), jnp.zeros(())),
            step=lambda state, action: pack(state.x + action, action.sum(), ((state.x + action) > 1).any() * 1.0),
        )


@jax.tree_util.register_pytree_node_class
class Line:
    """State of the stand-in's environment."""

    def __init__(self, x, obs, reward, ended):
        self.x, self.obs, self.reward, self.done = x, obs, reward, ended

    def tree_flatten(self):
        return (self.x, self.obs, self.reward, self.done), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


@pytest.fixture
def stand_in(monkeypatch):
    registry = Registry()
    module = SimpleNamespace(registry=registry, dm_control_suite=SimpleNamespace(ALL_ENVS=("Line", "Odd")))
    monkeypatch.setitem(sys.modules, "mujoco_playground", module)
    return registry


def test_state_of_an_actor_horizon_and_flags(stand_in):
    env = adapter.environment("Line")
    assert stand_in.overrides == {"impl": "jax"}
    assert env.spec == ("playground/Line", 2, 2, 5, False, (-1.0, -1.0), (1.0, 1.0))
    state, first = env.reset(jax.random.key(0), ())
    step = jax.jit(env.step)
    seen = []
    for _ in range(6):
        state, timestep = step(jax.random.key(0), (), state, jnp.asarray([0.25, 0.0]))
        seen.append((float(timestep.terminated), float(timestep.truncated)))
    assert seen == [(0, 0), (0, 0), (0, 0), (float(first.obs[0] > 0), 0), (1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("name", "words"),
    [("Lina", "did you mean 'Line'"), ("Twice", "repeats actions 2 times"), ("Odd", "no such feature in MJX")],
)
def test_what_is_refused(stand_in, name, words):
    with pytest.raises(InputError, match=words) as error:
        adapter.environment(name)
    assert "\n" not in str(error.value)


def test_robot_models_are_not_fetched_unasked(stand_in, monkeypatch, tmp_path):
    models = SimpleNamespace(MENAGERIE_PATH=tmp_path / "absent")
    monkeypatch.setitem(sys.modules, "mujoco_playground._src", SimpleNamespace(mjx_env=models))
    monkeypatch.setitem(sys.modules, "mujoco_playground._src.mjx_env", models)
    with pytest.raises(InputError, match="MuJoCo Menagerie") as error:
        adapter.environment("Robot")
    assert "\n" not in str(error.value) and stand_in.overrides is None


def test_it_shows_what_playground_shows():
    registry = library().registry
    env = adapter.environment("CartpoleBalance")
    assert env.spec == ("playground/CartpoleBalance", 5, 1, 1000, False, (-1.0,), (1.0,))
    jax.config.update("jax_numpy_rank_promotion", "allow")  # Playground needs it; `strict_jax` puts it back
    theirs = registry.load("CartpoleBalance", config_overrides={"impl": "jax"})
    key, action = jax.random.key(0), jnp.asarray([0.7])
    other, their_step = jax.jit(theirs.reset)(key), jax.jit(theirs.step)
    (state, first), step = jax.jit(env.reset)(key, ()), jax.jit(env.step)
    np.testing.assert_allclose(first.obs, other.obs, atol=1e-6)
    for _ in range(4):
        other = their_step(other, action)
        state, timestep = step(key, (), state, action)
        np.testing.assert_allclose(timestep.obs, other.obs, atol=1e-5)
        np.testing.assert_allclose(timestep.reward, other.reward, atol=1e-5)
        assert timestep.terminated == other.done == 0 and timestep.truncated == 0
