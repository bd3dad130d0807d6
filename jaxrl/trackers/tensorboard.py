"""Event files that TensorBoard shows: a folder for each member, so that their curves lie in one picture."""

import itertools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrl.core.check import InputError
from jaxrl.trackers.tracker import MEAN, Tracker, by_member, missing

MOST = 256
"""Members that get a folder; each holds a file open."""


def begin(place: str, name: str, facts: Mapping[str, Any], members: Sequence[str]) -> Tracker:
    """Write under `place/name/` (or name-2, ... where that is taken): `mean/` and a folder for each member.

    Beyond the first MOST members only their share in the means is shown; a warning says so. Raises InputError where the
    writer is not installed or the folder cannot be written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise missing("tensorboard") from None
    folder = _free(Path(place), name)
    if len(members) > MOST:
        warnings.warn(f"tracker tensorboard shows {MOST} of the {len(members)} members, and means of all", stacklevel=2)
    writers = {MEAN: SummaryWriter(str(folder / MEAN))}
    rows = "".join(f"| {fact} | {value} |\n" for fact, value in facts.items())
    writers[MEAN].add_text("run", "| | |\n|-|-|\n" + rows)

    def log(update, numbers, places):
        for member, figures in by_member(numbers, members, places).items():
            if member not in writers and len(writers) > MOST:
                continue
            if member not in writers:
                writers[member] = SummaryWriter(str(folder / member))
            for tag, value in figures.items():
                writers[member].add_scalar(tag, value, update)
            writers[member].flush()

    def end(facts):
        writers[MEAN].add_text("result", ", ".join(f"{fact}: {value}" for fact, value in facts.items()))
        for writer in writers.values():
            writer.close()

    return Tracker(log, end)


def _free(place: Path, name: str) -> Path:
    """A new folder of that name."""
    for count in itertools.count(1):
        folder = place / (name if count == 1 else f"{name}-{count}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if place.is_dir():
                continue
            raise InputError(f"folder {place} of tracker tensorboard is a file; give another") from None
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"folder {folder} of tracker tensorboard cannot be written ({reason}); give another"
            ) from None
    raise AssertionError
