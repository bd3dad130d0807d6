import functools

import jax
import numpy as np
import pytest
from scipy import stats

from jaxrl.core.check import InputError
from jaxrl.evaluation import aggregate, bootstrap

SCORES = np.random.default_rng(0).normal(50, 10, (5, 4))
RAGGED = [[1.0, 2.0, 3.0], [10.0], [5.0, 7.0]]


def test_bootstrap_is_a_function_of_key_and_scores(monkeypatch):
    one = bootstrap.interval(jax.random.key(0), SCORES)
    assert one == bootstrap.interval(jax.random.key(0), SCORES)
    assert one != bootstrap.interval(jax.random.key(1), SCORES)
    monkeypatch.setattr(bootstrap, "CHUNK", 7 * SCORES.size)
    again = bootstrap.interval(jax.random.key(0), SCORES)
    assert one == pytest.approx(again, rel=1e-12), "chunks must not change the draws"


def test_bootstrap_resamples_within_tasks():
    between = np.array([[0.0, 1000.0], [0.0, 1000.0], [0.0, 1000.0]])
    assert bootstrap.interval(jax.random.key(0), between, aggregate.mean) == (500.0, 500.0)


def test_bootstrap_of_the_mean_has_its_known_width():
    scores = np.random.default_rng(2).normal(0, 1, (50, 2))
    low, high = bootstrap.interval(jax.random.key(0), scores, aggregate.mean, resamples=4000)
    error = np.sqrt((scores.var(0) / 50).sum()) / 2
    assert (low, high) == pytest.approx((scores.mean() - 1.96 * error, scores.mean() + 1.96 * error), abs=0.1 * error)


def test_bootstrap_covers():
    generator = np.random.default_rng(3)
    hits = 0
    for trial in range(100):
        scores = generator.normal(0, 1, (10, 4))
        low, high = bootstrap.interval(jax.random.key(trial), scores, resamples=300)
        hits += low <= 0 <= high
    assert 85 <= hits <= 99


def test_bootstrap_of_ragged_scores_leaves_out_the_gaps():
    low, high = bootstrap.interval(jax.random.key(0), aggregate.matrix([[1.0, 2, 3], [5.0, 7]]), aggregate.mean)
    assert 3.0 <= low < 4.0 < high <= 5.0
    holes = np.array([[np.nan, 5.0], [1.0, 7.0], [2.0, np.nan], [3.0, np.nan]])
    assert bootstrap.interval(jax.random.key(0), holes) is not None


def test_one_run_has_no_interval():
    assert bootstrap.interval(jax.random.key(0), SCORES[:1]) is None
    assert bootstrap.interval(jax.random.key(0), aggregate.matrix(RAGGED)) is None
    assert bootstrap.interval(jax.random.key(0), (SCORES, SCORES[:1]), aggregate.improvement) is None


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (SCORES, ""),
        (SCORES[:1], "task 1 of 4 has 1 run"),
        (aggregate.matrix(RAGGED), "task 2 of 3 has 1 run"),
        (SCORES[:, :1], "one task only"),
        (np.full((3, 2), np.nan), "there is no finite score"),
        (np.zeros((0, 0)), "there is no finite score"),
    ],
)
def test_why_there_is_no_interval_is_said_in_a_line(scores, said):
    text = bootstrap.withheld(scores)
    assert said in text and "\n" not in text and bool(text) == bool(said)
    assert (bootstrap.interval(jax.random.key(0), scores, resamples=10) is None) == bool(said)


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="resamples is 0"):
        bootstrap.interval(jax.random.key(0), SCORES, resamples=0)
    with pytest.raises(InputError, match="confidence is 95"):
        bootstrap.interval(jax.random.key(0), SCORES, confidence=95)
    with pytest.raises(InputError, match="'bca' with tasks drawn again"):
        bootstrap.interval(jax.random.key(0), SCORES, method="bca", over_tasks=True)
    with pytest.raises(InputError, match="unknown method 'basic'"):
        bootstrap.interval(jax.random.key(0), SCORES, method="basic")


@pytest.mark.parametrize("runs", [5, 15, 20])
def test_draws_are_uniform(runs):
    """Both ways of counting: packed into a word, and by scatter."""
    assert (runs <= bootstrap.PACKED) == (runs < 20)
    scores = np.zeros((runs, 2))
    scores[-1, 1] = np.nan
    drawn = bootstrap.resampled(jax.random.key(0), scores, lambda given, weights: weights, resamples=4000)
    assert drawn.shape == (4000, runs, 2) and (drawn.sum(1) == [runs, runs - 1]).all() and (drawn[:, -1, 1] == 0).all()
    np.testing.assert_allclose(drawn.mean(0)[: runs - 1], 1.0, atol=5 / np.sqrt(4000))
    np.testing.assert_allclose(drawn[:, 0].var(0), [1 - 1 / runs, 1 - 1 / (runs - 1)], rtol=0.15)


