"""Protocols of choosing a checkpoint, and the optimism of the best one where the truth is known."""

import jax
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.evaluation import checkpoints
from jaxrl.evaluation.runs import runs
from tests.evaluation.sample import lost, row

CURVES = {
    "flat": np.zeros(20),
    "rising": 10 * (1 - np.exp(-np.arange(20) / 4)),
    "steep": 2.0 * np.arange(20),
    "up and down": np.sin(np.arange(20) / 2.0),
}


def measured(curve, runs=3000, seed=0, shared=0.0):
    """(means [R, C] with errors of 1, of which `shared` of the variance is common; what picking the best gains)."""
    draw = np.random.default_rng(seed)
    own, common = draw.standard_normal((runs, len(curve))), draw.standard_normal((runs, 1))
    means = curve + np.sqrt(1 - shared) * own + np.sqrt(shared) * common
    # What a whole curve is moved by is no effect of picking: it is taken off the truth.
    return means, means.max(1) - curve[means.argmax(1)] - np.sqrt(shared) * common[:, 0]


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_optimism_is_recovered(name, shared):
    means, truth = measured(CURVES[name], shared=shared)
    found = checkpoints.optimism(jax.random.key(1), means, np.ones_like(means), shared=shared, draws=60)
    error = found.std() / len(found) ** 0.5
    assert -3 * error < found.mean() - truth.mean() < 3 * error + 0.12, "a little high, never low"
    if shared:
        assert checkpoints.optimism(jax.random.key(1), means, np.ones_like(means), draws=60).mean() > found.mean()


def test_a_plain_parametric_bootstrap_is_too_low():
    means, truth = measured(CURVES["flat"])
    noise = np.random.default_rng(2).standard_normal((100, *means.shape))
    picked = (means + noise).argmax(-1)
    plain = np.take_along_axis(noise, picked[..., None], -1).mean()
    assert plain < 0.8 * truth.mean(), "why the coupled one is used"


@pytest.mark.parametrize("name", CURVES)
def test_the_shared_part_is_seen_between_neighbours(name):
    for shared in (0.0, 0.5, 0.9):
        means, _ = measured(CURVES[name], runs=300, shared=shared)
        found = checkpoints.shared_part(means, np.ones_like(means))
        assert abs(found - shared) < 0.07, "a slow rise and fall bends little"
    assert checkpoints.shared_part(means[:, :2], np.ones_like(means[:, :2])) == 0.0
    assert checkpoints.shared_part(means, 0 * means) == 0.0


def test_without_noise_nothing_is_optimistic():
    means = np.random.default_rng(0).standard_normal((4, 6))
    means[0, 4:] = np.nan
    np.testing.assert_allclose(checkpoints.optimism(jax.random.key(0), means, 0 * means), 0, atol=1e-12)
    errors = np.where(np.arange(4)[:, None] == 1, np.nan, np.ones_like(means))
    assert np.isnan(checkpoints.optimism(jax.random.key(0), means, errors)).tolist() == [False, True, False, False]
    for bad in ({"shared": 1.0}, {"shared": -0.1}, {"added": 0.0}, {"draws": 0}):
        with pytest.raises(InputError, match=next(iter(bad))):
            checkpoints.optimism(jax.random.key(0), means, 0 * means, **bad)


def test_optimism_of_rows_is_in_scores():
    draw = np.random.default_rng(3)
    # 50 runs of 10 evaluations of one policy: an error of 12 / sqrt(10 - 1) in returns, a tenth of it in scores.
    rows = [
        row(seed=s, update=u, value=50.0 + 0.4 * draw.standard_normal(), return_std=12.0)
        for s in range(50)
        for u in range(10)
    ]
    mean, error = checkpoints.optimism_of(jax.random.key(0), runs(rows), lambda one: one.score)
    assert abs(mean - 0.4 * 1.539) < 4 * error, "the largest of 10 normals lies 1.539 errors above their mean"
    returns = checkpoints.optimism_of(jax.random.key(0), runs(rows), lambda one: one.return_mean)
    np.testing.assert_allclose(returns, (10 * mean, 10 * error))
    one = [one._replace(episodes=1) for one in rows]
    assert np.isnan(checkpoints.optimism_of(jax.random.key(0), runs(one), lambda one: one.score)[0])


def test_mean_of_the_last_is_of_numbers_that_are_there():
    rows = [row(update=u, value=10.0 * u, success=5.0 * u, score_d4rl=None, return_std=u) for u in (1, 2, 3, 4)]
    (run,) = runs(rows)
    found = checkpoints.mean_of_last(run, 2)
    assert (found.score, found.return_mean, found.success, found.score_d4rl) == (35.0, 350.0, 17.5, None)
    assert found.return_std == pytest.approx(12.5**0.5) and found.update == 4
    assert checkpoints.mean_of_last(run, 1) == run.last._replace(return_std=pytest.approx(4.0))
    (broken,) = runs([*rows[:3], lost(update=4)])
    assert checkpoints.mean_of_last(broken, 2).diverged == 1 and checkpoints.mean_of_last(broken, 9).diverged == 1


@pytest.mark.parametrize("name", ["mean", "mean:", "mean:0", "mean:x", "mean:2.5", "final", ""])
def test_unknown_protocols_are_refused(name):
    with pytest.raises(InputError, match="unknown protocol"):
        checkpoints.choices(name)


def test_protocols_name_themselves():
    assert [one.name for one in checkpoints.choices("both")] == ["last", "best"]
    assert [one.oracle for one in checkpoints.choices("both")] == [False, True]
    (mean,) = checkpoints.choices("mean:3")
    assert (mean.name, mean.prefix, mean.several) == ("mean:3", "Mean of the last 3 checkpoints: ", True)
