import csv
import io

import jax
import numpy as np
import pytest
from rich.console import Console

from jaxrl.core.check import InputError
from jaxrl.evaluation import render, tables
from jaxrl.evaluation.runs import labels, runs, short_names
from tests.evaluation.sample import lost, row

KEY = jax.random.key(0)
TASKS = ("a/x-v0", "a/y-v0")


def two_by_two(**more):
    """Scores: good 80 and 60, bad 20 and 30; three seeds that add -1, 0, 1; an earlier checkpoint that is 5 better."""
    middle = {("good", TASKS[0]): 80, ("good", TASKS[1]): 60, ("bad", TASKS[0]): 20, ("bad", TASKS[1]): 30}
    return [
        row(card=card, task=task, seed=seed, update=update, value=value + seed - 1.0 + 5.0 * (update == 5), **more)
        for (card, task), value in reversed(middle.items())
        for seed in range(3)
        for update in (5, 10)
    ]


def board(rows, **more):
    return tables.leaderboard(rows, key=KEY, **more)


def entry(table, heading, card, column):
    (section,) = [s for s in table.sections if s.heading == heading]
    return dict(section.rows)[card][section.columns.index(column)]


def test_last_checkpoint_is_averaged_over_seeds():
    table = board(two_by_two())
    cell = entry(table, "Normalized score", "good", "x")
    assert (cell.mean, cell.error, cell.runs) == (pytest.approx(80), pytest.approx(1 / np.sqrt(3)), 3)
    assert entry(table, "Return", "good", "x").mean == pytest.approx(800)
    assert [s.heading for s in table.sections] == ["Normalized score", "Return"]


def test_rows_are_ranked_by_the_aggregate():
    table = board(two_by_two())
    assert [name for name, _ in table.sections[0].rows] == ["good", "bad"]
    middle = entry(table, "Normalized score", "good", "IQM [95 %]")
    assert middle.mean == pytest.approx(70) and middle.interval[0] <= 70 <= middle.interval[1]
    assert any("ranked" in line and "d4rl" in line for line in table.sections[0].lines)


def test_bold_is_the_best_and_what_lies_within_one_standard_error():
    rows = [
        row(card=card, seed=seed, value=v + 3.0 * seed)
        for card, v in {"a": 50, "b": 49, "c": 40}.items()
        for seed in range(3)
    ]
    table = board(rows)
    assert [entry(table, "Return", card, "a/x-v0").best for card in "abc"] == [True, True, False]


def test_best_checkpoint_stands_under_its_own_heading():
    table = board(two_by_two(), checkpoint="both")
    heading = "Best checkpoint (an oracle): Normalized score"
    assert entry(table, heading, "good", "x").mean == pytest.approx(85)
    assert entry(table, "Normalized score", "good", "x").mean == pytest.approx(80)
    only = board(two_by_two(), checkpoint="best")
    assert all("oracle" in s.heading for s in only.sections)
    with pytest.raises(InputError, match="checkpoint"):
        board(two_by_two(), checkpoint="first")


def test_diverged_runs_are_counted_not_averaged():
    rows = [row(seed=0), row(seed=1, value=60.0), row(seed=2, update=5), lost(seed=2, update=7)]
    table = board(rows)
    cell = entry(table, "Normalized score", "bc", "a/x-v0")
    assert (cell.mean, cell.runs, cell.diverged, cell.mark) == (55.0, 3, 1, "†")
    assert any("bc on a/x-v0 1 of 3" in note for note in table.notes)
    all_lost = board([row(card="ok"), lost(card="bad")])
    assert "diverged†" in tables.markdown(all_lost)


def test_infinite_returns_count_as_diverged():
    assert entry(board([row(seed=0), row(seed=1, return_mean=float("inf"))]), "Return", "bc", "a/x-v0").diverged == 1


def test_runs_cut_short_are_left_out_and_named():
    table = board([row(seed=0), row(seed=1, update=5, value=0.0)])
    assert entry(table, "Return", "bc", "a/x-v0").mean == 500
    assert any("not reached" in note and "bc on a/x-v0 1" in note for note in table.notes)


def test_missing_cells_are_dashes_and_rank_after_complete_rows():
    rows = [*two_by_two(), row(card="partial", task=TASKS[0], value=99.0)]
    table = board(rows, notes=["partial on a/y-v0: no such data"])
    assert [name for name, _ in table.sections[0].rows][-1] == "partial"
    assert render.text(entry(table, "Normalized score", "partial", "y")) == "–"
    aggregate = entry(table, "Normalized score", "partial", "IQM [95 %]")
    assert aggregate.mark == "‡" and not aggregate.best
    assert table.notes[0] == "partial on a/y-v0: no such data"


