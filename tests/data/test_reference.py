import math

import pytest

from jaxrl.core.types import Reference
from jaxrl.data import reference

HOPPER = {"ref_min_score": -20.272305, "ref_max_score": 3234.3}


def test_every_pair_names_its_origin_and_spans_a_scale():
    registry = reference.registry()
    assert isinstance(registry["version"], int)
    for pair in registry["pair"]:
        assert pair["convention"] in ("d4rl", "expert") and pair["datasets"]
        assert math.isfinite(pair["low"]) and pair["low"] < pair["high"] and len(pair["origin"]) > 40
    measured = [pair for pair in registry["pair"] if pair["convention"] == "expert"]
    assert {name for pair in measured for name in pair["datasets"]} == {"external/hopper-*", "external/halfcheetah-*"}
    for pair in measured:
        assert all(word in pair["origin"] for word in ("100 episodes", "seed 123", "std", "fingerprint"))


@pytest.mark.parametrize(
    ("dataset_id", "low", "high"),
    [
        ("mujoco/hopper/medium-v0", -20.272305, 3234.3),
        ("mujoco/halfcheetah/simple-v0", -280.178953, 12135.0),
        ("mujoco/walker2d/expert-v2", 1.629008, 4592.3),
        ("mujoco/ant/expert-v0", -325.6, 3879.7),
    ],
)
def test_minari_locomotion_gets_d4rl_pairs(dataset_id, low, high):
    (pair,) = reference.references(dataset_id, {}, "")
    assert (pair.low, pair.high, pair.convention) == (low, high, "d4rl")
    assert "not D4RL v2" in pair.origin
    assert pair.score(low) == 0 and pair.score(high) == 100


def test_a_measured_expert_ranks_before_a_copy_of_d4rl():
    expert, copy = reference.references("external/hopper-medium-v0", HOPPER, "Hopper-v5")
    assert expert.convention == "expert" and "external/hopper-expert-v0" in expert.origin
    assert copy.convention == "metadata" and "equals D4RL" in copy.origin
    assert (copy.low, copy.high) == (HOPPER["ref_min_score"], HOPPER["ref_max_score"])


def test_a_pair_of_the_datasets_own_ranks_first():
    own = {"ref_min_score": 0.0, "ref_max_score": 10.0, "ref_origin": "ten episodes of a script"}
    pairs = reference.references("external/hopper-medium-v0", own, "Hopper-v5")
    assert [pair.convention for pair in pairs] == ["metadata", "expert", "d4rl"]
    assert pairs[0].origin == "ten episodes of a script"


def test_users_sets_are_known_by_their_environment():
    assert [pair.convention for pair in reference.references("me/mine-v0", {}, "Hopper-v5")] == ["d4rl"]
    assert reference.references("me/mine-v0", {}, "Acrobot-v1") == ()


def test_families_carry_their_cautions():
    pen = reference.references(
        "D4RL/pen/human-v2", {"ref_min_score": 137.9, "ref_max_score": 8820.5}, "AdroitHandPen-v1"
    )
    assert [pair.convention for pair in pen] == ["metadata"], "D4RL's Adroit references do not hold"
    assert "do not hold" in pen[0].origin and "303" in pen[0].origin
    assert "do not hold" in reference.no_reference("D4RL/door/human-v2")
    (maze,) = reference.references("D4RL/antmaze/umaze-v1", {}, "AntMaze_UMaze-v4")
    assert (maze.low, maze.high) == (0, 1) and "first success" in maze.origin
    assert reference.references("D4RL/pointmaze/umaze-v2", {}, "PointMaze_UMaze-v3") == ()


def test_unusable_metadata_is_passed_over():
    with pytest.warns(UserWarning, match="span no scale"):
        assert reference.references("me/mine-v0", {"ref_min_score": 5.0, "ref_max_score": 5.0}, "") == ()
    assert reference.references("me/mine-v0", {"ref_min_score": None, "ref_max_score": 3.0}, "") == ()


def test_the_refusal_is_one_line_with_a_remedy():
    line = reference.no_reference("me/mine-v0")
    assert "\n" not in line and "'me/mine-v0'" in line and "ref_min_score" in line and "return" in line


def test_scores_are_linear_between_the_pair():
    assert Reference(10.0, 30.0, "expert", "by hand").score(20.0) == 50.0
