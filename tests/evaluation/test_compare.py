import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jaxrl.core.check import InputError
from jaxrl.evaluation import compare, power, sequential

FIRST = np.random.default_rng(0).normal(1.0, 1.0, (8, 3))
SECOND = FIRST + np.random.default_rng(1).normal([0.0, 0.5, 3.0], 0.5, (8, 3))


def test_paired_t_is_scipys():
    found = compare.paired(FIRST, SECOND)
    np.testing.assert_allclose(found.p, stats.ttest_rel(FIRST, SECOND).pvalue)
    np.testing.assert_allclose(found.difference, (FIRST - SECOND).mean(0))
    assert found.pairs.tolist() == [8, 8, 8] and (found.adjusted >= found.p).all() and found.adjusted[2] < 0.001


def test_paired_wilcoxon_is_scipys():
    found = compare.paired(FIRST, SECOND, "wilcoxon")
    expected = [stats.wilcoxon(a, b).pvalue for a, b in zip(FIRST.T, SECOND.T, strict=True)]
    np.testing.assert_allclose(found.p, expected)
    assert found.p.min() == pytest.approx(2 / 2**8)


def test_missing_runs_and_no_spread():
    first = np.array([[1.0, 5, 2, 1], [2.0, np.nan, 3, 2], [np.nan, 4, 4, 3], [5.0, np.nan, 5, 4]])
    second = np.array([[0.5, np.nan, 2, 0], [np.nan, 1, 3, 1], [4.0, 1, 4, 2], [3.0, 2, 5, 3]])
    found = compare.paired(first, second)
    assert found.pairs.tolist() == [2, 1, 4, 4] and np.isnan(found.p[1]) and np.isnan(found.adjusted[1])
    assert found.p[2] == 1.0 and found.p[3] == 0.0


def test_holm_by_hand():
    np.testing.assert_allclose(
        compare.holm([0.01, 0.04, np.nan, 0.03, 0.005]), [0.03, 0.06, np.nan, 0.06, 0.02], rtol=1e-12
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(p, error):
    adjusted, order, rejected = compare.holm(p), np.argsort(p, kind="stable"), set()
    for step, index in enumerate(order):
        if p[index] * (len(p) - step) > error:
            break
        rejected.add(int(index))
    assert {i for i in range(len(p)) if adjusted[i] <= error} == rejected


def test_bad_pairs_are_refused():
    with pytest.raises(InputError, match=r"first is \[8, 3\] and second \[7, 3\]"):
        compare.paired(FIRST, SECOND[1:])
    with pytest.raises(InputError, match="no task has two seeds"):
        compare.paired(FIRST[:1], SECOND[:1])
    with pytest.raises(InputError, match="unknown test 'z'"):
        compare.paired(FIRST, SECOND, "z")


def test_false_verdicts_are_bounded_at_every_look():
    """Equal policies, watched after each of 300 pairs; a fixed test watched so would be wrong far more often."""
    for chance in (0.5, 0.9):
        outcomes = np.random.default_rng(0).random((2, 1000, 300)) < chance
        differences = outcomes[0].astype(float) - outcomes[1]
        wrong = [(sequential.wealth(sign * differences).max(1) >= np.log(2 / 0.1)).mean() for sign in (1, -1)]
        assert sum(wrong) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 1000)


@given(st.lists(st.integers(-4, 4).map(lambda x: x / 4), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_wealth_does_not_depend_on_the_order(differences, random):
    shuffled = random.sample(differences, len(differences))
    assert sequential.wealth(differences)[-1] == pytest.approx(sequential.wealth(shuffled)[-1], abs=1e-9)


def test_wealth_is_a_martingale_of_a_fair_bet():
    """Averaged over both outcomes of the next pair, the wealth stays what it is."""
    before = np.array([1.0, 0.0, -1.0, 0.5])
    after = [np.exp(sequential.wealth(np.append(before, step))[-1]) for step in (1.0, -1.0)]
    assert np.mean(after) == pytest.approx(np.exp(sequential.wealth(before)[-1]))


def test_better_policies_are_found():
    generator = np.random.default_rng(0)
    good, bad = generator.random(500) < 0.9, generator.random(500) < 0.5
    found = sequential.judge(good, bad)
    assert found.better == "first" and found.pairs < 100 and found.p_first <= 0.025 and found.p_second > 0.5
    assert sequential.judge(bad, good).better == "second"
    assert sequential.judge(good[: found.pairs], bad[: found.pairs]) == found, "later pairs do not change a verdict"
    same = sequential.judge(good, good)
    assert same.better == "undecided" and same.pairs == 500 and same.p_first == same.p_second == 1.0
    assert sequential.judge(100 * good - 50.0, 100 * bad - 50.0, low=-50, high=50) == found
    assert sequential.judge([], []).better == "undecided"


def test_bad_outcomes_are_refused():
    with pytest.raises(InputError, match=r"outcome 2 of second is 2.0; it must lie between 0.0 and 1.0"):
        sequential.judge([0, 1], [1, 2])
    with pytest.raises(InputError, match="outcome 1 of first is nan"):
        sequential.judge([np.nan], [1])
    with pytest.raises(InputError, match="error is 5"):
        sequential.judge([0], [1], error=5)
    with pytest.raises(InputError, match="give outcomes in pairs"):
        sequential.judge([0, 1], [1])


def test_seeds_by_formula_are_the_textbooks():
    """Two-sided, error 0.05, power 0.8: 64 a side for half a deviation, 17 for one, 34 pairs for half of one."""
    assert power.by_formula(0.5, 1.0).seeds == 64 and power.by_formula(10.0, 10.0).seeds == 17
    assert power.by_formula(0.5, 1.0, paired=True).seeds == 34
    assert power.by_formula(0.5, 1.0, limit=60).seeds is None
    assert power.by_formula(100.0, 1.0, paired=True, power=0.95).seeds == 2
    curve = power.by_formula(1.0, 1.0, limit=300).curve
    assert len(curve) == 299 and np.isfinite(curve).all() and (np.diff(curve) > -1e-9).all()


def test_seeds_by_simulation_agree_with_the_formula():
    pilot = np.random.default_rng(0).normal(50, 10, (200, 1))
    spread = float(pilot.std(ddof=1))
    found = power.by_simulation(jax.random.key(0), pilot, spread, limit=32)
    expected = power.by_formula(spread, spread, limit=32)
    np.testing.assert_allclose(found.curve[5:], expected.curve[5:], atol=0.05)
    assert abs(found.seeds - expected.seeds) <= 2


def test_more_tasks_need_fewer_seeds():
    pilot = np.random.default_rng(0).normal(50, 10, (10, 16))
    pilot[7:, 3] = np.nan
    many = power.by_simulation(jax.random.key(0), pilot, 5.0, limit=32, simulations=500)
    assert many.seeds is not None and many.seeds < 10
    assert power.by_simulation(jax.random.key(0), pilot[:, :1], 1.0, limit=8, simulations=200).seeds is None


def test_bad_wishes_are_refused():
    with pytest.raises(InputError, match="effect is 0"):
        power.by_formula(0, 1.0)
    with pytest.raises(InputError, match="spread is 0"):
        power.by_formula(1.0, 0)
    with pytest.raises(InputError, match="power is 80"):
        power.by_formula(1.0, 1.0, power=80)
    with pytest.raises(InputError, match="fewer than two runs"):
        power.by_simulation(jax.random.key(0), FIRST[:1], 1.0)
