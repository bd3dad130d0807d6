import math
import multiprocessing

import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.evaluation import scores
from tests.evaluation.sample import lost, row


def test_rows_come_back_as_they_were(tmp_path):
    path = tmp_path / "results" / "quick" / "scores.csv"
    rows = [
        row(value=1 / 3, settings='q_scale=4,head="x"'),
        row(score=None, score_d4rl=np.float32(0.5), seed=np.int64(3)),
    ]
    scores.append(path, rows[:1])
    scores.append(path, rows[1:])
    assert scores.read(path) == rows
    assert type(scores.read(path)[1].seed) is int
    assert path.read_text().splitlines()[0].startswith("suite,task,card,settings,seed,update,env_steps,return_mean")


def test_a_diverged_row_comes_back(tmp_path):
    scores.append(tmp_path / "s.csv", [lost()])
    (back,) = scores.read(tmp_path / "s.csv")
    assert math.isnan(back.return_mean) and back.score is None and back.diverged == 1


def test_other_header_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("a,b\n1,2\n")
    for act in (lambda: scores.append(path, [row()]), lambda: scores.read(path), lambda: scores.repair(path)):
        with pytest.raises(InputError, match="another header"):
            act()
    assert path.read_text() == "a,b\n1,2\n"


def test_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*--out"):
        scores.append(tmp_path / "file" / "s.csv", [row()])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.csv"):
        scores.read(tmp_path / "none.csv")
    assert scores.repair(tmp_path / "none.csv") == 0


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_cut_last_line_is_reported_skipped_repaired(tmp_path, cut):
    path = tmp_path / "s.csv"
    scores.append(path, [row(seed=0), row(seed=1)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with pytest.raises(InputError, match="line 3: the last line is cut off"):
        scores.read(path)
    assert [r.seed for r in scores.read(path, strict=False)] == [0]
    with pytest.raises(InputError, match="cut off"):
        scores.append(path, [row(seed=2)])
    assert scores.repair(path) > 0 and scores.repair(path) == 0
    scores.append(path, [row(seed=1)])
    assert path.read_bytes() == whole


def test_cut_header_is_repaired(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(scores.HEADER[:20])
    assert scores.repair(path) == 20
    scores.append(path, [row()])
    assert scores.read(path) == [row()]


def test_broken_line_in_the_middle_is_an_error_either_way(tmp_path):
    path = tmp_path / "s.csv"
    scores.append(path, [row(seed=0), row(seed=1)])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "what,is,this\n", lines[2]]))
    for strict in (True, False):
        with pytest.raises(InputError, match="line 2"):
            scores.read(path, strict=strict)


def test_a_sheet_reads_what_can_be_read_and_names_the_rest(tmp_path):
    path = tmp_path / "s.csv"
    scores.append(path, [row(seed=seed) for seed in range(4)])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1], "what,is,this\n", lines[2], lines[3], lines[4][:-9]]))
    found = scores.sheet(path)
    assert [(r.seed, line) for r, line in zip(found.rows, found.lines, strict=True)] == [(0, 2), (1, 4), (2, 5)]
    assert list(found.broken) == [3, 6]
    assert "line 3: not a row of scores; correct" in found.broken[3] and "line 6: the last line" in found.broken[6]
    path.write_text("".join(lines))
    assert scores.sheet(path).broken == {}


def test_line_breaks_in_a_value_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="commit"):
        scores.append(tmp_path / "s.csv", [row(), row(commit="a\nb")])
    assert not (tmp_path / "s.csv").exists()


def _write(path, seed):
    for update in range(20):
        scores.append(path, [row(seed=seed, update=update)])


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "s.csv"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, seed)) for seed in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert {(r.seed, r.update) for r in scores.read(path)} == {(s, u) for s in range(2) for u in range(20)}


def test_finished_runs():
    rows = [row(seed=0, update=5), row(seed=0, update=10), row(seed=1, update=5), lost(seed=2, update=5)]
    assert scores.finished(rows, 10) == {("quick", "a/x-v0", "bc", "", 0), ("quick", "a/x-v0", "bc", "", 2)}
