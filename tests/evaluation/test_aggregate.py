import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from jaxrl.core.check import InputError
from jaxrl.evaluation import aggregate

SCORES = np.random.default_rng(0).normal(50, 10, (5, 4))
RAGGED = [[1.0, 2.0, 3.0], [10.0], [5.0, 7.0]]


@pytest.mark.parametrize("shape", [(5, 4), (3, 1), (1, 1), (7, 3), (10, 9)])
def test_interquartile_mean_is_scipys_trimmed_mean(shape):
    scores = np.random.default_rng(1).normal(size=shape)
    expected = stats.trim_mean(scores, 0.25, axis=None)
    assert float(aggregate.interquartile_mean(scores)) == pytest.approx(expected, rel=1e-12)


def test_by_hand():
    assert float(aggregate.interquartile_mean(np.array([[0.0, 1, 2, 100], [-50, 3, 4, 5]]))) == pytest.approx(2.5)
    np.testing.assert_allclose(aggregate.standard_error(SCORES), SCORES.std(0, ddof=1) / np.sqrt(5))
    assert float(aggregate.mean(SCORES)) == pytest.approx(SCORES.mean())


def test_ragged_columns():
    scores = aggregate.matrix(RAGGED)
    assert scores.shape == (3, 3)
    np.testing.assert_array_equal(aggregate.counts(scores), [3, 1, 2])
    np.testing.assert_allclose(aggregate.run_mean(scores), [2.0, 10.0, 6.0])
    np.testing.assert_allclose(aggregate.standard_error(scores), [1 / np.sqrt(3), np.nan, 1.0])
    flat = [x for column in RAGGED for x in column]
    assert float(aggregate.interquartile_mean(scores)) == pytest.approx(stats.trim_mean(flat, 0.25))


def test_statistics_take_leading_axes():
    many = np.stack([SCORES, SCORES + 1, 2 * SCORES])
    for statistic in (aggregate.mean, aggregate.interquartile_mean):
        np.testing.assert_allclose(statistic(many), [statistic(x) for x in many])


def test_nothing_gives_nan():
    empty = np.full((2, 1), np.nan)
    assert np.isnan(aggregate.interquartile_mean(empty)) and np.isnan(aggregate.mean(empty))
    assert np.isnan(aggregate.run_mean(np.zeros((0,)), 0)) and np.isnan(aggregate.standard_error(np.zeros((0,)), 0))


def test_t_interval():
    low, high = aggregate.mean_interval(SCORES)
    expected = stats.t.interval(0.95, 4, SCORES.mean(0), SCORES.std(0, ddof=1) / np.sqrt(5))
    np.testing.assert_allclose((low, high), expected)
    assert np.isnan(aggregate.mean_interval(SCORES[:1])).all()
    with pytest.raises(InputError, match="confidence is 95"):
        aggregate.mean_interval(SCORES, 95)


SMALL = np.array([[0.0, 1.0, 8.0], [2.0, 1.0, 4.0], [4.0, 3.0, 0.0], [6.0, 3.0, 4.0]])
MATRICES = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.integers(-9, 9).map(float))


def test_four_by_three_by_hand():
    """Task means 3, 2, 4; sorted 0 0 1 1 2 3 3 4 4 4 6 8, of which three are cut on either side."""
    assert float(aggregate.mean(SMALL)) == 3.0 and float(aggregate.median(SMALL)) == 3.0
    assert float(aggregate.interquartile_mean(SMALL)) == pytest.approx((1 + 2 + 3 + 3 + 4 + 4) / 6)
    assert float(aggregate.optimality_gap(SMALL, threshold=4.0)) == pytest.approx(4 - 30 / 12)
    np.testing.assert_allclose(aggregate.profile(SMALL, thresholds=[-1, 0, 4, 8]), [1, 10 / 12, 2 / 12, 0])
    np.testing.assert_allclose(aggregate.average_profile(SMALL, thresholds=[1, 2, 3, 4]), [1, 2 / 3, 1 / 3, 0])
    assert float(aggregate.improvement(SMALL, SMALL)) == 0.5
    assert float(aggregate.improvement(np.array([[1.0, 2]]), np.array([[0.0, 2], [3, 5]]))) == (0.5 + 0.25) / 2


def test_missing_runs_leave_tasks_equal():
    scores = aggregate.matrix(RAGGED)
    assert float(aggregate.median(scores)) == 6.0
    assert float(aggregate.optimality_gap(scores, threshold=6.0)) == pytest.approx(6 - (2 + 6 + 5.5) / 3)
    np.testing.assert_allclose(aggregate.profile(scores, thresholds=[1.5, 6.0]), [(2 / 3 + 2) / 3, (1 + 0.5) / 3])
    np.testing.assert_allclose(aggregate.average_profile(scores, thresholds=[2, 6]), [2 / 3, 1 / 3])
    assert float(aggregate.improvement(scores, aggregate.matrix([[2.0], [10.0], [6.0]]))) == pytest.approx(0.5)


def test_a_task_without_runs_makes_nan():
    scores = np.array([[1.0, np.nan], [2.0, np.nan]])
    values = [
        aggregate.median(scores),
        aggregate.optimality_gap(scores, threshold=1.0),
        aggregate.profile(scores, thresholds=[0.0]),
        aggregate.average_profile(scores, thresholds=[0.0]),
        aggregate.improvement(scores, scores),
    ]
    assert all(np.isnan(value).all() for value in values)


@given(MATRICES, st.randoms(use_true_random=False))
def test_order_of_runs_and_tasks_does_not_matter(scores, random):
    shuffled = scores[random.sample(range(len(scores)), len(scores))]
    shuffled = shuffled[:, random.sample(range(scores.shape[1]), scores.shape[1])]
    for statistic in (aggregate.mean, aggregate.median, aggregate.interquartile_mean):
        assert float(statistic(shuffled)) == pytest.approx(float(statistic(scores)), abs=1e-12)
        assert scores.min() - 1e-12 <= statistic(scores) <= scores.max() + 1e-12
    falling = aggregate.profile(scores, thresholds=np.arange(-10, 11))
    assert falling[0] == pytest.approx(1) and falling[-1] == 0 and (np.diff(falling) <= 1e-12).all()
    assert aggregate.optimality_gap(scores, threshold=9.0) == pytest.approx(9 - scores.mean())


@given(MATRICES)
def test_a_run_counted_twice_is_two_runs(scores):
    twice = np.concatenate([scores, scores])
    weights = np.full(scores.shape, 2.0)
    for statistic in (aggregate.mean, aggregate.median, aggregate.interquartile_mean):
        assert float(statistic(scores, weights)) == pytest.approx(float(statistic(twice)), abs=1e-12)
    assert float(aggregate.improvement(scores, twice)) == pytest.approx(0.5)


@given(arrays(np.float64, (4, 3), elements=st.integers(0, 3).map(float)))
def test_improvement_is_mann_whitneys(scores):
    expected = [stats.mannwhitneyu(a, b).statistic / 16 for a, b in zip(scores.T, SMALL.T, strict=True)]
    assert float(aggregate.improvement(scores, SMALL)) == pytest.approx(np.mean(expected))
    assert float(aggregate.improvement(SMALL, scores)) == pytest.approx(1 - np.mean(expected))


def test_improvement_needs_the_same_tasks():
    with pytest.raises(InputError, match="first has 3 tasks and second 2"):
        aggregate.improvement(SMALL, SMALL[:, :2])
