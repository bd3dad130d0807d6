"""What learners with logged data that go on online are for. Figures are those of `python -m benchmarks.effects`.

A threshold is the measured mean of five seeds less three standard errors of its gain over the parent; shortfalls: plus.
"""

import numpy as np
import pytest

from benchmarks.effects import cal_ql, rlpd, uni_o4, wsrl

THRESHOLDS = {
    "embedded/pendulum-medium-replay-v0": -735.0,  # -611.8 - 3 x 41; SAC -1,344
    "embedded/pointmaze-umaze-medium-replay-v0": 69.9,  # 87.3 - 3 x 5.8; SAC 59.2
}


@pytest.mark.slow
@pytest.mark.parametrize("task", THRESHOLDS)
def test_rlpd_learns_early(task):
    assert np.mean(rlpd.learned("rlpd", task, 5, **rlpd.MANY)) > THRESHOLDS[task]


@pytest.mark.slow
def test_cal_qls_values_keep_above_logged_returns_and_it_learns_on_at_once():
    result = cal_ql.tuned("cal_ql", 5)
    assert np.mean(cal_ql.shortfall(result)) < 0.78  # 0.36 + 3 x 0.14; naive CQL 5.8
    assert np.mean(cal_ql.early(result)) > 49.4  # 73.7 - 3 x 8.1; naive CQL 27.7


@pytest.mark.slow
def test_wsrl_learns_on_without_the_data():
    assert np.mean(cal_ql.early(cal_ql.tuned("wsrl", 5, **wsrl.MANY))) > 45.0  # 87.1 - 3 x 14; naive CQL 27.7


@pytest.mark.slow
def test_uni_o4_improves_on_its_clones_offline():
    result = uni_o4.trained(5)
    assert np.mean(result.returns[0, :, 0]) > 77.3  # 95.9 - 3 x 6.2; its clones 36.1
    assert (np.asarray(result.earlier["improvement"].best) > -np.inf).all()
