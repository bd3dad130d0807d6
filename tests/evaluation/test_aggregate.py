import jax
import numpy as np
import pytest
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


def test_bootstrap_is_a_function_of_key_and_scores(monkeypatch):
    one = aggregate.bootstrap_interval(jax.random.key(0), SCORES)
    assert one == aggregate.bootstrap_interval(jax.random.key(0), SCORES)
    assert one != aggregate.bootstrap_interval(jax.random.key(1), SCORES)
    monkeypatch.setattr(aggregate, "CHUNK", 7 * SCORES.size)
    assert one == aggregate.bootstrap_interval(jax.random.key(0), SCORES), "chunks must not change the draws"


def test_bootstrap_resamples_within_tasks():
    between = np.array([[0.0, 1000.0], [0.0, 1000.0], [0.0, 1000.0]])
    assert aggregate.bootstrap_interval(jax.random.key(0), between, aggregate.mean) == (500.0, 500.0)


def test_bootstrap_of_the_mean_has_its_known_width():
    scores = np.random.default_rng(2).normal(0, 1, (50, 2))
    low, high = aggregate.bootstrap_interval(jax.random.key(0), scores, aggregate.mean, resamples=4000)
    error = np.sqrt((scores.var(0) / 50).sum()) / 2
    assert (low, high) == pytest.approx((scores.mean() - 1.96 * error, scores.mean() + 1.96 * error), abs=0.1 * error)


def test_bootstrap_covers():
    generator = np.random.default_rng(3)
    hits = 0
    for trial in range(100):
        scores = generator.normal(0, 1, (10, 4))
        low, high = aggregate.bootstrap_interval(jax.random.key(trial), scores, resamples=300)
        hits += low <= 0 <= high
    assert 85 <= hits <= 99


def test_bootstrap_of_ragged_scores_leaves_out_the_gaps():
    low, high = aggregate.bootstrap_interval(
        jax.random.key(0), aggregate.matrix([[1.0, 2, 3], [5.0, 7]]), aggregate.mean
    )
    assert 3.0 <= low < 4.0 < high <= 5.0
    holes = np.array([[np.nan, 5.0], [1.0, 7.0], [2.0, np.nan], [3.0, np.nan]])
    assert aggregate.bootstrap_interval(jax.random.key(0), holes) is not None


def test_one_run_has_no_interval():
    assert aggregate.bootstrap_interval(jax.random.key(0), SCORES[:1]) is None
    assert aggregate.bootstrap_interval(jax.random.key(0), aggregate.matrix(RAGGED)) is None


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="resamples is 0"):
        aggregate.bootstrap_interval(jax.random.key(0), SCORES, resamples=0)
    with pytest.raises(InputError, match="confidence is 95"):
        aggregate.bootstrap_interval(jax.random.key(0), SCORES, confidence=95)


def test_t_interval():
    low, high = aggregate.mean_interval(SCORES)
    expected = stats.t.interval(0.95, 4, SCORES.mean(0), SCORES.std(0, ddof=1) / np.sqrt(5))
    np.testing.assert_allclose((low, high), expected)
    assert np.isnan(aggregate.mean_interval(SCORES[:1])).all()
