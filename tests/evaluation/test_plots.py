import pytest

from jaxrl.core.check import InputError
from jaxrl.evaluation.plots import STEPS, curves
from tests.evaluation.sample import lost, row


def rows(tasks=3, cards=2, seeds=3):
    return [
        row(card=f"card_{c}", task=f"a/t{t}-v0", seed=s, update=u, value=10.0 * c + s + u, score_convention="expert")
        for t in range(tasks)
        for c in range(cards)
        for s in range(seeds)
        for u in (5, 10)
    ]


def test_svg_names_tasks_and_cards(tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    curves(rows(cards=10) + [row(task="a/plain-v0", score=None)], tmp_path / "s.svg")
    said = (tmp_path / "s.svg").read_text()
    assert all(f">{name}<" in said for name in ("t0", "t1", "t2", "plain", "card_0", "card_9", "updates", "return"))
    assert said.count(">t0<") == 1 and said.count(">card_0<") == 1
    assert "over 1 to 3 seeds" in said


@pytest.mark.parametrize("one", [[row()], [lost()], [row(), lost(seed=1, update=10)]])
def test_few_points_are_drawn(tmp_path, one):
    curves(one, tmp_path / "new" / "s.png")
    assert (tmp_path / "new" / "s.png").read_bytes()[:4] == b"\x89PNG"


def test_bad_places_and_no_scores_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        curves([row()], tmp_path / "file" / "s.png")
    with pytest.raises(InputError, match="cannot draw"):
        curves([row()], tmp_path / "s.xyz")
    with pytest.raises(InputError, match="no scores"):
        curves([], tmp_path / "s.png")


def ends(tmp_path, steps, name):
    """The picture's text for two cards, of which one took so many environment steps and the other ten."""
    few = [row(card="few", seed=s, update=u, env_steps=u) for s in range(2) for u in (5, 10)]
    many = [row(card="many", seed=s, update=u, env_steps=u * steps // 10) for s in range(2) for u in (5, 10)]
    curves(few + many, tmp_path / name, against=STEPS)
    return (tmp_path / name).read_text()


def test_places_are_logarithmic_where_some_end_long_before_others(tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    assert ">1k<" in ends(tmp_path, 10_000, "far.svg") and ">1k<" not in ends(tmp_path, 100, "near.svg")
