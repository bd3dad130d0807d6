"""Our cells beside published numbers: which stand beside which, what is subtracted, and what is said to differ."""

import math

import pytest

from jaxrl.core.check import InputError
from jaxrl.evaluation import published
from tests.evaluation.sample import lost, row

HOPPER = "mujoco/hopper/medium-v0"


def ours(card="iql", task=HOPPER, values=(60.0, 70.0), **more):
    """A cell's runs, with the scores of the seeds on D4RL's scale; the ranking score is another one."""
    fields = {"environment": "Hopper-v5", "score_convention": "expert", "update": 1_000_000, **more}
    return [
        row(card, task, seed, value=value / 2, **{"score_d4rl": value, **fields}) for seed, value in enumerate(values)
    ]


def only(scores):
    (one,) = published.compared(scores)
    return one


def marks_of(one):
    """{what: text} of a record's marks."""
    found = dict(text.split(": ", 1) for text in one.marks)
    assert len(found) == len(one.marks)
    return found


def test_the_authors_number_is_the_anchor_and_others_are_reruns():
    one = only(ours())
    assert (one.task, one.card, one.settings, one.dataset) == (HOPPER, "iql", "", "hopper-medium-v2")
    assert one.published == published.Cited("IQL authors", 66.3, None, "")
    assert [number[:3] for number in one.reruns] == [
        ("CORL", 67.53, 3.78), ("unifloral", 64.7, 5.6), ("JAX-CORL", 56.78, 3.50), ("OfflineRL-Kit", 65.7, 8.1),
        ("ReBRAC paper", 65.2, 4.2), ("IQL-PyTorch", 61.2, 6.4),
    ]  # fmt: skip
    assert (one.ours.mean, one.ours.error, one.ours.convention, one.ours.seeds) == (65.0, 5.0, "d4rl", 2)
    assert one.anchor and one.difference == pytest.approx(65.0 - 66.3) and one.band == (53.3, 73.8)


def test_corl_is_the_anchor_where_the_authors_are_not_in_the_tables():
    one = only(ours("td3_bc"))
    assert one.published is None and one.reruns[0].source == "CORL" and one.anchor
    assert one.difference == pytest.approx(65.0 - 60.37)


def test_numbers_with_a_caution_are_shown_but_never_the_anchor():
    cql = only(ours("cql"))
    warned = {number.source: number.caution for number in cql.reruns if number.caution}
    assert "before a fix" in warned["unifloral"] and "std up to 31" in warned["JAX-CORL"]
    assert cql.anchor and cql.difference == pytest.approx(65.0 - 59.08), "CORL's, not unifloral's 7.6"
    instable = only(ours("sac_n"))
    assert (instable.difference, instable.anchor, instable.published) == (None, False, None)
    assert "CORL" in marks_of(instable)["anchor"] and "instability" in marks_of(instable)["anchor"]
    alone = only(ours("mopo"))
    assert {number.source for number in alone.reruns} == {"unifloral", "OfflineRL-Kit"}
    assert (alone.difference, alone.anchor, alone.band) == (None, False, None) and "neither" in marks_of(alone)[
        "anchor"
    ]


def test_what_differs_is_named():
    assert marks_of(only(ours("td3_bc", update=30_000, episodes=20))) == {
        "data": "Minari's mujoco/hopper/medium-v0, not D4RL's hopper-medium-v2: new data on the Gymnasium v5 body, by "
        "SB3, TQC or SAC policies",
        "simulator": "v5 against v2 bodies",
        "protocol": "last of 30,000 updates against 1,000,000 by CORL",
        "seeds": "2 against 4 by CORL",
        "episodes": "20 against 10 by CORL",
    }
    same = only(ours("td3_bc", values=(1.0, 2.0, 3.0, 4.0), environment="Hopper-v2"))
    assert marks_of(same).keys() == {"data"}, "what is the same is not said to differ; the data always does"
    assert "3,000,000 by CORL" in marks_of(only(ours("edac")))["protocol"]
    assert "unstated" in marks_of(only(ours("iql")))["seeds"]


def test_sets_that_are_alike_in_name_only_are_marked_so():
    one = only(ours("bc", "external/halfcheetah-medium-replay-v0", environment="HalfCheetah-v5"))
    assert one.dataset == "halfcheetah-medium-replay-v2" and "alike in name only" in marks_of(one)["data"]
    assert published.counterpart("external/hopper-random-v0") == "hopper-random-v2"
    for task in ("external/pen-human-v0", "mujoco/hopper/simple-v0", f"{HOPPER}+share:0.1", "trained/hopper-medium-v0"):
        assert published.counterpart(task) == "" and published.compared(ours(task=task)) == []


def test_d4rl_scale_is_found_from_the_return_where_the_row_lacks_it():
    task = "external/hopper-medium-v0"
    one = only(ours("bc", task, values=(0.0,), score_d4rl=None, return_mean=1000.0))
    assert one.ours.convention == "d4rl" and one.ours.error is None
    assert one.ours.mean == pytest.approx(100 * (1000 + 20.272305) / (3234.3 + 20.272305))
    assert one.difference == pytest.approx(one.ours.mean - 53.51)


def test_other_scales_are_named_and_nothing_is_subtracted():
    pen = ours("iql", "D4RL/pen/human-v2", score_d4rl=None, score_convention="metadata", environment="AdroitHandPen-v1")
    one = only(pen)
    assert (one.ours.convention, one.ours.mean, one.difference) == ("metadata score", 32.5, None)
    assert (
        one.anchor and "metadata score" in marks_of(one)["scale"] and "AdroitHandPen-v1" in marks_of(one)["simulator"]
    )
    assert "(2 seeds, metadata score) | –" in published.section(pen)
    bare = only(ours("iql", "D4RL/pen/human-v2", score_d4rl=None, score=None, score_convention=""))
    assert (bare.ours.convention, bare.ours.mean, bare.difference) == ("return", 325.0, None)


