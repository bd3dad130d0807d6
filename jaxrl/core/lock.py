"""One command at a time in a folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from jaxrl.core.check import InputError


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The folder for this process alone while the context lasts; made if need be.

    The system lifts the claim when the process ends, however it ends. InputError where another process has it, or
    where nothing can be written; where the system has no locks, nothing is claimed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / ".claimed", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f"folder {folder} cannot be written ({error.strerror}); choose another") from error
    try:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except BlockingIOError:
            owner = os.pread(file, 32, 0).decode(errors="replace").strip()
            raise InputError(
                f"folder {folder} is in use by another command (process {owner}); wait for it, or choose another folder"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)