def test_tasks_without_references_show_returns_and_say_why():
    plain = {"score": None, "score_convention": ""}
    table = board([*two_by_two(), row(card="good", task="a/z-v0", **plain)])
    assert table.sections[0].columns == ("IQM [95 %]", "y", "x"), "in order of first appearance"
    assert "z" in table.sections[1].columns
    assert any("No normalized score for a/z-v0" in line for line in table.sections[1].lines)
    none = board([row(**plain)])
    assert [s.heading for s in none.sections] == ["Return"] and "not ranked" in " ".join(none.sections[0].lines)


def test_d4rl_score_has_its_own_table_where_another_ranks():
    rows = [row(seed=s, score_convention="expert", score_d4rl=40.0 + s) for s in range(2)]
    table = board(rows)
    assert entry(table, "D4RL-compatible score", "bc", "a/x-v0").mean == pytest.approx(40.5)
    assert "expert" in table.sections[0].lines[0]
    same = board([row(score_d4rl=50.0)])
    assert "D4RL-compatible score" not in [s.heading for s in same.sections]


def test_protocol_says_how_it_was_measured():
    said = dict(board(two_by_two()).protocol)
    assert said["Seeds"] == "3 a cell; 0, 1, 2" and said["Updates"] == "10, evaluated 2 times"
    assert "abc" in said["Data, by hash of its arrays"] and said["Commit"] == "c0ffee"
    assert said["Seconds"] == "24 compiling, 48 training, 72 evaluating, 144 in all"
    uneven = dict(board([*two_by_two(), row(card="good", task=TASKS[0], seed=3)]).protocol)
    assert "good on a/x-v0 4" in uneven["Seeds"]


def test_mixed_data_is_called_out():
    notes = board([row(seed=0), row(card="iql", dataset_hash="other")]).notes
    assert any("differ in dataset hash: abc, other" in note for note in notes)


def test_a_checkpoint_written_twice_counts_once():
    assert entry(board([row(value=1.0), row(value=2.0)]), "Return", "bc", "a/x-v0").mean == 20.0


def test_settings_name_rows_only_where_a_task_has_several():
    swept = [row(), row(settings="q_scale=4")]
    assert set(labels(runs(swept)).values()) == {"bc", "bc q_scale=4"}
    tuned = [row(settings="q_scale=2"), row(task="a/y-v0", settings="q_scale=4")]
    assert set(labels(runs(tuned)).values()) == {"bc"}
    assert any("q_scale=4" in note for note in board(tuned).notes)


def test_short_names():
    assert short_names(["e/a-v0", "e/b-c-v0"]) == ({"e/a-v0": "a", "e/b-c-v0": "b-c"}, "e/…-v0")
    assert short_names(["e/a-v0", "f/b-v1"])[1] == ""
    assert short_names(["e/a-v0"]) == ({"e/a-v0": "e/a-v0"}, "")


def test_no_scores_and_several_suites_are_refused():
    with pytest.raises(InputError, match="no scores"):
        board([])
    with pytest.raises(InputError, match="2 suites"):
        board([row(), row(suite="other")])


def test_table_is_deterministic():
    assert tables.markdown(board(two_by_two())) == tables.markdown(board(two_by_two()))


def test_markdown_is_aligned_and_fits():
    many = [
        row(card=card, task=f"a/task-{i}-medium-v0", seed=s)
        for card in ("bc", "x|y")
        for i in range(12)
        for s in (0, 1)
    ]
    said = tables.markdown(board(many))
    grid = [line for line in said.splitlines() if line.startswith("|")]
    assert max(map(len, grid)) <= render.WIDTH
    assert "x\\|y" in said
    start = grid.index(next(line for line in grid if "IQM" in line))
    assert len({len(line) for line in grid[start : start + 4]}) == 1
    assert said.startswith("# Leaderboard: quick\n\n- **Seeds:**") and "**500**" not in said


def test_csv_holds_every_number():
    lines = list(csv.DictReader(io.StringIO(tables.csv(board(two_by_two())))))
    (cell,) = [x for x in lines if (x["section"], x["row"], x["column"]) == ("Normalized score", "good", "x")]
    assert float(cell["mean"]) == pytest.approx(80) and cell["runs"] == "3" and cell["low"] == ""
    assert len(lines) == 2 * 3 + 2 * 2


def test_latex_is_escaped():
    said = tables.latex(board([row(card="td3_bc", seed=s, value=50.0 + s) for s in (0, 1)]))
    assert "td3\\_bc" in said and "50.5 $\\pm$ 0.5" in said and "95 \\%" in said and "\\textbf{" in said
    assert said.count("\\begin{tabular}") == said.count("\\end{tabular}") == 2


def test_terminal_shows_the_same_numbers():
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(tables.rich_table(board(two_by_two(), notes=["a reason"]), 100))
    said = console.export_text()
    assert "80.0 ± 0.6" in said and "IQM [95 %]" in said and "a reason" in said and "Commit: c0ffee" in said
