"""Each notebook's source runs from top to bottom at its tiny size."""

import runpy
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs(file, monkeypatch, capsys):
    monkeypatch.setenv("JAXRL_TINY", "1")
    names = runpy.run_path(str(file))
    assert names["result"].scores.shape == (3, 2, 4)
    assert "TD3+BC" in capsys.readouterr().out


def test_there_are_notebooks():
    assert FILES
