"""Weights & Biases: one run a sweep. Nothing leaves the machine unless `WANDB_MODE` says so."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from jaxrl.core.check import InputError, known
from jaxrl.trackers.tracker import Tracker, first_line, flat, missing

MODES = ("offline", "online", "shared", "disabled")


def begin(place: str, name: str, facts: Mapping[str, Any], members: Sequence[str]) -> Tracker:
    """Begin a run of project `place`; figures are called `name/member`, and `name/mean` over the members.

    Offline unless the environment variable `WANDB_MODE` names another mode; the run's folder lies in `WANDB_DIR`, else
    in `./wandb/`, and `wandb sync` uploads it. Raises InputError for an unknown mode, and where the library is not
    installed or cannot begin.
    """
    mode = known("mode in WANDB_MODE", os.environ.get("WANDB_MODE") or "offline", MODES)
    if mode == "offline":
        # Else the library reports its own crashes whatever the mode.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError:
        raise missing("wandb") from None
    settings = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True)
    try:
        run = wandb.init(project=place, name=name, config=dict(facts), mode=mode, settings=settings)
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise InputError(
            f"tracker wandb cannot begin in mode {mode} ({first_line(error)}); unset WANDB_MODE to stay offline"
        ) from None

    # Not W&B's own steps: those must not go down, as updates do where members are trained in chunks.
    run.define_metric("update", hidden=True)
    run.define_metric("*", step_metric="update")

    def log(update, numbers, places):
        run.log({"update": update, **flat(numbers, members, places)})

    def end(facts):
        run.summary.update(dict(facts))
        run.finish(exit_code=int("failed" in facts))

    return Tracker(log, end)
