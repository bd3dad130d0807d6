"""Splits of levels, checkpoints chosen on validation levels, the gap of known scores, and data of its levels alone."""

import jax
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.data import dataset
from jaxrl.envs import proc_grid
from jaxrl.protocols import conditions, generalization
from jaxrl.protocols.conditions import Outcomes
from jaxrl.protocols.generalization import LevelSplit


def outcomes(train, validation, test) -> Outcomes:
    """Of returns [K, C], one episode each."""
    parts = {"train": train, "validation": validation, "test": test}
    returns = {name: np.asarray(one, float)[..., None] for name, one in parts.items()}
    return Outcomes(np.arange(returns["train"].shape[1]), returns)


def test_splits_are_disjoint_and_tests_stay_when_training_grows():
    few, many = generalization.split(5, 50, 100), generalization.split(100, 50, 100)
    assert [len(part) for part in many] == [100, 50, 100]
    assert len(set().union(*many)) == 250
    assert (few.validation, few.test) == (many.validation, many.test)
    assert set(few.train) < set(many.train)


@pytest.mark.parametrize(
    ("levels", "complaint"),
    [
        (LevelSplit((0, 1), (1,), (2,)), "level 1 is in train and in validation"),
        (LevelSplit((0, 0), (1,), (2,)), "level 0 is in train and in train"),
        (LevelSplit((0,), (1,), ()), "without test levels"),
        (LevelSplit((-1,), (1,), (2,)), "train level -1 is none"),
    ],
)
def test_splits_that_are_none_are_refused(levels, complaint):
    with pytest.raises(InputError, match=complaint):
        generalization.checked(levels)
    with pytest.raises(InputError, match=complaint):
        generalization.task(jax.random.key(0), "walls", levels)


@pytest.mark.parametrize("count", [0, 1_000_001])
def test_counts_out_of_range_are_refused(count):
    with pytest.raises(InputError, match="training levels"):
        generalization.split(train=count)


def test_checkpoints_are_chosen_on_validation_levels_alone():
    # Training returns would choose checkpoint 2, test returns 0; validation says 1, and of equals the first.
    one = outcomes([[0, 0, 9], [0, 0, 9]], [[1, 3, 2], [5, 5, 4]], [[7, 1, 1], [1, 2, 3]])
    np.testing.assert_array_equal(generalization.chosen(one), [1, 0])
    found = generalization.gap(jax.random.key(0), {"walls": one}, {"walls": Reference(0.0, 10.0, "expert", "given")})
    np.testing.assert_array_equal(found.scores["test"][:, 0], [10, 10])
    np.testing.assert_array_equal(found.scores["train"][:, 0], [0, 0])


def test_gap_normalizes_each_variant_before_it_aggregates():
    # Two variants with returns of other sizes but equal scores: 80 on training levels and 30 on test levels.
    seeds = np.ones((8, 1))
    easy = outcomes(8 * seeds, 5 * seeds, 3 * seeds)
    hard = outcomes(108 * seeds, 105 * seeds, 103 * seeds)
    references = {"easy": Reference(0.0, 10.0, "expert", "given"), "hard": Reference(100.0, 110.0, "expert", "given")}
    found = generalization.gap(jax.random.key(0), {"easy": easy, "hard": hard}, references)
    assert (found.train, found.validation, found.test, found.gap) == pytest.approx((80, 50, 30, 50))
    assert (found.gap_interval.low, found.gap_interval.high) == pytest.approx((50, 50))
    with pytest.raises(InputError, match="give the same"):
        generalization.gap(jax.random.key(0), {"easy": easy}, references)


def layouts(images) -> set[str]:
    """Hashes of walls and goals of observations [N, 405]."""
    return conditions.hashes(np.asarray(images).reshape(-1, 81, 5)[..., [0, 2]])


def test_data_hold_training_levels_alone_and_exactly_the_steps_asked_for():
    levels = generalization.split(5, 3, 20)
    env = generalization.environment("walls", levels.train, 20)
    data = dataset.check(conditions.recorded(jax.random.key(0), env, generalization.behaviours()["random"], 2_000))
    assert dataset.size(data) == 2_000
    np.testing.assert_array_equal(dataset.episode_returns(data), data.steps.terminated[dataset.episode_ends(data)])
    place = jax.jit(jax.vmap(lambda seed: proc_grid.image(_start(seed))))
    own = layouts(place(np.asarray(levels.train, np.uint32).repeat(4)))
    held = layouts(place(np.asarray(levels.test, np.uint32)))
    assert len(own) == 5 and len(held) == 20
    for images in (data.steps.obs, data.steps.next_obs):
        assert layouts(images) == own
    assert not own & held


def _start(seed):
    level = proc_grid.layout(seed, proc_grid.Levels(None))
    return proc_grid.Place(level, level.goal, 0.0)


@pytest.mark.slow
def test_more_levels_help_where_more_steps_do_not():
    settings = {"updates": 1_000, "evaluate_every": 500, "episodes": 60, "seeds": 3, "width": 64, "batch": 128}
    found = {}
    for count in (5, 100):
        levels = generalization.split(count, 50, 100)
        task = generalization.task(jax.random.key(0), "walls", levels, size=100)
        one = generalization.evaluated("bc", task, "walls", levels, 100, actor_lr=1e-3, **settings)
        success = Reference(0.0, 1.0, "expert", "success in per cent")
        found[count] = generalization.gap(jax.random.key(0), {"walls": one}, {"walls": success})
    assert found[100].test - found[5].test >= 20
    assert found[100].gap < found[5].gap - 10
    assert found[5].train > 90