def test_antmaze_is_compared_and_tuning_is_no_anchor():
    assert only(ours("rebrac", "D4RL/antmaze/large-play-v1")).difference == pytest.approx(65.0 - 60.4)
    tuned = only(ours("td3_bc", "D4RL/antmaze/umaze-v1"))
    assert not tuned.anchor and "tuning" in marks_of(tuned)["anchor"]


def test_fine_tuned_cards_stand_beside_scores_after_fine_tuning():
    one = only(ours("cal_ql", "D4RL/antmaze/umaze-v1", env_steps=1000, values=(90.0,)))
    assert [number.mean for number in one.reruns] == [99.75] and one.band is None
    assert one.difference == pytest.approx(90.0 - 99.75) and marks_of(one)["protocol"].startswith("1,000 environment")


def test_best_checkpoints_and_lost_or_short_runs_do_not_count():
    rows = [
        *ours("bc", values=(50.0,)),
        *ours("bc", values=(99.0,), update=500_000),
        row("bc", HOPPER, 1, update=500_000, value=0.0, score_d4rl=0.0),
        lost(card="bc", task=HOPPER, seed=2, update=7),
    ]
    one = only(rows)
    assert (one.ours.mean, one.ours.seeds) == (50.0, 1)
    assert {number.mean for number in one.reruns if number.source == "CORL"} == {53.51}, "last, not best 69.04"
    assert published.compared([lost(card="bc", task=HOPPER)]) == []


def test_settings_are_told_apart_and_suites_not_mixed():
    rows = ours("bc") + ours("bc", values=(10.0,), settings="width=64")
    assert [(one.card, one.settings, one.ours.mean) for one in published.compared(rows)] == [
        ("bc", "", 65.0), ("bc", "width=64", 10.0),
    ]  # fmt: skip
    assert published.compared([]) == []
    with pytest.raises(InputError, match="2 suites"):
        published.compared([*ours(), row(suite="other")])


def test_returns_stand_beside_each_published_one():
    rows = [row("ppo", "Hopper-v5", seed, value=200.0 + seed, env_steps=400_000) for seed in range(2)]
    zoo, slm = published.compared(rows)
    assert zoo.published == published.Cited("rl-baselines3-zoo", 2410.0, 10.0, "") and zoo.reruns == ()
    assert (zoo.dataset, zoo.ours.convention, zoo.ours.mean) == ("Hopper-v5", "return", 2005.0)
    assert zoo.difference == pytest.approx(2005 - 2410) and zoo.anchor
    assert zoo.marks == (
        "budget: 400,000 environment steps against 1,000,000", "simulator: v3 body", "settings: tuned",
    )  # fmt: skip
    assert slm.published and slm.published.std is None
    assert published.compared([row("ppo", "Hopper-v5")]) == [], "a run on data is no online run"
    ceiling = only([row("ppo", "brax/ant", env_steps=50_000_000)])
    assert (ceiling.difference, ceiling.anchor) == (None, False) and "plots" in ceiling.marks[-1]


def test_section_shows_columns_of_their_own():
    rows = [*ours("cql"), *ours("iql", values=(66.3,)), row("percent_bc", "a/x-v0")]
    said = published.section(rows)
    assert published.HEADING in said and "Different data" in said and "never averaged or ranked together" in said
    lines = [line for line in said.splitlines() if line.startswith("| ")]
    assert lines[0] == (
        "| card | our data | published data | published | re-runs | ours | difference | band | what differs |"
    )
    cql, iql = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[1:])
    assert cql[:4] == ["cql", HOPPER, "hopper-medium-v2", "–"] and cql[5:8] == [
        "65.0 ± 5.0 (2 seeds)", "+5.9", "55.0 … 68.3",
    ]  # fmt: skip
    assert "unifloral 7.6 ± 0.4 [" in cql[4] and "CORL 59.1 ± 3.8;" in cql[4]
    assert iql[3] == "IQL authors 66.3" and iql[6] == "+0.0"
    notes = {line.split(". ")[0]: line for line in said.splitlines() if line[:1].isdigit()}
    assert {place.strip() for place in cql[8].split(",")} | {cql[4].split("[")[1].split("]")[0]} <= notes.keys()
    assert any("unifloral: very likely from code before a fix" in line for line in notes.values())
    assert "- CORL: " in said and "10 episodes (100 on AntMaze)" in said
    assert "2 of these cells" in published.remarks(rows)[0]


def test_sections_of_other_rows():
    assert published.section([row()]) == published.section([]) == "" and published.remarks([row()]) == []
    online = [row("ppo", "CartPole-v1", value=49.9, env_steps=65_536)]
    line = next(line for line in published.section(online).splitlines() if "CleanRL" in line)
    assert line == (
        "| CartPole-v1 | ppo | 490 ± 6 | CleanRL | 499.0 (1 seed) | +9.0 | "
        "budget: 65,536 environment steps against 500,000; protocol: training return |"
    )
    assert published.remarks(online) == [] and published.HEADING not in published.section(online)


def test_no_number_of_ours_is_lost_on_the_way():
    for one in published.compared(ours("bc") + ours("edac") + ours("dt")):
        assert math.isfinite(one.ours.mean) and len(one.reruns) >= 2
