"""Against the `rliable` package: its values in rliable.json, and itself where it is installed.

`python -m benchmarks.references.rliable_values` made the file.
"""

import functools
import json
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrl.evaluation import aggregate, bootstrap

THEIRS = json.loads(Path(__file__).with_name("rliable.json").read_text())
POINTS = ("mean", "median", "interquartile_mean")
EDGES = np.array([0.025, 0.975])


def near(ours, values: np.ndarray, theirs, resamples: int, *, levels=EDGES, deviations: float = 5.0) -> None:
    """The ends differ by no more than what two estimates of a quantile from so many resamples do.

    An estimated quantile has the deviation sqrt(p (1 - p) / n) / density.
    """
    below, above = np.quantile(values, np.stack([levels - 0.01, levels + 0.01]).clip(0, 1))
    deviation = np.sqrt(levels * (1 - levels) * (1 / len(values) + 1 / resamples)) * (above - below) / 0.02
    np.testing.assert_array_less(np.abs(np.subtract(ours, theirs)), deviations * deviation)
    assert np.ptp(ours) == pytest.approx(np.ptp(theirs), rel=0.08)


@pytest.mark.parametrize("name", ["td3", "sac", "sac_simba", "synthetic"])
def test_points(name):
    theirs = THEIRS[name]
    scores, scale = np.asarray(theirs["scores"]), np.abs(theirs["scores"]).max()
    for point in POINTS:
        assert float(getattr(aggregate, point)(scores)) == pytest.approx(theirs["points"][point], abs=1e-12 * scale)
    gap = aggregate.optimality_gap(scores, threshold=theirs["threshold"])
    assert float(gap) == pytest.approx(theirs["optimality_gap"], abs=1e-12 * scale)
    for profile in (aggregate.profile, aggregate.average_profile):
        np.testing.assert_allclose(
            profile(scores, thresholds=theirs["thresholds"]), theirs[profile.__name__], atol=1e-12
        )


def test_improvement():
    first, second = (np.asarray(THEIRS[name]["scores"]) for name in ("sac_simba", "sac"))
    assert float(aggregate.improvement(first, second)) == pytest.approx(THEIRS["improvement"]["simba"], abs=1e-12)
    small, other = np.asarray(THEIRS["synthetic"]["scores"]), np.asarray(THEIRS["improvement"]["other"])
    assert float(aggregate.improvement(small, other)) == pytest.approx(THEIRS["improvement"]["ties"], abs=1e-12)


@pytest.mark.parametrize("over_tasks", [False, True])
@pytest.mark.parametrize("name", ["td3", "sac_simba"])
def test_percentile_intervals(name, over_tasks):
    scores, resamples = np.asarray(THEIRS[name]["scores"]), THEIRS["improvement"]["resamples"]
    for point in POINTS[::2] if over_tasks else POINTS:
        statistic = getattr(aggregate, point)
        number = 4000 if over_tasks else resamples
        ours = bootstrap.interval(jax.random.key(0), scores, statistic, resamples=number, over_tasks=over_tasks)
        values = bootstrap.resampled(jax.random.key(0), scores, statistic, resamples=number, over_tasks=over_tasks)
        theirs = THEIRS[name]["intervals"][point]["over_tasks" if over_tasks else "percentile"]
        near(ours, values, theirs, resamples)


def by_rows(scores: np.ndarray, statistic) -> float:
    """rliable's acceleration: a row of all tasks is left out at a time."""
    left = np.array([float(statistic(np.delete(scores, i, axis=0))) for i in range(len(scores))])
    pull = left.mean() - left
    return (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)


@pytest.mark.parametrize("name", ["td3", "sac_simba"])
def test_bca_intervals(name):
    """With rliable's acceleration, its ends; our own leaves out single runs, as the strata ask for (scipy does too)."""
    scores, resamples = np.asarray(THEIRS[name]["scores"]), THEIRS["improvement"]["resamples"]
    for point in POINTS[::2]:
        statistic = getattr(aggregate, point)
        values = bootstrap.resampled(jax.random.key(0), scores, statistic, resamples=resamples)
        middle, own = bootstrap.left_out(scores, statistic)
        theirs = THEIRS[name]["intervals"][point]["bca"]
        levels = bootstrap.accelerated(EDGES, values, middle, np.asarray(by_rows(scores, statistic)))
        # The estimated correction for bias moves both ends, with a deviation of about 1 / sqrt(resamples) of a normal.
        near(np.quantile(values, levels), values, theirs, resamples, levels=levels, deviations=8.0)
        assert abs(float(own)) < 0.1


def test_interval_of_the_improvement():
    given = tuple(np.asarray(THEIRS[name]["scores"])[:, :4] for name in ("sac_simba", "sac"))
    resamples = THEIRS["improvement"]["resamples"]
    ours = bootstrap.interval(jax.random.key(0), given, aggregate.improvement, resamples=resamples)
    values = bootstrap.resampled(jax.random.key(0), given, aggregate.improvement, resamples=resamples)
    near(ours, values, THEIRS["improvement"]["few"], resamples)


@pytest.fixture(scope="module")
def rliable():
    """(its library, its metrics)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("rliable.library", reason="needs rliable: pip install rliable 'pandas<3'")
        metrics = pytest.importorskip("rliable.metrics", reason="needs rliable: pip install rliable 'pandas<3'")
    return library, metrics


@pytest.mark.parametrize("shape", [(3, 2), (5, 7), (10, 26), (40, 3)])
def test_points_of_the_package_itself(rliable, shape):
    library, metrics = rliable
    scores = np.random.default_rng(0).normal(size=shape)
    other = np.round(scores[::-1] + 0.1, 1)
    expected = metrics.aggregate_mean, metrics.aggregate_median, metrics.aggregate_iqm
    for point, theirs in zip(POINTS, expected, strict=True):
        assert float(getattr(aggregate, point)(scores)) == pytest.approx(theirs(scores), abs=1e-12)
    for threshold in (-0.5, 1.0):
        assert float(aggregate.optimality_gap(scores, threshold=threshold)) == pytest.approx(
            metrics.aggregate_optimality_gap(scores, threshold), abs=1e-12
        )
    assert float(aggregate.improvement(np.round(scores, 1), other)) == pytest.approx(
        metrics.probability_of_improvement(np.round(scores, 1), other), abs=1e-12
    )
    taus = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(
        aggregate.profile(scores, thresholds=taus), library.score_distributions(scores, taus), atol=1e-12
    )


def test_intervals_of_the_package_itself(rliable):
    library, metrics = rliable
    np.random.seed(0)  # noqa: NPY002 (rliable draws from it)
    scores = np.random.default_rng(0).normal(size=(6, 4))
    theirs = library.get_interval_estimates({"": scores}, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=2000)
    values = bootstrap.resampled(jax.random.key(0), scores, resamples=2000)
    near(bootstrap.interval(jax.random.key(0), scores, resamples=2000), values, theirs[1][""][:, 0], 2000)
    thresholds = np.array([-0.5, 0.5])
    statistic = functools.partial(aggregate.profile, thresholds=thresholds)
    low, high = bootstrap.interval(jax.random.key(0), scores, statistic, resamples=2000)
    _, bands = library.create_performance_profile({"": scores}, thresholds, reps=2000)
    np.testing.assert_allclose(np.stack([low, high]), bands[""], atol=1.01 / scores.size)
