"""A folder of scores for the tests of this folder, with names that would run if they were not escaped."""

from pathlib import Path

from jaxrl.evaluation import scores
from tests.evaluation.sample import lost, row

TASKS = ("mine/first-v0", "mine/second-v0")
CARDS = {"td3_bc": 80.0, "bc": 40.0, "iql": 60.0}
HOSTILE = "<script>window.broken=1</script>"
"""A card's name."""
ENDING = "</script><img src=x onerror='window.broken=2'>&\u2028"
"""A task's name, which would also end a block of data."""


def rows(suite="first", **more):
    """Three cards of known middles on two tasks: three seeds that add -1, 0, 1, two checkpoints, one run diverged."""
    out = [
        row(card=card, task=task, seed=seed, update=update, suite=suite,
            value=middle + seed - 1 + 5 * (task == TASKS[1]) - 10 * (update == 5), **more)
        for card, middle in CARDS.items() for task in TASKS for seed in range(3) for update in (5, 10)
    ]  # fmt: skip
    lost_run = {"card": "iql", "task": TASKS[0], "seed": 3, "suite": suite}
    return [*out, row(**lost_run, update=5, value=1.0, **more), lost(**lost_run, update=10)]


def write(folder: Path) -> Path:
    """A folder with two suites below it: the cards above, and one run of hostile names."""
    scores.append(folder / "first" / "scores.csv", rows())
    scores.append(
        folder / "second" / "scores.csv",
        [row(card=HOSTILE, task=ENDING, suite="second", settings="a=1;b=<b>", commit="'\"><b>")],
    )
    return folder
