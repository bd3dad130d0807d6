"""Folders that several machines may see."""

import time
import uuid
from pathlib import Path

from jaxrl.core.check import InputError
from jaxrl.core.lock import claimed

MARK = ".cluster"
"""File in a folder whose text tells a machine that it sees the same folder."""
PATIENCE = 60.0
"""Seconds that a job which is begun again waits for what is left of its first worker to let go of its checkpoints."""


def mark(folder: Path) -> str:
    """The text that marks the folder, the same from one command to the next."""
    file = folder / MARK
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(uuid.uuid4().hex, encoding="utf-8")
    return file.read_text(encoding="utf-8")


def sees(folder: Path, text: str) -> bool:
    """Whether this machine has the folder that bears that text."""
    try:
        return (folder / MARK).read_text(encoding="utf-8") == text
    except OSError:
        return False


def free(folder: Path) -> None:
    """Wait until no other process has the folder, for a while: what ran on a lost node ends a moment later."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with claimed(folder):
                return
        except InputError:
            time.sleep(0.5)
