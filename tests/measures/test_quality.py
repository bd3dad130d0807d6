"""Trajectory quality, positive-sided variance, distributions, stitching: small cases by hand."""

import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.data.dataset import Arrays, from_arrays
from jaxrl.measures import quality
from jaxrl.measures.stitching import stitching
from tests import made


def walks(*episodes, terminated: bool = False):
    """Dataset of walks, each a list of states and a list of rewards; one action."""
    ends = [np.arange(len(rewards)) == len(rewards) - 1 for _, rewards in episodes]
    states = [np.array(seen, np.float32)[:, None] for seen, _ in episodes]
    last = np.concatenate(ends)
    reward = np.concatenate([rewards for _, rewards in episodes]).astype(np.float32)
    obs, following = (np.concatenate(rows) for rows in ([s[:-1] for s in states], [s[1:] for s in states]))
    flags = last & terminated, last & (not terminated)
    return from_arrays(Arrays(obs, np.zeros(len(last), np.int64), reward, following, *flags, last))


def test_quality_is_zero_at_random_and_one_at_the_best():
    pair = Reference(-10.0, 30.0, "given", "")
    assert quality.trajectory_quality([-10.0], pair) == 0 and quality.trajectory_quality([20.0, 40.0], pair) == 1
    assert quality.trajectory_quality([50.0], pair) == 1.5
    assert quality.trajectory_quality([1.0, 2.0], pair) == quality.trajectory_quality([1.0, 2.0, 1.0, 2.0], pair)


def test_quality_says_what_it_needs():
    with pytest.raises(InputError, match=r"--low.*--high"):
        quality.trajectory_quality([1.0], None)
    with pytest.raises(InputError, match="0 episodes"):
        quality.trajectory_quality([], Reference(0, 1, "given", ""))


def test_positive_variance_by_hand():
    # Mean 1, above it only 4: 3^2 / 4; the mirrored returns have less above their mean.
    assert quality.positive_variance([0, 0, 0, 4]) == pytest.approx(9 / 4)
    assert quality.positive_variance([0, 0, 0, -4]) == pytest.approx(3 / 4)
    assert quality.positive_variance([5, 5]) == 0


def test_positive_variance_needs_two_episodes():
    with pytest.raises(InputError, match="of 1 episodes is not defined"):
        quality.positive_variance([3.0])


def test_both_sides_add_up_to_the_variance():
    returns = np.random.default_rng(0).normal(size=100)
    both = quality.positive_variance(returns) + quality.positive_variance(-returns)
    assert both == pytest.approx(returns.var())


def test_spread_and_lengths():
    found = quality.spread([4, 0, 2, 1, 3])
    assert found == {"mean": 2, "std": pytest.approx(2**0.5), "min": 0, "25 %": 1, "median": 2, "75 %": 3, "max": 4}
    np.testing.assert_array_equal(quality.episode_lengths(walks(([0, 1], [1]), ([0, 1, 2, 3], [1, 1, 1]))), [1, 3])
    with pytest.raises(InputError, match="0 episodes"):
        quality.spread([])


def test_crossing_walks_are_stitched():
    found = stitching(walks(([0, 1, 2], [0, 0]), ([5, 1, 9], [0, 10])))
    np.testing.assert_array_equal(found.logged, [0, 10])
    np.testing.assert_array_equal(found.stitched, [10, 10])
    assert found.gain == 5


def test_changes_can_be_counted():
    # From 0 the best is to change at 1 and again at 6; one change earns the detour's first part only.
    data = walks(([0, 1, 2, 3], [0, 0, 0]), ([5, 1, 6, 7], [0, 4, 0]), ([8, 8, 6, 9], [0, 0, 30]))
    found = [stitching(data, changes=changes).stitched[0] for changes in (0, 1, 2, None)]
    assert found == [0, 4, 34, 34]


def test_walks_that_do_not_meet_are_not_stitched():
    found = stitching(walks(([0, 1, 2], [0, 0]), ([5, 6, 9], [0, 10])))
    assert found.gain == 0


def test_a_path_may_not_stop_before_its_episode_did():
    # From 0, turning off to 8 would avoid the cost of the second step, but nothing is known of what follows 8.
    found = stitching(walks(([0, 1, 2], [0, -5]), ([0, 8], [0])))
    np.testing.assert_array_equal(found.stitched, [0, 0])
    assert stitching(walks(([0, 1, 2], [-1, -5]), ([3, 8], [0]))).gain == 0


def test_a_path_may_end_where_the_task_does():
    found = stitching(walks(([0, 1, 2, 3], [-1, -1, -1]), ([4, 1, 3], [-1, -1]), terminated=True))
    np.testing.assert_array_equal(found.logged, [-3, -2])
    np.testing.assert_array_equal(found.stitched, [-2, -2])


def test_stitching_never_loses_on_random_data():
    from jaxrl.measures.cells import grid

    data = from_arrays(made.arrays(episodes=20, length=15, obs=2))
    few, many = (stitching(data, grid(data.steps.obs, bins)) for bins in (3, 1000))
    assert (few.stitched >= few.logged).all() and few.gain > many.gain >= 0
    gains = [stitching(data, grid(data.steps.obs, 3), changes).gain for changes in (0, 1, 3, None)]
    assert gains == sorted(gains) and gains[0] < gains[1] < gains[3] == few.gain
