"""Files that are whole or as they were."""

import pytest

from jaxrl.core import files
from jaxrl.core.check import InputError


def test_what_is_written_is_there_and_nothing_else(tmp_path):
    files.write(tmp_path / "new" / "a.json", "one")
    files.write(tmp_path / "new" / "a.json", b"two")
    assert (tmp_path / "new" / "a.json").read_bytes() == b"two"
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["a.json"]


def test_what_cannot_be_written_is_as_it_was(tmp_path, monkeypatch):
    files.write(tmp_path / "a.json", "one")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.json cannot be written \(No space left on device\); free space there"):
        files.write(tmp_path / "a.json", "two")
    assert (tmp_path / "a.json").read_text() == "one" and len(list(tmp_path.iterdir())) == 1
