"""Files that are whole or as they were."""

import contextlib
import os
import uuid
from pathlib import Path

from jaxrl.core.check import InputError


def write(file: Path, data: bytes | str) -> None:
    """Put data in place of what the file held, in one step that outlasts a crash; folders are made where missing.

    Raises InputError where that cannot be, and then the file is as it was.
    """
    aside = file.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as opened:
            opened.write(data.encode() if isinstance(data, str) else data)
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(file)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written ({error.strerror or error}); free space there, or choose another with --out"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
