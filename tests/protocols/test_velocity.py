"""Speeds held out are between or beyond, and never in a batch."""

import jax
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.data import samplers
from jaxrl.envs import tracking
from jaxrl.protocols import conditions, velocity
from jaxrl.protocols.conditions import hashes
from jaxrl.sources.logged import logged


def test_protocols_hold_out_what_their_names_say():
    assert velocity.interpolation().held_out == (0.6,) and velocity.extrapolation().held_out == (1.4,)
    assert velocity.interpolation().train == velocity.extrapolation().train == (0.2, 0.4, 0.8, 1.0)
    assert velocity.extrapolation(held_out=(0.1, 2.0)).kind == "extrapolation"
    for make, speed, complaint in [
        (velocity.interpolation, 1.4, "is no interpolation"),
        (velocity.extrapolation, 0.6, "is no extrapolation"),
        (velocity.interpolation, 0.4, "is both in train and in held_out"),
        (velocity.extrapolation, 1.0, "is both in train and in held_out"),
        (velocity.extrapolation, -1.0, "must be above 0"),
    ]:
        with pytest.raises(InputError, match=complaint):
            make(held_out=(speed,))


@pytest.fixture(scope="module")
def task():
    """A thousand steps at the speeds to train on; made by hand, since references cost two programs more."""
    env = velocity.environment(velocity.SPEEDS)
    data = conditions.recorded(jax.random.key(0), env, velocity.ends()[1], 1_000)
    return conditions.task("made/speed-v0", env, data, Reference(0.0, 60.0, "expert", "given"))


def test_no_batch_asks_for_a_held_out_speed(task):
    held = hashes(np.float32([[0.6], [1.4]]))
    source = logged(task.dataset, samplers.uniform(256))
    draw = jax.jit(lambda key: source.next(key, source.init(key), None)[1])
    seen = set()
    for index in range(20):
        batch = draw(jax.random.key(index))
        seen |= hashes(batch.obs[:, tracking.TARGET :]) | hashes(batch.next_obs[:, tracking.TARGET :])
    assert seen == hashes(np.float32(velocity.SPEEDS)[:, None])
    assert not seen & held


def test_a_leak_is_seen_in_either_observation(task):
    speeds, steps = velocity.interpolation(), task.dataset.steps
    assert velocity.sealed(speeds, task.dataset) is task.dataset
    for name in ("obs", "next_obs"):
        leaked = getattr(steps, name).at[17, tracking.TARGET].set(0.6)
        with pytest.raises(InputError, match=f"^{name} of the data asks for 1 of the held-out speeds"):
            velocity.sealed(speeds, task.dataset._replace(steps=steps._replace(**{name: leaked})))


def test_hashes_tell_rows_apart_by_value():
    assert hashes([[0.1, 0.2], [0.1, 0.2]]) == hashes(np.float32([[0.1, 0.2]]))
    assert hashes([[0.0]]) == hashes([[-0.0]])
    assert len(hashes([[0.1, 0.2], [0.2, 0.1], [np.nextafter(np.float32(0.1), np.float32(1)), 0.2]])) == 3


def test_conditions_share_the_training_and_differ_in_the_test(task):
    """One learner, after one update, at two speeds: the returns are those of one policy in two environments."""
    params = {f"{one:g}": velocity.environment([one]).params for one in (0.6, 1.4)}
    settings = {"seeds": 2, "updates": 2, "evaluate_every": 1, "episodes": 3, "width": 8, "depth": 1}
    found = conditions.evaluated("bc", task, {**params, "again": params["0.6"]}, **settings)
    assert found.updates.tolist() == [1, 2] and found.returns["0.6"].shape == (2, 2, 3)
    np.testing.assert_array_equal(found.returns["0.6"], found.returns["again"])
    assert (found.returns["0.6"] != found.returns["1.4"]).any()
    with pytest.raises(InputError, match="conditions"):
        conditions.evaluated("bc", task, {})


@pytest.mark.slow
def test_imitation_is_better_between_the_speeds_than_beyond():
    task = velocity.task(jax.random.key(0), velocity.interpolation())
    settings = {"updates": 4_000, "evaluate_every": 4_000, "episodes": 30, "width": 64, "batch": 128, "actor_lr": 1e-3}
    found = velocity.scores("bc", task, (0.6, 1.4), seeds=5, **settings)
    gap = found[0.6] - found[1.4]
    assert gap.mean() > 2 * gap.std(ddof=1)
    assert found[0.6].mean() > 75
