"""MLflow: one run a sweep, in a local folder or where a tracking URI leads."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrl.core.check import InputError
from jaxrl.trackers.tracker import Tracker, first_line, flat, missing

EXPERIMENT = "jaxrl"
MOST = 1000, 100
"""Metrics and parameters that a call takes at most."""
LONG = 6000
"""Characters of a parameter's value at most."""


def begin(place: str, name: str, facts: Mapping[str, Any], members: Sequence[str]) -> Tracker:
    """Begin a run of experiment "jaxrl" in folder `place`, or at that tracking URI; facts become its parameters.

    Metrics are called `name/member`, and `name/mean` over the members, with "_" for what MLflow does not take in a
    name. Raises InputError where the library is not installed or the place cannot be used.
    """
    # MLflow reads these when it is imported: no report of its use to its makers, and folders as stores, which work
    # without a database.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise missing("mlflow") from None
    try:
        client = MlflowClient(tracking_uri=place if "://" in place else Path(place).resolve().as_uri())
        experiment = client.get_experiment_by_name(EXPERIMENT)
        number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
        run = client.create_run(number, run_name=name).info.run_id
    except (MlflowException, OSError) as error:
        raise InputError(
            f"tracker mlflow cannot use {place!r} ({first_line(error)}); give a folder or a tracking URI"
        ) from None
    settle = [Param(_name(fact), str(value)[:LONG]) for fact, value in facts.items()]
    for i in range(0, len(settle), MOST[1]):
        client.log_batch(run, params=settle[i : i + MOST[1]])

    def log(update, numbers, places):
        now = int(1000 * time.time())
        metrics = [Metric(_name(key), value, now, update) for key, value in flat(numbers, members, places).items()]
        for i in range(0, len(metrics), MOST[0]):
            client.log_batch(run, metrics=metrics[i : i + MOST[0]])

    def end(facts):
        for fact, value in facts.items():
            client.set_tag(run, _name(fact), str(value))
        client.set_terminated(run, status="FAILED" if "failed" in facts else "FINISHED")

    return Tracker(log, end)


def _name(text: str) -> str:
    return re.sub(r"[^\w\-. /]", "_", text)
