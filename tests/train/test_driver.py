"""The host's loop: one program for all stretches, memory used again, seconds and finiteness of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.types import Algorithm, Phase, Source, reactive
from jaxrl.train.driver import Compiled, drive, program
from tests.train.test_fit import State

SEEDS = 3


def learner():
    """x adds the data's mean and `hyper`; overflows where hyper is infinite."""

    def init(key, hyper):
        return State(jax.random.normal(key, (4,)), jnp.int32(0))

    def update(key, hyper, state, batch):
        x = state.x + batch + hyper
        return State(x, state.step + 1), {"x": x.mean()}

    policy = lambda hyper, state: reactive(lambda key, obs: state.x)
    return Algorithm(init, update, policy, policy)


def source(dataset, stock):
    return Source(lambda key: (), lambda key, feed, policy: (feed, dataset.mean()))


def members(hypers=(0.0, 0.5, 1.0)):
    return jax.random.split(jax.random.key(0), len(hypers)), jnp.asarray(hypers, jnp.float32)


def driven(checkpoints, hypers=(0.0, 0.5, 1.0)):
    """(checkpoint, state x on the host, finite, seconds) of each stretch, and the program."""
    made = program(Phase("only", learner(), source))
    found = []
    for one in drive([made], *members(hypers), jnp.ones(100), checkpoints):
        assert one.state.step.shape == (), "a counter is common to all members"
        found.append((one, np.array(one.state.x), int(one.state.step)))
    return found, made


def test_stretches_of_any_length_take_one_program():
    found, made = driven([3, 10, 12])
    assert [(one.update, step) for one, _, step in found] == [(3, 3), (10, 10), (12, 12)]
    assert len(made.advance._programs) == len(made.begin._programs) == 1
    assert found[0][0].compile_seconds > 0 == found[1][0].compile_seconds == found[2][0].compile_seconds
    assert all(one.seconds > 0 for one, _, _ in found)


def test_members_are_trained_each_with_its_number():
    found, _ = driven([2, 5])
    gain = found[1][1] - found[0][1]
    assert gain.shape == (SEEDS, 4)
    np.testing.assert_allclose(gain, 3 * (1 + np.array([[0.0], [0.5], [1.0]])) * np.ones((1, 4)), rtol=1e-4)
    assert found[0][0].metrics["x"].shape == (SEEDS,)


def test_memory_of_a_stretch_is_used_again():
    made = program(Phase("only", learner(), source))
    stretches = drive([made], *members(), jnp.ones(100), [1, 2])
    first = next(stretches).state.x
    assert not first.is_deleted()
    second = next(stretches).state.x
    assert first.is_deleted() and not second.is_deleted()
    assert next(stretches, None) is None and not second.is_deleted()


def test_a_lost_member_is_told_from_the_others():
    found, _ = driven([1, 3], (0.0, float("inf"), 1.0))
    assert np.asarray(found[-1][0].finite).tolist() == [True, False, True]
    assert np.isfinite(found[-1][1][[0, 2]]).all()


def test_the_dataset_is_an_argument_of_the_program():
    made = program(Phase("only", learner(), source))
    for size in (100, 100_000):
        data = jnp.ones(size)
        progress = made.begin(*members(), data, {})
        text = made.advance.lower(*members(), progress, data, jnp.int32(1)).as_text()
        assert f"tensor<{size}xf32>" in text.split("{", 2)[2].split("->")[0], "a parameter of main"
        assert len(text) < 50_000


def test_compiled_compiles_once_for_every_set_of_shapes():
    double = Compiled(lambda x: 2 * x)
    assert double(jnp.ones(3)).tolist() == [2, 2, 2]
    spent = double.seconds
    assert spent > 0 and double(jnp.zeros(3)).tolist() == [0, 0, 0] and double.seconds == spent
    assert double(jnp.ones(2, jnp.int32)).dtype == jnp.int32 and double.seconds > spent
    assert len(double._programs) == 2


def test_the_same_key_gives_the_same_run():
    (_, first, _), (_, second, _) = driven([4])[0][0], driven([2, 4])[0][1]
    assert first == pytest.approx(second)
