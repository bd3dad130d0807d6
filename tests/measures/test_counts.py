"""Cells, unique counts exact and estimated, coverage, entropy: hand-computed numbers and properties."""

import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.data.dataset import from_arrays
from jaxrl.measures import coverage, hyperloglog
from jaxrl.measures.cells import Grid, cells, grid, labels, pair_cells, state_cells
from tests import made


def table(rows: int, seed: int = 0) -> np.ndarray:
    """Different rows of two whole numbers."""
    return np.stack([np.arange(rows), np.random.default_rng(seed).integers(1000, size=rows)], 1)


def test_values_fall_into_even_bins_and_those_beyond_into_the_outer_ones():
    bins = Grid(np.array([0.0, -1.0]), np.array([1.0, 1.0]), 4)
    found = cells([[0.0, -1.0], [0.25, 0.0], [0.99, 1.0], [7.0, -9.0]], bins)
    np.testing.assert_array_equal(found, [[0, 0], [1, 2], [3, 3], [3, 0]])


def test_a_constant_axis_has_one_cell():
    values = np.array([[1.0, 3.0], [2.0, 3.0]])
    np.testing.assert_array_equal(cells(values, grid(values, 10)), [[0, 0], [9, 0]])


def test_continuous_values_need_bins():
    np.testing.assert_array_equal(cells([[1.0, -2.0]]), [[1, -2]])
    with pytest.raises(InputError, match=r"continuous values such as 0\.5 as they are; give bins"):
        cells([[1.0, 0.5]])


@pytest.mark.parametrize("columns", [1, 2, 15])
def test_labels_tell_rows_apart(columns):
    rows = np.random.default_rng(0).integers(-3, 100, size=(300, columns)) ** 2
    rows = np.concatenate([rows, rows[:100]])
    assert labels(rows).max() + 1 == len(np.unique(rows, axis=0)) and (labels(rows)[:100] == labels(rows)[300:]).all()


def test_states_and_actions_stand_side_by_side():
    # Added up, (state 1, action 0) and (state 0, action 1) would be one pair.
    arrays = made.arrays(episodes=1, length=4, obs=1, action=2, discrete=True)
    arrays = arrays._replace(obs=np.array([[0], [0], [1], [1]], np.float32), action=np.array([0, 1, 0, 1]))
    pairs = pair_cells(from_arrays(arrays))
    assert coverage.unique(pairs) == 4


def test_continuous_actions_are_binned_over_their_bounds():
    data = from_arrays(made.arrays(obs=2, action=2))
    pairs = pair_cells(data, grid(data.steps.obs, 10))
    expected = np.clip(np.floor((np.asarray(data.steps.action) + 1) / 2 * 10), 0, 9)
    np.testing.assert_array_equal(pairs[:, 2:], expected)
    np.testing.assert_array_equal(pairs[:, :2], state_cells(data, grid(data.steps.obs, 10)))


def test_coverage_of_the_replay_is_one_and_duplicates_change_nothing():
    rows = np.random.default_rng(0).integers(5, size=(200, 3))
    assert coverage.saco(rows, rows) == coverage.log_saco(rows, rows) == coverage.shared(rows, rows) == 1
    twice = np.concatenate([rows[:20], rows[:20]])
    assert coverage.saco(twice, rows) == coverage.saco(rows[:20], rows) < 1
    assert coverage.entropy(twice) == pytest.approx(coverage.entropy(rows[:20]))


def test_coverage_by_hand():
    few, many = np.array([[0, 0], [0, 0], [0, 1]]), np.array([[0, 0], [0, 2], [3, 1], [5, 5]])
    assert coverage.saco(few, many) == 0.5 and coverage.shared(few, many) == 0.25
    assert coverage.log_saco(few, many) == pytest.approx(0.5)
    assert coverage.entropy(few) == pytest.approx(np.log(3) - 2 / 3 * np.log(2))


def test_coverage_needs_a_replay():
    with pytest.raises(InputError, match="holds 0 state-action pairs"):
        coverage.saco(table(3), np.zeros((0, 2)))
    with pytest.raises(InputError, match="1 unique pair"):
        coverage.log_saco(table(3), table(1))


@pytest.mark.parametrize("rows", [0, 1, 100, 10_000, 300_000])
def test_estimates_are_within_four_standard_errors(rows):
    found = hyperloglog.count(hyperloglog.sketch(table(rows)))
    assert abs(found - rows) <= 4 * 1.04 / np.sqrt(2**14) * rows


def test_the_error_is_that_of_theory():
    rows, bits = 20_000, 12
    found = [hyperloglog.count(hyperloglog.sketch(table(rows, seed) + seed * rows, bits)) for seed in range(60)]
    error = np.sqrt(np.mean((np.array(found) / rows - 1) ** 2))
    assert 0.6 < error / (1.04 / np.sqrt(2**bits)) < 1.3


def test_sketches_merge_and_ignore_duplicates():
    rows = table(5000)
    both = np.maximum(hyperloglog.sketch(rows[:3000]), hyperloglog.sketch(rows[2000:]))
    np.testing.assert_array_equal(both, hyperloglog.sketch(rows))
    np.testing.assert_array_equal(hyperloglog.sketch(np.concatenate([rows, rows])), hyperloglog.sketch(rows))


def test_estimated_coverage_is_near_the_exact():
    rows = table(50_000)
    assert coverage.saco(rows[:20_000], rows, exact=False) == pytest.approx(0.4, rel=0.05)


def test_bits_have_limits():
    with pytest.raises(InputError, match="bits is 4"):
        hyperloglog.sketch(table(3), 4)
