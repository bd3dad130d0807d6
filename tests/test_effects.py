"""The table of published effects: every system that does not show its effect says what was tried."""

import pytest

import benchmarks.effects
from benchmarks import folder
from benchmarks.effects import __main__ as effects
from benchmarks.effects.effect import Effect
from benchmarks.effects.tried import TRIED


def test_what_does_not_show_says_what_was_tried():
    rows = effects.stored()
    assert len(rows) > 100 and set(effects.unshown(rows)) == set(TRIED)
    text = effects.TABLE.read_text(encoding="utf-8")
    assert text.count("| `python -m benchmarks.effects ") == len(rows)
    assert all(f"* `{name}`: {said}" in text for name, said in TRIED.items())


def test_an_unknown_measurement_is_one_line_before_anything_runs(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["effects", "riql", "nope"])
    never = lambda *found: pytest.fail("something was measured")
    with pytest.raises(SystemExit, match="2"):
        folder.run(benchmarks.effects, {"effect", "tried"}, "measure", never, "summary")
    said = capsys.readouterr().err.splitlines()[-1]
    assert "unknown measurement 'nope'" in said and "riql" in said and "tried" not in said


def test_a_gain_is_shown_where_its_interval_lies_above_zero():
    verdict = lambda systems, parents, **more: Effect("a", "b", "t", "m", systems, parents, **more).verdict
    assert verdict([2.0, 2.1, 2.2], [1.0, 1.1, 1.3]) == "shown"
    assert verdict([1.0, 3.0, 0.0], [1.1, 2.0, 0.5]) == "not shown"
    assert verdict([1.0, 1.1, 1.3], [2.0, 2.1, 2.2]) == "worse"
    assert verdict([1.0, 1.1, 1.3], [2.0, 2.1, 2.2], higher=False) == "shown"
    assert verdict([1.0, 3.0, 0.0], [1.1, 2.0, 0.5], expected="equal") == "shown"
