"""`jaxrl report` as text, pictures, and for bad input."""

import builtins
import csv

import pytest

from jaxrl import report
from jaxrl.cli import main
from jaxrl.cli.report import FORMATS
from jaxrl.evaluation import scores
from tests.report import sample


@pytest.fixture
def folder(tmp_path):
    return sample.write(tmp_path / "results")


def said(capsys, *arguments, code=2):
    """What the command says on standard error, as one line where it fails."""
    assert main(["report", *map(str, arguments)]) == code
    heard = capsys.readouterr()
    assert code != 2 or heard.err.count("\n") == 1
    return heard.err if code == 2 else heard.out


def test_markdown_latex_and_csv_are_the_leaderboards(capsys, folder):
    for form in ("md", "latex", "csv"):
        assert "written: " in said(capsys, folder, "--format", form, code=0)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text.count("# Leaderboard: ") == 2 and "80.0 ± 0.6" in text and "## Notes" in text
    assert "\\begin{tabular}" in (folder / "report.tex").read_text(encoding="utf-8")
    with (folder / "report.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["suite"] for line in lines} == {"first", "second"}
    (cell,) = [
        line for line in lines
        if (line["section"], line["row"], line["column"]) == ("Normalized score", "td3_bc", "first")
    ]  # fmt: skip
    assert float(cell["mean"]) == 80.0 and cell["runs"] == "3"


def test_formats_of_the_command_are_those_of_the_package():
    assert list(report.ENDINGS) == FORMATS


def test_pictures(capsys, tmp_path):
    pytest.importorskip("altair", reason="pictures need Altair")
    pytest.importorskip("vl_convert", reason="pictures need vl-convert")
    scores.append(tmp_path / "scores.csv", sample.rows())
    assert main(["report", str(tmp_path), "--format", "png", "--out", str(tmp_path / "out")]) == 0
    files = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert files == ["first-aggregates.png", "first-curves.png", "first-improvement.png", "first-profiles.png"]
    data = (tmp_path / "out" / files[0]).read_bytes()
    width = int.from_bytes(data[16:20])
    assert data.startswith(b"\x89PNG") and width > 600


def test_bad_input_ends_in_one_line(capsys, tmp_path, folder):
    assert "does not exist" in said(capsys, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "there is no scores.csv in" in said(capsys, tmp_path / "empty")
    (tmp_path / "empty" / "scores.csv").touch()
    assert "another header" in said(capsys, tmp_path / "empty")
    (tmp_path / "empty" / "scores.csv").write_text(scores.HEADER + "\n", encoding="utf-8")
    assert "holds no scores" in said(capsys, tmp_path / "empty")
    assert "invalid choice: 'pdf'" in said(capsys, folder, "--format", "pdf")
    assert "is a folder; name the file" in said(capsys, folder, "--format", "md", "--out", tmp_path)
    (tmp_path / "file").touch()
    assert "cannot be written" in said(capsys, folder, "--format", "md", "--out", tmp_path / "file" / "report.md")


def test_files_that_cannot_be_read_are_told_and_make_the_code_1(capsys, folder):
    (folder / "old").mkdir()
    (folder / "old" / "scores.csv").write_text("another,header\n", encoding="utf-8")
    assert main(["report", str(folder), "--format", "csv"]) == 1
    assert "left out: " in capsys.readouterr().err


def test_missing_library_names_the_extra(capsys, folder, monkeypatch):
    real = builtins.__import__

    def without(name, *more):
        if name.split(".")[0] == "altair":
            raise ModuleNotFoundError("No module named 'altair'", name="altair")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "altair is not installed" in (heard := said(capsys, folder)) and "pip install 'jaxrl-suite[report]'" in heard
    assert "written" in said(capsys, folder, "--format", "md", code=0)
