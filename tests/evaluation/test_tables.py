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
    with pytest.raises(InputError, match="unknown protocol 'first'"):
        board(two_by_two(), checkpoint="first")


def test_mean_of_the_last_checkpoints_stands_under_its_own_heading():
    table = board(two_by_two(), checkpoint="mean:2")
    heading = "Mean of the last 2 checkpoints: Normalized score"
    assert entry(table, heading, "good", "x").mean == pytest.approx(82.5)
    assert dict(table.protocol)["Checkpoint"].startswith("the mean of each run's last 2, under 'Mean of the last 2")
    assert all(section.heading.startswith("Mean of the last 2") for section in table.sections)
    with pytest.raises(InputError, match=r"mean:3 of \w+ on a/.-v0, seed 0: it has 2 checkpoints; take mean:2"):
        board(two_by_two(), checkpoint="mean:3")


def test_optimism_of_the_best_stands_in_scores_beside_it():
    table = board(two_by_two(return_std=3.0), checkpoint="both")
    found = entry(table, "Best checkpoint (an oracle): Optimism of the normalized score", "good", "x")
    assert abs(found.mean) < 0.1, "50 of the return apart with an error of 1: nothing is picked by noise"
    unknown = board(two_by_two(episodes=1), checkpoint="best")
    assert np.isnan(entry(unknown, "Best checkpoint (an oracle): Optimism of the normalized score", "bad", "y").mean)


def test_diverged_runs_are_counted_not_averaged():
    rows = [row(seed=0), row(seed=1, value=60.0), row(seed=2, update=5), lost(seed=2, update=7)]
    table = board(rows)
    cell = entry(table, "Normalized score", "bc", "a/x-v0")
    assert (cell.mean, cell.runs, cell.diverged, cell.mark) == (55.0, 3, 1, "†")
    assert any("bc on a/x-v0 1 of 3" in note for note in table.notes)
    all_lost = board([row(card="ok"), lost(card="bad")])
    assert "diverged†" in tables.markdown(all_lost)


def test_a_cell_with_numbers_that_are_not_finite_is_refused():
    table = tables.leaderboard([row(seed=0), row(seed=1, return_mean=float("inf"))], key=KEY, lines=(2, 3))
    assert render.text(entry(table, "Return", "bc", "a/x-v0")) == "not finite"
    assert any("return_mean inf at update 10 (line 3, seed 1)" in note for note in table.notes)


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
    assert said["Seeds"] == "3 a cell; 0-2" and said["Updates"] == "10, evaluated 2 times"
    assert "abc" in said["Data, by hash of its arrays"] and said["Commit"] == "c0ffee"
    assert said["Seconds"] == "24 compiling, 48 training, 72 evaluating, 144 in all"
    uneven = dict(board([*two_by_two(), row(card="good", task=TASKS[0], seed=3)]).protocol)
    assert "good on a/x-v0 4" in uneven["Seeds"]
    assert dict(board([row(), row(seed=1, commit="")]).protocol)["Commit"] == "c0ffee, not recorded"


def test_unlike_cells_are_shown_but_not_compared():
    rows = [row(card=card, seed=s, task=task) for card in ("bc", "iql") for s in (0, 1) for task in TASKS]
    rows = [r._replace(dataset_hash="other") if r[1:3] == (TASKS[1], "iql") else r for r in rows]
    table = board([*rows, *(row(card="x", seed=s, task=TASKS[0], value=9.0 + s) for s in (0, 1))])
    assert table.sections[0].columns == ("IQM [95 %]", "x", "y §")
    assert any("§: the cells of a/y-v0 differ in dataset hash: abc (bc); other (iql)" in note for note in table.notes)
    for card in ("bc", "iql"):
        cell = entry(table, "Normalized score", card, "y §")
        assert cell.mean == 50.0 and not cell.best
        assert entry(table, "Normalized score", card, "IQM [95 %]").refused == "mixed"
    assert entry(table, "Normalized score", "x", "IQM [95 %]").mean == pytest.approx(9.5)
    assert table.sections[0].rows[0][0] == "x", "rows without an aggregate come last"


def test_a_mixed_cell_is_not_averaged_in_any_form():
    rows = [*two_by_two(), row(card="good", task=TASKS[0], seed=3, dataset_hash="other")]
    table = tables.leaderboard(rows, key=KEY, lines=range(2, 2 + len(rows)))
    assert render.text(entry(table, "Normalized score", "good", "x")) == "mixed"
    assert entry(table, "Normalized score", "good", "IQM [95 %]").refused == "mixed"
    assert entry(table, "Normalized score", "good", "y").mean == pytest.approx(60)
    assert any("dataset hash: abc (lines 20-25), other (line 26)" in note for note in table.notes)
    assert "mixed" in tables.markdown(table) and "mixed" in tables.latex(table)
    lines = list(csv.DictReader(io.StringIO(tables.csv(table))))
    (cell,) = [x for x in lines if (x["section"], x["row"], x["column"]) == ("Return", "good", "x")]
    assert (cell["mean"], cell["refused"], cell["runs"]) == ("", "mixed", "4")


def test_one_run_and_one_task_say_why_there_is_no_interval():
    single = board([row(), row(task="a/y-v0")])
    assert entry(single, "Normalized score", "bc", "IQM [95 %]").interval is None
    assert any("one seed" in note and "no interval" in note for note in single.notes)
    one_task = board([row(seed=0), row(seed=1)])
    assert entry(one_task, "Normalized score", "bc", "IQM [95 %]").interval is None
    assert any("without an interval, since" in line for line in one_task.sections[0].lines)


def test_a_checkpoint_written_again_counts_once_where_it_says_the_same():
    table = board([row(), row(train_seconds=9.0, commit="later")])
    assert entry(table, "Return", "bc", "a/x-v0").mean == 500.0
    assert sum("1 row was written again with the same numbers" in note for note in table.notes) == 1
    assert render.text(entry(board([row(value=1.0), row(value=2.0)]), "Return", "bc", "a/x-v0")) == "twice"


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
