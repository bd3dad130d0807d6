"""RIQL withstands corrupted data better than IQL; PRDC and A2PR beat TD3+BC on sub-optimal data.

Thresholds: gains of `benchmarks.effects` less three standard errors, seeds 0 to 4.
"""

import pytest

from benchmarks.effects import a2pr, prdc
from benchmarks.effects import riql as cases

GAINS = {
    (cases.MAZE, "reward"): 5.3,  # 33.2 - 3 x 9.3
    (cases.SWING, "obs"): 0.6,  # 11.7 - 3 x 3.7
}


@pytest.mark.slow
@pytest.mark.parametrize("case", GAINS, ids=lambda case: case[1])
def test_riql_loses_less_to_corruption_than_iql(case):
    assert cases.effect(*case, 5).gain > GAINS[case]


@pytest.mark.slow
def test_prdc_beats_td3_bc_on_a_pendulum_that_is_rarely_swung_up():
    task = prdc.TASKS[0]
    gains = prdc.scores("prdc", task, 5) - prdc.scores("td3_bc", task, 5)
    assert gains.mean() > 28.5  # 37.8 - 3 x 3.1


@pytest.mark.slow
def test_a2pr_beats_td3_bc_where_walkers_often_rest_elsewhere():
    task = a2pr.TASKS[1]
    gains = prdc.scores("a2pr", task, 10, **a2pr.SMALL) - prdc.scores("td3_bc", task, 10)
    assert gains.mean() > 7.2  # 15.0 - 3 x 2.6
