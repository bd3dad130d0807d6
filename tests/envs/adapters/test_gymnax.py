"""gymnax's environments as ours; most of it needs the extra `gymnax`."""

import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs.adapters import gymnax as adapter
from jaxrl.envs.adapters import prefixed


def library():
    return pytest.importorskip("gymnax", reason="needs the extra gymnax")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnax", None)
    with pytest.raises(InputError, match=r"pip install 'jaxrl-suite\[gymnax\]'") as error:
        prefixed.environment("gymnax/CartPole-v1")
    assert "gymnax/CartPole-v1" in str(error.value) and "\n" not in str(error.value)


def test_unknown_names():
    library()
    with pytest.raises(InputError, match="did you mean 'CartPole-v1'"):
        prefixed.environment("gymnax/CartPole-v2")


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (SimpleNamespace(n=3, shape=()), (3, True, (), ())),
        (SimpleNamespace(low=-2.0, high=2.0, shape=(2,)), (2, False, (-2.0, -2.0), (2.0, 2.0))),
        (SimpleNamespace(low=jnp.array([-1.0]), high=jnp.array([3.0]), shape=(1,)), (1, False, (-1.0,), (3.0,))),
    ],
)
def test_action_spaces(space, expected):
    spec = adapter.describe("gymnax/Some", space, 4, 10)
    assert (spec.action, spec.discrete, spec.low, spec.high) == expected


def test_action_spaces_that_are_refused():
    for space in (SimpleNamespace(spaces={}, shape=()), SimpleNamespace(low=-np.inf, high=np.inf, shape=(1,))):
        with pytest.raises(InputError, match="only discrete and bounded"):
            adapter.describe("gymnax/Some", space, 4, 10)


def roll(env, key, actions):
    """First and later timesteps of a scan over actions [T, ...]."""
    state, first = env.reset(key, env.params)
    move = lambda state, x: env.step(jax.random.fold_in(key, x[0]), env.params, state, x[1])
    return first, jax.lax.scan(move, state, (jnp.arange(len(actions)), actions))[1]


def test_cartpole_is_the_same_as_ours():
    library()
    from jaxrl.envs import suites

    ours, theirs = suites.environment("CartPole-v1"), adapter.environment("CartPole-v1")
    assert theirs.spec == ours.spec._replace(name="gymnax/CartPole-v1")
    actions = jnp.asarray([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    rolled = jax.jit(jax.vmap(roll, (None, 0, None)), static_argnums=0)(
        theirs, jax.random.split(jax.random.key(0), 4), actions
    )
    state, _ = ours.reset(jax.random.key(0), ours.params)
    for n in range(4):
        state = state._replace(values=rolled[0].obs[n], time=jnp.int32(0))
        for t, action in enumerate(actions):
            state, timestep = ours.step(jax.random.key(0), ours.params, state, action)
            np.testing.assert_allclose(rolled[1].obs[n, t], timestep.obs, atol=1e-5)
            np.testing.assert_array_equal(rolled[1].terminated[n, t], timestep.terminated)
    assert rolled[1].terminated[:, -1].all() and not rolled[1].truncated.any()


def test_pendulum_takes_scaled_actions_and_is_cut():
    library()
    env = adapter.environment("Pendulum-v1")
    assert env.spec == ("gymnax/Pendulum-v1", 3, 1, 200, False, (-2.0,), (2.0,))
    _, rest = jax.jit(roll, static_argnums=0)(env, jax.random.key(3), jnp.full((201, 1), 0.5))
    np.testing.assert_array_equal(rest.truncated, np.arange(1, 202) >= 200)
    assert not rest.terminated.any()
    state, first = env.reset(jax.random.key(3), env.params)
    angle, speed = state.inner.theta, first.obs[2]
    _, timestep = env.step(jax.random.key(0), env.params, state, jnp.asarray([0.5]))
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(timestep.reward, -(wrapped**2 + 0.1 * speed**2 + 0.001 * 1.0**2), rtol=1e-4)


def test_pixels_are_flattened_and_params_are_traced():
    library()
    env = adapter.environment("Breakout-MinAtar")
    assert env.spec.obs == 10 * 10 * 4 and env.spec.discrete
    _, timestep = jax.jit(env.reset)(jax.random.key(0), env.params)
    assert timestep.obs.shape == (400,) and timestep.obs.dtype == jnp.float32
    cart = adapter.environment("CartPole-v1")
    short = cart.params.replace(x_threshold=0.0)
    state, _ = cart.reset(jax.random.key(0), cart.params)
    step = jax.jit(cart.step)
    ends = [step(jax.random.key(0), params, state, jnp.int32(1))[1].terminated for params in (cart.params, short)]
    assert ends == [0, 1]
