"""Where Minari datasets lie on this machine, and how one that does not is downloaded."""

import contextlib
import difflib
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from jaxrl.core.check import InputError
from jaxrl.core.paths import dataset_roots

ID = re.compile(r"(?!.*//)(?:[-\w][-\w/]*[-\w]/)?[-\w]+-v\d+")
"""What Minari accepts: a namespace of two characters or more, a name, a version."""
DEPTH = 6
PATIENCE = 5.0
"""Seconds that the remote may take to answer at all."""


def check_id(dataset_id: str) -> str:
    """The id, if Minari could hold it; else an InputError."""
    if not ID.fullmatch(dataset_id):
        raise InputError(
            f"dataset id {dataset_id!r} is malformed; write it as namespace/name-v0, in letters, digits, - and _"
        )
    return dataset_id


def find(dataset_id: str) -> Path | None:
    """Folder of a local dataset, from the first root that has it; None where none does."""
    check_id(dataset_id)
    folders = (root / dataset_id for root in dataset_roots())
    return next((folder for folder in folders if (folder / "data").is_dir()), None)


def folders(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Dataset folders under a root, sorted; hidden ones and unfinished `*.tmp` are passed over."""
    if not root.is_dir() or depth == 0:
        return
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith(".") or folder.name.endswith(".tmp"):
            continue
        if (folder / "data").is_dir():
            yield folder
        else:
            yield from folders(folder, depth - 1)


def installed() -> dict[str, tuple[Path, Path]]:
    """Local ids with their root and folder; where two roots have one, the first counts."""
    found: dict[str, tuple[Path, Path]] = {}
    for root in dataset_roots():
        for folder in folders(root):
            found.setdefault(folder.relative_to(root).as_posix(), (root, folder))
    return found


def absent(dataset_id: str, reason: str) -> InputError:
    """The error for an id that is neither here nor to be had; `reason` says why not."""
    near = difflib.get_close_matches(dataset_id, installed(), n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? else " if near else ""
    return InputError(
        f"dataset {dataset_id!r} is not found locally (looked in MINARI_DATASETS_PATH or ~/.minari/datasets, "
        f"JAXRL_DATA or the built data, JAXRL_EXTERNAL_DATA) and {reason}; {hint}run `minari download {dataset_id}` "
        f"where there is a network, set MINARI_DATASETS_PATH to a folder that holds it, or make it with "
        f"`jaxrl data import`"
    )


def fetch(dataset_id: str) -> Path:
    """Download into Minari's own path and return the folder; InputError where that fails.

    Asks first whether the remote answers, because the client itself retries for half a minute when there is no network.
    What a failed or interrupted download left behind is removed.
    """
    import minari

    target = dataset_roots()[0] / check_id(dataset_id)
    existed = target.exists()
    reason = unreachable()
    if reason:
        raise absent(dataset_id, f"could not be downloaded ({reason})")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            minari.download_dataset(dataset_id)
    except BaseException as error:
        if not existed:
            shutil.rmtree(target, ignore_errors=True)
        if not isinstance(error, Exception):
            raise
        raise absent(dataset_id, f"could not be downloaded ({brief(error)})") from error
    path = find(dataset_id)
    if path is None:
        raise absent(dataset_id, "the download brought nothing")
    return path


def unreachable() -> str:
    """Why Minari's remote cannot be asked, "" where it answers or where that cannot be told beforehand."""
    if not os.environ.get("MINARI_REMOTE", "hf://").startswith("hf://"):
        return ""
    try:
        from huggingface_hub import constants
    except ImportError:
        return ""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    answers: list[str] = []
    # A thread, because looking up a name takes no time limit.
    thread = threading.Thread(target=lambda: answers.append(probe(constants.ENDPOINT)), daemon=True)
    thread.start()
    thread.join(2 * PATIENCE)
    return answers[0] if answers else f"no answer within {2 * PATIENCE:.0f} s"


def probe(address: str) -> str:
    """The failure of asking a server at the address; empty if it answers, whatever it says."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        urlopen(Request(address, method="HEAD"), timeout=PATIENCE).close()
    except HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return brief(error)
    return ""


def brief(error: BaseException) -> str:
    """Kind and first line of an error."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}".rstrip(": ")


BEHAVIOUR = re.compile(r"(?<=-)(random|medium-expert|medium-replay|full-replay|medium|simple|expert)(?=-v\d)")


def twin(dataset_id: str, behaviour: str) -> str:
    """The id of another behaviour's data in the same environment, by the ids' custom; the same where it names none."""
    return BEHAVIOUR.sub(behaviour, dataset_id)


def replay_twin(dataset_id: str, made: Iterable[str] = ()) -> str | None:
    """The replay set that goes with a dataset by the ids' custom, if it is on this machine or among those `made`."""
    twins = [twin(dataset_id.split("+")[0], kind) for kind in ("full-replay", "medium-replay")]
    return next((one for one in twins if "-replay-v" in one and (one in made or find(one))), None)
