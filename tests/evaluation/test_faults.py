"""Faults of score files: each kind is planted and has to be seen; sound files have none."""

import csv

import numpy as np
import pytest

from jaxrl.cli import main
from jaxrl.core import paths
from jaxrl.core.check import InputError
from jaxrl.evaluation import compare, faults, scores
from tests.evaluation.sample import NAN, lost, row


def table(cards=("bc", "iql"), tasks=("a/x-v0", "a/y-v0"), seeds=range(3), **more):
    return [
        row(card=card, task=task, seed=seed, update=update, value=50.0 + seed + 3.0 * (card == "iql"), **more)
        for card in cards
        for task in tasks
        for seed in seeds
        for update in (5, 10)
    ]


def test_a_sound_table_has_no_faults():
    found = faults.find([*table(), lost(card="bc", task="a/x-v0", seed=3, update=5)])
    assert not (found.cells or found.columns or found.uneven), "a run that diverged has fewer rows"
    assert faults.find(table()) == faults.Faults({}, {}, {}, {}, ())


@pytest.mark.parametrize(
    "field, value", [("episodes", 50), ("dataset_hash", "d"), ("environment_version", "2"), ("score_convention", "m")]
)
def test_rows_of_a_cell_that_differ_in_what_was_measured(field, value):
    rows = table()
    rows[2] = rows[2]._replace(**{field: value})
    found = faults.find(rows, range(2, 2 + len(rows)))
    assert found.cells == {("bc", "a/x-v0"): "mixed"}
    (note,) = found.notes
    assert "bc on a/x-v0 is not averaged" in note and f"{value} (line 4)" in note and "lines 2-3, 5-7" in note
    assert f"{value} (seed 1)" in faults.find(rows).notes[0], "without lines, seeds say where"


def test_runs_that_stopped_early_do_not_spoil_the_others():
    old = [one._replace(dataset_hash="old") for one in table(seeds=[3]) if one.update == 5]
    assert not faults.find([*table(), *old]).cells


def test_a_checkpoint_with_two_numbers_names_its_lines():
    rows = [row(), row(value=51.0, episodes=20)]
    found = faults.find(rows, (2, 9))
    assert found.cells == {("bc", "a/x-v0"): "twice"}
    assert "seed 0 at update 10 differs in return_mean and score and episodes: 500.0 (line 2), 510.0 (line 9)" in (
        " ".join(found.notes)
    )
    again = faults.find([row(), row(evaluate_seconds=9.0), lost(seed=1), lost(seed=1)], (2, 3, 4, 5))
    assert not again.cells and again.notes == (
        "2 rows were written again with the same numbers, as where a run went on (lines 3, 5); counted once.",
    )


@pytest.mark.parametrize("field", faults.NUMBERS)
def test_numbers_that_are_not_finite(field):
    for bad in (NAN, float("inf")):
        found = faults.find([row(), row(seed=1, **{field: bad})], (2, 3))
        assert found.cells == {("bc", "a/x-v0"): "not finite"}
        assert f"{field} {bad} at update 10 (line 3, seed 1)" in found.notes[-1]
    assert not faults.find([row(), lost(seed=1)]).cells, "a run that is marked diverged is no fault of the file"


def test_many_bad_rows_are_counted_after_a_few():
    rows = [row(seed=seed, return_mean=NAN) for seed in range(10)]
    assert "and 7 more" in faults.find(rows).notes[0]


def test_missing_seeds_are_named_where_rows_or_columns_differ():
    rows = [one for one in table() if (one.card, one.task, one.seed) != ("bc", "a/y-v0", 1)]
    found = faults.find(rows)
    assert found.lacking == {("bc", "a/y-v0"): (1,)} and not found.cells
    assert "bc on a/y-v0 lacks 1" in found.notes[0]


def test_runs_evaluated_at_other_updates_are_uneven():
    rows = [one for one in table() if (one.card, one.seed, one.update) != ("bc", 2, 5)]
    assert set(faults.find(rows).uneven) == {("bc", "a/x-v0"), ("bc", "a/y-v0")}


def test_pairs_are_of_the_same_seeds_or_refused():
    rows = [*table(), *table(cards=("other",), seeds=range(5))]
    first, second = faults.pairs(rows, "iql", "bc")
    assert first.shape == (3, 2) and np.all(first - second == 3.0)
    assert compare.paired(first, second).pairs.tolist() == [3, 3]
    with pytest.raises(InputError, match=r"bc on a/x-v0 lacks seed 3-4, which other or another task has"):
        faults.pairs(rows, "bc", "other")
    with pytest.raises(InputError, match="unknown row 'bcx'"):
        faults.pairs(rows, "bcx", "bc")
    unlike = [one._replace(episodes=9) if one.card == "iql" else one for one in table()]
    with pytest.raises(InputError, match="iql and bc on a/x-v0 differ in episodes"):
        faults.pairs(unlike, "iql", "bc")
    spoilt = [*table(), row(card="bc", task="a/x-v0", value=1.0)]
    with pytest.raises(InputError, match=r"bc on a/x-v0 is not averaged \(twice\)"):
        faults.pairs(spoilt, "iql", "bc")


def test_what_must_not_be_averaged_is_left_out_of_pictures():
    rows = [*table(), row(card="bc", task="a/x-v0", seed=0, value=1.0)]
    left = faults.averaged(rows)
    assert len(left) == len(table()) - 6 and ("bc", "a/x-v0") not in {(one.card, one.task) for one in left}


def test_table_of_a_file_that_was_cut_off(capsys, tmp_path):
    path = tmp_path / "old" / "scores.csv"
    scores.append(path, table())
    path.write_bytes(path.read_bytes()[:-20])
    assert main(["table", str(path.parent), "--format", "md"]) == 1
    said = capsys.readouterr().out
    assert "scores.csv, line 25: the last line is cut off; run again to repair it, or delete it" in said
    assert "iql on a/y-v0 1" in said and "| bc " in said, "the run that lost its end is named, the others are shown"
    assert main(["table", str(path.parent), "--protocol", "mean:2"]) == 1
    assert "Mean of the last 2 checkpoints" in (path.parent / "leaderboard.md").read_text()
    assert main(["table", str(path.parent), "--protocol", "middle"]) == 2
    assert "unknown protocol 'middle'" in capsys.readouterr().err
    path.write_text(path.read_text().splitlines(keepends=True)[0] + "quick,a/x-v0")
    assert main(["table", str(path.parent)]) == 2
    assert "line 2: the last line is cut off" in capsys.readouterr().err


def test_our_own_tables_have_no_fault_but_the_known_mixture():
    folder = paths.shared("benchmarks/scores")
    for file in sorted(folder.glob("*.csv")):
        with file.open(newline="") as opened:
            if next(csv.reader(opened)) != list(scores.Score._fields):
                continue
        sheet = scores.sheet(file)
        found = faults.find(sheet.rows, sheet.lines)
        assert not (sheet.broken or found.cells or found.uneven), file.name
        known = {"external/hopper-medium-replay-v0": "environment version"} if file.stem == "external" else {}
        assert found.columns == known, file.name
