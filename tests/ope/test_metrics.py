"""Measures of estimates by numbers that were computed by hand, and against SciPy."""

import numpy as np
import pytest
import scipy.stats

from jaxrl.core.check import InputError
from jaxrl.ope.sharpe_ratio import mean_squared_error, rank_correlation, regret, top_k, type_errors

TRUE = np.arange(1.0, 11.0)


def test_sharpe_ratio_by_hand():
    np.testing.assert_allclose(top_k(TRUE, TRUE, 2, 5.0).sharpe, 5 / np.sqrt(0.5))
    np.testing.assert_allclose(top_k(-TRUE, TRUE, 2, 5.0).sharpe, 0)
    found = top_k([3.0, 9.0, 8.0, 1.0], [4.0, 2.0, 6.0, 7.0], 3, 3.0, threshold=3.0)
    wanted = (6, 2, 4, 2, 1 / 3, (6 - 3) / 2)
    np.testing.assert_allclose(found, wanted)


def test_sharpe_ratio_at_its_edges():
    assert np.isnan(top_k(TRUE, TRUE, 1, 5.0).sharpe) and np.isnan(top_k(TRUE, TRUE, 1, 5.0).std)
    same = np.ones(3)
    assert top_k(same, same, 2, 0.5).sharpe == np.inf and top_k(same, same, 2, 1.0).sharpe == 0
    both = top_k(np.stack([TRUE, -TRUE]), TRUE, 2, 5.0)
    np.testing.assert_allclose(both.sharpe, [5 / np.sqrt(0.5), 0])


def test_errors_and_regret_by_hand():
    estimated, true = [1.0, 5.0, 3.0, 2.0], [2.0, 4.0, 6.0, 1.0]
    np.testing.assert_allclose(mean_squared_error(estimated, true), (1 + 1 + 9 + 1) / 4)
    np.testing.assert_allclose(mean_squared_error(estimated, true, normalised=True), 3 / 25)
    np.testing.assert_allclose([regret(estimated, true, k) for k in (1, 2, 4)], [2, 0, 0])
    np.testing.assert_allclose(rank_correlation(estimated, true), 1 - 6 * (1 + 1 + 1 + 1) / 60)
    np.testing.assert_allclose(type_errors(estimated, true, 2.0), [1 / 3, 1.0])
    np.testing.assert_allclose(type_errors(estimated, true, 0.0), [0, 0])


def test_rank_correlation_is_scipys():
    draw = np.random.default_rng(0)
    for _ in range(20):
        one, other = draw.integers(0, 6, size=(2, 30))
        np.testing.assert_allclose(rank_correlation(one, other), scipy.stats.spearmanr(one, other)[0], rtol=1e-12)
    assert np.isnan(rank_correlation([1, 1], [1, 2]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: regret(TRUE, TRUE, 11), r"k is 11, but there are 10 policies"),
        (lambda: top_k(TRUE, TRUE, 0, 1.0), r"k is 0, but there are 10 policies"),
        (lambda: rank_correlation(TRUE, TRUE[1:]), r"estimates have shape \(10,\) and true values \(9,\)"),
        (lambda: mean_squared_error([np.nan, 1.0], [1.0, 2.0]), r"1 estimates are not finite; leave those"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(InputError, match=words):
        call()
