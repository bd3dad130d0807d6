"""`jaxrl runs list|show|diff`."""

import json

import pytest

from jaxrl.cli import main
from tests.test_store import run, write

NUMBERS = [{"q_scale": 1.0, "actor_lr": 3e-4}, {"q_scale": 2.5, "actor_lr": 3e-4}]
LOST = {"update": 3, "part": "critic"}


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """Two runs under ./results, which is where commands look."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "results" / "a", "td3_bc-x-1")
    write(
        *(tmp_path / "results" / "b", "iql-x-2"), card="iql", task="mine/swing-v0", started="2026-02-01T00:00:00Z",
        numbers=NUMBERS, returns=[[1.0, 2.0], [3.0, None]], scores=[[10.0, 20.0], [30.0, None]],
        diverged=[[None, None], [None, LOST]],
    )  # fmt: skip
    return tmp_path / "results"


def said(capsys, *arguments, code=0):
    """What the command prints."""
    assert main(["runs", *arguments]) == code
    heard = capsys.readouterr()
    return heard.err if code else heard.out


def words(text):
    """Lines as lists of words."""
    return [line.split() for line in text.splitlines()]


def test_list_shows_the_newest_first(capsys):
    titles, first, second = words(said(capsys, "list"))
    assert " ".join(titles) == "id card task hypers x seeds updates return score diverged device commit started"
    assert " ".join(first) == "iql-x-2 iql mine/swing-v0 2 x 2 4 2.0 20.0 1 1 x cpu abc 2026-02-01T00:00:00Z"
    assert " ".join(second) == "td3_bc-x-1 td3_bc made/up-v0 1 x 2 4 2.0 0 1 x cpu abc 2026-01-01T00:00:00Z"


def test_ids_are_never_cut(capsys, monkeypatch, results):
    """Where the terminal is narrow other columns give way."""
    name = "td3_bc-halfcheetah-medium-v0-20260101T000000-0123ab"
    write(results, name)
    for variable, value in (("FORCE_COLOR", "1"), ("COLUMNS", "100")):
        monkeypatch.setenv(variable, value)
    text = said(capsys, "list")
    assert any(line.startswith(name) for line in text.splitlines()) and "started" not in text and "return" in text


def test_list_filters_and_speaks_json(capsys):
    for option in (("--card", "iql"), ("--task", "mine/swing-v0")):
        found = json.loads(said(capsys, "list", "--json", *option))
        assert [one["id"] for one in found["runs"]] == ["iql-x-2"] and found["notes"] == []
    assert json.loads(said(capsys, "list", "results/a", "--json"))["runs"][0]["seeds"] == [0, 1]
    assert said(capsys, "list", "--card", "bc") == "no runs of card 'bc' under results; there are cards iql, td3_bc\n"


def test_a_broken_run_is_noted_after_the_others(capsys, results):
    write(results, "half", '{"format": 1,')
    lines = said(capsys, "list").splitlines()
    assert (
        len(lines) == 4
        and lines[-1] == "note: run results/runs/half/run.json is broken; delete that folder and run again"
    )
    (note,) = json.loads(said(capsys, "list", "--json"))["notes"]
    assert note == lines[-1].removeprefix("note: ")


def test_folders_without_runs(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert said(capsys, "list", "empty") == "no runs under empty\n"
    assert "folder nowhere does not exist; give the folder that runs" in said(capsys, "list", "nowhere", code=2)


def test_show_tells_everything(capsys, results):
    text = said(capsys, "show", "iql")
    lines = words(text)
    assert (
        ["id", "iql-x-2"] in lines and ["numbers.q_scale", "1,", "2.5"] in lines and ["structure.width", "8"] in lines
    )
    assert ["policies", "not", "stored"] in lines and ["diverged", "1"] in lines
    assert lines[-4:-1] == [
        ["q_scale=1", "0", "1", "10"],
        ["q_scale=1", "1", "2", "20"],
        ["q_scale=2.5", "0", "3", "30"],
    ]
    assert lines[-1] == ["q_scale=2.5", "1", "update", "3,", "critic"]
    (results / "b" / "runs" / "iql-x-2" / "policy").mkdir()
    assert ["policies", "results/b/runs/iql-x-2/policy"] in words(said(capsys, "show", "results/b/runs/iql-x-2"))
    stored = json.loads(said(capsys, "show", "iql-x", "--json"))
    assert stored == run("iql-x-2", **{name: stored[name] for name in stored.keys() - {"id", "format"}})


def test_diff_tells_what_differs(capsys, results):
    text = said(capsys, "diff", "td3", "iql")
    lines = [" ".join(line) for line in words(text)]
    assert lines[0] == "td3_bc-x-1 iql-x-2 change" and "card td3_bc iql" in lines
    assert "diverged 0 1 +1" in lines and "mean of scores 20" in lines and "seeds" not in text
    write(results, "twin")
    assert said(capsys, "diff", "td3", "twin") == "nothing differs between td3_bc-x-1 and twin\n"
    write(results, "slow", seconds={"train": 4.5})
    assert "seconds.train  2           4.5   +2.5" in said(capsys, "diff", "td3", "slow")
    found = json.loads(said(capsys, "diff", "td3", "slow", "--json"))
    assert found["runs"] == ["td3_bc-x-1", "slow"] and found["differences"] == [
        {"what": "seconds.train", "first": 2.0, "second": 4.5, "change": 2.5}
    ]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("show td4", ("unknown run 'td4'", "there are:", "td3_bc-x-1", "iql-x-2")),
        ("show iql --root nowhere", ("folder nowhere does not exist", "--out")),
        ("diff iql x", ("unknown run 'x'",)),
        ("diff iql", ("required: ID", "see `jaxrl runs diff --help`")),
        ("", ("required: WHAT", "see `jaxrl runs --help`")),
    ],
)
def test_bad_input_ends_in_one_line(capsys, arguments, parts):
    heard = said(capsys, *arguments.split(), code=2)
    assert heard.startswith("jaxrl: ") and heard.count("\n") == 1 and all(part in heard for part in parts), heard


def test_an_ambiguous_run_names_the_candidates(capsys, results):
    write(results, "iql-x-3")
    assert "run 'iql' is ambiguous: iql-x-2, iql-x-3; give more of the id" in said(capsys, "show", "iql", code=2)


def test_settings_that_one_run_lacks_and_long_lists_are_shown_briefly(capsys, results):
    scale = {"mean": [0.5] * 20, "std": [1.0] * 20}
    write(results, "scaled", scaler=scale, precision=None)
    lines = [" ".join(line) for line in words(said(capsys, "diff", "td3", "scaled"))]
    assert "scaler.mean 20 values from 0.5" in lines