def test_chunks_of_interquartile_means_are_those_of_drawn_matrices():
    """Counting how often a run is drawn gives what scipy gives for the drawn scores."""
    scores = np.random.default_rng(1).normal(size=(4, 3))
    values = bootstrap.resampled(jax.random.key(0), scores, lambda given, weights: weights, resamples=50)
    drawn = [np.stack([np.repeat(scores[:, t], w[:, t].astype(int)) for t in range(3)], 1) for w in values]
    expected = [stats.trim_mean(one, 0.25, axis=None) for one in drawn]
    np.testing.assert_allclose(bootstrap.resampled(jax.random.key(0), scores, resamples=50), expected, rtol=1e-12)


def test_large_scores_keep_their_digits():
    scores = 1e6 + np.random.default_rng(1).normal(size=(6, 3))
    low, high = bootstrap.interval(jax.random.key(0), scores, resamples=500)
    small = bootstrap.interval(jax.random.key(0), scores - 1e6, resamples=500)
    assert (low - 1e6, high - 1e6) == pytest.approx(small, abs=1e-6)


def test_bands_of_a_profile():
    thresholds = np.array([0.0, 45.0, 55.0, 100.0])
    statistic = functools.partial(aggregate.profile, thresholds=thresholds)
    low, high = bootstrap.interval(jax.random.key(0), SCORES, statistic, resamples=500)
    point = aggregate.profile(SCORES, thresholds=thresholds)
    assert low.shape == high.shape == (4,) and (low <= point + 1e-9).all() and (point <= high + 1e-9).all()
    assert (low[0], high[0], low[3], high[3]) == pytest.approx((1, 1, 0, 0)) and low[1] < high[1]
    same = functools.partial(aggregate.average_profile, thresholds=thresholds)
    assert bootstrap.interval(jax.random.key(0), SCORES, same, method="bca", resamples=500).low.shape == (4,)


def test_tasks_drawn_again_widen():
    between = np.array([[0.0, 1000.0], [0.0, 1000.0], [0.0, 1000.0]])
    low, high = bootstrap.interval(jax.random.key(0), between, aggregate.mean, over_tasks=True, resamples=500)
    assert (low, high) == (0.0, 1000.0)


def theory(values: np.ndarray, levels: np.ndarray, others: int) -> np.ndarray:
    """Standard deviation of the difference of two estimated quantiles, of our resamples and of `others` of theirs."""
    near = np.quantile(values, np.stack([levels - 0.01, levels + 0.01]).clip(0, 1))
    return np.sqrt(levels * (1 - levels) * (1 / len(values) + 1 / others)) * (near[1] - near[0]) / 0.02


@pytest.mark.parametrize("skewed", [False, True])
def test_bca_is_scipys_for_several_samples(skewed):
    """scipy takes each task as a sample of its own; its ends differ by Monte Carlo error only."""
    scores = np.random.default_rng(4).normal(0, 1, (8, 3))
    scores = np.exp(scores) if skewed else scores
    mean_of_samples = lambda *samples, axis: sum(one.mean(axis) for one in samples) / 3
    theirs = stats.bootstrap(
        list(scores.T), mean_of_samples, method="BCa", n_resamples=9999, rng=np.random.default_rng(0), vectorized=True
    ).confidence_interval
    ours = bootstrap.interval(jax.random.key(0), scores, aggregate.mean, method="bca", resamples=9999)
    values = bootstrap.resampled(jax.random.key(0), scores, aggregate.mean, resamples=9999)
    point, acceleration = bootstrap.left_out(scores, aggregate.mean)
    levels = bootstrap.accelerated(np.array([0.025, 0.975]), values, point, acceleration)
    # The bias correction is estimated as well, which adds about as much again.
    np.testing.assert_array_less(np.abs(np.subtract(ours, theirs)), 6 * theory(values, levels, 9999))
    assert float(point) == pytest.approx(scores.mean(), rel=1e-12)
    assert (float(acceleration) > 0.02) == skewed


def test_bca_of_a_constant_is_that_constant():
    assert bootstrap.interval(jax.random.key(0), np.ones((3, 2)), method="bca", resamples=50) == (1.0, 1.0)


def test_bca_of_the_improvement():
    first, second = SCORES + 5, np.random.default_rng(5).normal(50, 10, (7, 4))
    low, high = bootstrap.interval(
        jax.random.key(0), (first, second), aggregate.improvement, method="bca", resamples=2000
    )
    assert 0 < low < aggregate.improvement(first, second) < high <= 1


@pytest.mark.slow
def test_interval_covers_as_often_as_it_says():
    """Coverage of 95 % on normal scores, 10 runs of 20 tasks (spec: between .92 and .97)."""
    scores = np.random.default_rng(6).normal(0, 1, (400, 10, 20))
    ends = [bootstrap.interval(jax.random.key(i), one, resamples=1000) for i, one in enumerate(scores)]
    covered = np.mean([low <= 0 <= high for low, high in ends])
    assert 0.91 <= covered <= 0.98


def test_as_many_equal_draws_as_a_word_can_count():
    """Four bits hold up to 15 draws of one run, and 64 as many runs."""
    scores = np.zeros((bootstrap.PACKED, 1))
    assert bootstrap.PACKED < 2**4 and 4 * bootstrap.PACKED <= 64
    values = bootstrap.resampled(jax.random.key(0), scores, lambda given, weights: weights, resamples=2000)
    assert (values.sum(1) == bootstrap.PACKED).all() and values.max() >= 4
