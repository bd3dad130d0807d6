"""Guidance raises the likelihood of made actions under the actor and keeps the dynamics of made steps."""

import numpy as np
import pytest

from benchmarks.effects import pgd as cases

GAIN = 1.80  # 1.960 - 3 x 0.051 over five seeds: from -2.79 without guidance to -0.83
WORSE = 3.0  # the specification's bound on the error's ratio; measured here 0.82, after long training 1.5


@pytest.mark.slow
def test_guidance_raises_the_likelihood_of_made_actions_and_keeps_the_dynamics(monkeypatch):
    monkeypatch.setitem(cases.PLAN, "generator_updates", 400)
    monkeypatch.setattr(cases, "UPDATES", 1_000)
    start = cases.trained(cases.MAZE, 2)
    _, actors = cases.real("pgd_iql", start)
    made = cases.guided_windows(start, actors)
    (plain, plain_error), (guided, error) = made(0.0), made(1.0)
    print(f"log-density {plain} -> {guided}, error {plain_error} -> {error}")
    assert np.mean(guided - plain) > GAIN
    assert np.mean(error) < WORSE * np.mean(plain_error)
