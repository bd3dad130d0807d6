"""Brax's environments as ours, beside Brax's own rollout."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs.adapters import brax as adapter
from jaxrl.envs.adapters import counted, prefixed

HORIZON = 6
QUIET = pytest.mark.filterwarnings("ignore")  # Brax warns of its own affairs


@pytest.fixture(scope="module")
def pendulum():
    return adapter.environment("inverted_pendulum", horizon=HORIZON, backend="positional")


def play(env, key, actions):
    """Timesteps of a scan over actions [T, A], the first one apart."""
    state, first = env.reset(key, env.params)
    move = lambda state, x: env.step(jax.random.fold_in(key, x[0]), env.params, state, x[1])
    _, rest = jax.lax.scan(move, state, (jnp.arange(len(actions)), actions))
    return first, rest


@pytest.mark.slow
@QUIET
def test_it_shows_what_brax_shows(pendulum):
    from brax import envs

    jax.config.update("jax_numpy_rank_promotion", "allow")  # Brax needs it; `strict_jax` puts it back
    theirs = envs.get_environment("inverted_pendulum", backend="positional")
    actions = jnp.asarray([[0.5], [-0.3], [1.0], [1.0], [1.0], [-1.0], [1.0], [1.0]])
    keys = jax.random.split(jax.random.key(0), 3)
    first, rest = jax.jit(jax.vmap(play, (None, 0, None)), static_argnums=0)(pendulum, keys, actions)
    reset, step = jax.jit(jax.vmap(theirs.reset)), jax.jit(jax.vmap(theirs.step))
    state = reset(keys)
    np.testing.assert_allclose(first.obs, state.obs, atol=1e-6)
    for t, action in enumerate(actions):
        state = step(state, jnp.broadcast_to(action, (3, 1)))
        np.testing.assert_allclose(rest.obs[:, t], state.obs, atol=1e-5)
        np.testing.assert_array_equal(rest.reward[:, t], state.reward)
        np.testing.assert_array_equal(rest.terminated[:, t], state.done)
        np.testing.assert_array_equal(rest.truncated[:, t], np.full(3, float(t + 1 >= HORIZON)))


@pytest.mark.slow
def test_falling_terminates_and_nothing_resets(pendulum):
    _, rest = jax.jit(play, static_argnums=0)(pendulum, jax.random.key(1), jnp.ones((40, 1)))
    fallen = np.asarray(rest.terminated)
    angle = np.abs(np.asarray(rest.obs[:, 1]))
    assert 0 < fallen.sum() < 40
    np.testing.assert_array_equal(fallen, angle > 0.2)
    assert angle[-1] > angle[fallen.argmax()]  # it goes on falling: no state was put back


def test_actions_are_clipped_and_the_spec_is_plain(pendulum):
    assert pendulum.spec == ("brax/inverted_pendulum", 4, 1, HORIZON, False, (-1.0,), (1.0,))
    outcomes = [jax.jit(play, static_argnums=0)(pendulum, jax.random.key(2), jnp.full((2, 1), x)) for x in (1.0, 9.0)]
    np.testing.assert_array_equal(outcomes[0][1].obs, outcomes[1][1].obs)


def test_dictionaries_show_what_an_actor_sees():
    from brax.envs.fast import ObservationMode

    both = adapter.environment("fast", obs_mode=ObservationMode.DICT_STATE, asymmetric_obs=True)
    assert both.spec.obs == 2
    pixels = adapter.environment("fast", obs_mode=ObservationMode.DICT_PIXELS)
    assert pixels.spec.obs == 2 * 4 * 4 * 3
    _, timestep = pixels.reset(jax.random.key(0), ())
    assert timestep.obs.shape == (96,)


def test_a_state_keeps_its_types(pendulum):
    state, _ = jax.eval_shape(pendulum.reset, jax.random.key(0), ())
    after, _ = jax.eval_shape(pendulum.step, jax.random.key(0), (), state, jnp.zeros(1))
    same = jax.tree.map(lambda a, b: (a.shape, a.dtype, a.weak_type) == (b.shape, b.dtype, b.weak_type), state, after)
    assert all(jax.tree.leaves(same))


def test_physics_is_of_the_highest_precision():
    product = lambda x: jnp.dot(x, x)
    spec = adapter.Spec("square", 2, 1, 3)
    reset = lambda key, params: (product(params), params[0])
    move = lambda key, params, inner, action: (product(inner), inner[0], 0.0, False)
    env = counted.counted(spec, jnp.eye(2), reset, move)
    state, _ = jax.eval_shape(env.reset, jax.random.key(0), env.params)
    for program in (
        jax.make_jaxpr(env.reset)(jax.random.key(0), env.params),
        jax.make_jaxpr(env.step)(jax.random.key(0), env.params, state, jnp.zeros(1)),
    ):
        assert "HIGHEST" in str(program).upper()
    assert "HIGHEST" not in str(jax.make_jaxpr(product)(env.params)).upper()


@pytest.mark.parametrize(
    ("name", "words"),
    [("brax/antt", "did you mean 'ant'"), ("braxx/ant", "did you mean 'brax'"), ("brax/", "unknown Brax environment")],
)
def test_unknown_names(name, words):
    with pytest.raises(InputError, match=words) as error:
        prefixed.environment(name)
    assert "\n" not in str(error.value)


def test_what_a_library_cannot_make_is_one_line(monkeypatch):
    from brax import envs

    def broken(**settings):
        raise TypeError("clip() got\nan unexpected keyword")

    monkeypatch.setitem(envs._envs, "broken", broken)
    with pytest.raises(InputError, match=r"'brax/broken' cannot be made .*TypeError: clip.. got an unexpected keyword"):
        prefixed.environment("brax/broken")


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "brax.envs", None)
    with pytest.raises(InputError, match=r"'brax/ant' cannot be had: .*; run `pip install jaxrl-suite` again"):
        prefixed.environment("brax/ant")


def test_names_by_prefix():
    assert prefixed.environment("brax/fast").spec == ("brax/fast", 2, 1, 1000, False, (-1.0,), (1.0,))
    assert prefixed.is_prefixed("gymnax/CartPole-v1") and not prefixed.is_prefixed("CartPole-v1")
    assert not prefixed.is_prefixed("embedded/pendulum")
