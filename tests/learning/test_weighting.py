"""Weighted draws beat even ones where few episodes are good. Thresholds: gains of `benchmarks.effects` less three
standard errors, five seeds."""

import pytest

from benchmarks.effects import weighting

MIXTURE = weighting.MIXTURE.format("pointmaze-umaze")
GAINS = {
    "bc": 87.4,  # 97.3 - 3 x 3.3
    "td3_bc": 18.2,  # 41.9 - 3 x 7.9
}


@pytest.mark.slow
@pytest.mark.parametrize("card", GAINS)
def test_weighted_draws_find_the_few_good_episodes(card):
    gains = weighting.scores(f"aw+{card}", MIXTURE, 5) - weighting.scores(card, MIXTURE, 5)
    assert gains.mean() > GAINS[card]
