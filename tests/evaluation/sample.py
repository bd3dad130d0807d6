"""Rows of scores for the tests of this folder."""

from jaxrl.evaluation.scores import Score

NAN = float("nan")


def row(card="bc", task="a/x-v0", seed=0, update=10, value=50.0, **more) -> Score:
    """A row whose return is ten times its score."""
    fields = {
        "suite": "quick",
        "task": task,
        "card": card,
        "settings": "",
        "seed": seed,
        "update": update,
        "env_steps": 0,
        "return_mean": 10.0 * value,
        "return_std": 1.5,
        "score": value,
        "score_convention": "d4rl",
        "score_d4rl": None,
        "success": None,
        "episodes": 10,
        "diverged": 0,
        "compile_seconds": 1.0,
        "train_seconds": 2.0,
        "evaluate_seconds": 3.0,
        "dataset_hash": "abc",
        "environment": "X-v0",
        "environment_version": "jaxrl 0.1",
        "device": "cpu",
        "precision": "float32",
        "versions": "jax=0.10.2;numpy=2.4",
        "commit": "c0ffee",
    }
    return Score(**{**fields, **more})


def lost(**more) -> Score:
    """The last row of a run that diverged."""
    return row(**{"return_mean": NAN, "return_std": NAN, "score": None, "diverged": 1, **more})
