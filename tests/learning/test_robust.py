"""RIQL withstands corrupted data better than IQL, A2PR heavy cloning better than TD3+BC.

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
def test_a2pr_beats_td3_bc_where_cloning_weighs_much():
    gains = prdc.scores("a2pr", 5, **a2pr.SMALL) - prdc.scores("td3_bc", 5)
    assert gains.mean() > 13.4  # 20.0 - 3 x 2.2
