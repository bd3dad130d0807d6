"""HILP reaches goals it was never trained for, and stays there, better than cloning does. Thresholds are measured.

A threshold is the mean difference of five seeds less three standard errors, of `python -m benchmarks.effects hilp`.
"""

import pytest

from benchmarks.effects import hilp

THRESHOLDS = {
    "embedded/pointmaze-umaze-medium-replay-v0": 9.9,  # 14.9 - 3 x 1.7
    "embedded/pointmaze-umaze-random-v0": 22.0,  # 33.6 - 3 x 3.9
}


@pytest.mark.slow
@pytest.mark.parametrize("data", hilp.DATA)
def test_more_steps_at_the_goal_than_by_cloning(data):
    (success, steps), (_, cloned) = (hilp.reached(card, data, range(3)) for card in ("hilp", "gc_bc"))
    assert (steps - cloned).mean() > THRESHOLDS[data]
    assert success.mean() > 0.75
