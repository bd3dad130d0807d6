"""Steering lifts frozen cloned policies. Thresholds: gains of `benchmarks.effects` less three standard errors."""

import pytest

from benchmarks.effects import steering


@pytest.mark.slow
def test_a_critics_choice_beats_the_cloned_policy_it_chooses_from():
    free, soft, _ = steering.guided(5)
    assert (soft - free).mean() > 84.7  # 91.1 - 3 x 2.1


@pytest.mark.slow
def test_a_residual_lifts_a_frozen_cloned_policy():
    clone, corrected, _ = steering.corrected(5)
    assert (corrected - clone).mean() > 63.0  # 78.3 - 3 x 5.1
