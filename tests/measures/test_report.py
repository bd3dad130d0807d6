"""`jaxrl data report`: numbers, notes in place of numbers that cannot be had, the picture, refusals."""

import json

import numpy as np
import pytest

from jaxrl.cli import measures
from jaxrl.cli.arguments import Parser
from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.data.dataset import from_arrays
from jaxrl.evaluation.measure_plots import Pictured, draw
from jaxrl.measures.report import Context, Replay, report
from tests import made


def command(*arguments: str) -> int:
    """The command as the command line runs it."""
    root = Parser("jaxrl data")
    measures.add_report(root.add_subparsers(required=True))
    parsed = root.parse_args(["report", *arguments])
    return parsed.run(parsed)


@pytest.fixture
def sets(monkeypatch, tmp_path):
    """Two random Pendulum sets, of which one counts as the replay; returns their ids."""
    root = made.set_roots(monkeypatch, tmp_path)
    made.write(root, "made/pendulum-medium-v0", episodes=4)
    made.write(root, "made/pendulum-full-replay-v0", episodes=6, seed=1)
    return "made/pendulum-medium-v0", "made/pendulum-full-replay-v0"


def values(rows) -> dict:
    return {row.name: row.value for row in rows}


def test_a_set_against_itself():
    data = from_arrays(made.arrays(episodes=6))
    rows = report(Context(data, Reference(-100.0, 100.0, "given", ""), Replay("itself", data), bins=10))
    found = values(rows)
    assert found["SACo"] == found["lSACo"] == found["states shared"] == 1
    assert found["episodes"] == 6 and found["steps"] == 120 and found["length, max"] == 20
    assert found["TQ"] == pytest.approx((found["return, mean"] + 100) / 200)
    assert all(np.isfinite(row.value) and row.meaning for row in rows)


def test_coverage_warns_of_its_limits():
    data, more = (from_arrays(made.arrays(episodes=count)) for count in (4, 6))
    notes = {bins: report(Context(data, replay=Replay("more", more), bins=bins)) for bins in (3, 100)}
    few, many = ({row.name: row.note for row in rows}["SACo"] for rows in notes.values())
    assert "80 steps beside 120" in few and "fewer --bins" in many and "fewer --bins" not in few


def test_what_cannot_be_had_is_said_in_one_line():
    rows = {row.name: row for row in report(Context(from_arrays(made.arrays(episodes=1, discrete=True, action=3))))}
    assert "--low" in rows["TQ"].note and "--replay" in rows["SACo"].note and "1 episodes" in rows["RPSV"].note
    assert [row.value for row in (rows["TQ"], rows["SACo"], rows["RPSV"])] == [None] * 3
    assert rows["unique pairs"].value == 20


def test_the_command_prints_every_measure_and_draws(sets, capsys, tmp_path):
    assert command(*sets, "--bins", "5", "--low", "-50", "--high", "50", "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("TQ", "SACo", "stitching gain", "pendulum-medium", "arXiv:2306.13085"))
    assert "against made/pendulum-full-replay-v0" in said
    assert (tmp_path / "out" / "measures.png").read_bytes()[:4] == b"\x89PNG"


def test_the_command_speaks_json_and_estimates(sets, capsys):
    assert command(sets[0], "--json", "--estimate", "--replay", sets[0]) == 0
    found = json.loads(capsys.readouterr().out)["datasets"][sets[0]]
    assert found["SACo"]["value"] == 1 and found["unique pairs"]["value"] == pytest.approx(80, rel=0.02)
    assert found["RPSV"]["source"] == "arXiv:2306.13085"


def test_why_numbers_are_missing_stands_below(sets, capsys, tmp_path):
    made.write(tmp_path / "sets", "made/alone-v0", environment="CartPole-v1", episodes=1)
    command("made/alone-v0")
    said = capsys.readouterr().out
    assert "made/alone-v0: no SACo, lSACo, states shared: coverage is relative to" in said
    assert "made/alone-v0: no RPSV: the positive-sided variance of 1 episodes" in said


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["made/absent-v0"], "made/absent-v0"),
        (["made/pendulum-medium-v0", "--replay", "made/absent-v0"], "made/absent-v0"),
        (["made/pendulum-medium-v0", "--low", "3"], "--low 3.0 and --high None"),
        (["made/pendulum-medium-v0", "--low", "3", "--high", "2"], "span no scale"),
        (["made/pendulum-medium-v0", "--bins", "0"], "at least 1"),
        (["embedded/pendulum-mediun-v0"], "did you mean 'embedded/pendulum-medium-v0'"),
    ],
)
def test_bad_input_is_one_line(sets, arguments, part):
    with pytest.raises(InputError) as raised:
        command(*arguments)
    assert part in str(raised.value) and "\n" not in str(raised.value)


def test_a_replay_of_another_task_is_refused():
    data, other = from_arrays(made.arrays()), from_arrays(made.arrays(obs=4))
    with pytest.raises(InputError, match=r"replay 'other' has .*\(4, 1, 'float32'\)"):
        report(Context(data, replay=Replay("other", other)))


@pytest.mark.parametrize("action", [np.zeros((30, 2)), np.arange(30) % 3])
def test_pictures_say_what_they_show(tmp_path, monkeypatch, action):
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    one = Pictured("a/first-v0", np.array([3.0, 3.0]), np.array([15, 15]), action, 0.5, 0.4)
    draw([one, one._replace(name="a/second-v0", quality=None)], tmp_path / "both.svg")
    said = (tmp_path / "both.svg").read_text()
    assert all(f">{text}<" in said for text in ("Returns", "Lengths", "Actions", "first", "second"))
    assert "1 of 2 not shown" in said


def test_no_datasets_are_not_drawn(tmp_path):
    with pytest.raises(InputError, match="0 datasets"):
        draw([], tmp_path / "x.png")
