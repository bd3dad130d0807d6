"""Which of a run's checkpoints a table shows, and how much picking the best of noisy evaluations flatters.

Sources: Oliveira, Lei and Tibshirani (arXiv:2111.09447), the coupled bootstrap, used here for the maximum of a learning
curve, which is not in their paper; Gasser, Sroka and Jennen-Steinmetz 1986, noise from second differences of a curve.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.evaluation import aggregate
from jaxrl.evaluation.runs import Run, best, sound
from jaxrl.evaluation.scores import Score

ADDED = 0.5
"""Noise that the estimator adds before it picks, in standard errors of an evaluation. Less of it is nearer to the pick
that was made, but noisier itself: with 0.5 estimates are a few hundredths of a standard error too high on curves of
20 checkpoints, with 1.0 a quarter of one."""
DRAWS = 400
"""Picks that an estimate is the mean of."""


class Choice(NamedTuple):
    """A protocol. name: as it was asked for, "last", "mean:3" or "best". choose: the row that stands for a run.

    prefix: of the headings, "" for the last checkpoint. when: the end of a sentence. said: one line for the protocol.
    """

    name: str
    choose: Callable[[Run], Score]
    prefix: str
    when: str
    said: str

    @property
    def oracle(self) -> bool:
        """Whether the numbers that judge a run also picked its checkpoint."""
        return self.name == "best"

    @property
    def several(self) -> bool:
        """Whether it looks at more checkpoints than the last."""
        return self.name != "last"


def choices(protocol: str) -> tuple[Choice, ...]:
    """The protocols of a table: "last", "mean:K" (of the last K checkpoints), "best", or "both" for last and best.

    InputError for another name, and for a K that is no whole number of at least 1.
    """
    last = Choice("last", lambda run: run.last, "", "at the last checkpoint", "each run's last")
    oracle = Choice(
        "best", best, "Best checkpoint (an oracle): ", "at the best checkpoint",
        "each run's best, picked by the evaluations that it is judged by: an oracle",
    )  # fmt: skip
    plain = {"last": (last,), "best": (oracle,), "both": (last, oracle)}
    if protocol in plain:
        return plain[protocol]
    kind, sign, text = protocol.partition(":")
    if kind != "mean" or not sign or not text.isdecimal() or not int(text):
        raise InputError(f"unknown protocol {protocol!r}; known: last, mean:K such as mean:3, best, both")
    count = int(text)
    when = f"over each run's last {count} checkpoints" if count > 1 else "at the last checkpoint"
    mean = functools.partial(mean_of_last, count=count)
    return (
        Choice(protocol, mean, f"Mean of the last {count} checkpoints: ", when, f"the mean of each run's last {count}"),
    )


def mean_of_last(run: Run, count: int) -> Score:
    """The last row with its numbers averaged over the last `count` checkpoints; a run that diverged stays as it is.

    InputError for a run of fewer checkpoints.
    """
    rows = run.rows[-positive("count", count) :]
    if lost := [row for row in rows if not sound(row)]:
        return lost[-1]
    if len(rows) < count:
        _, task, card, _, seed = run.key
        raise InputError(
            f"mean:{count} of {card} on {task}, seed {seed}: it has {len(rows)} checkpoints; "
            f"take mean:{len(rows)} at most, or last"
        )

    def mean(name: str):
        numbers = [getattr(row, name) for row in rows]
        return None if None in numbers else float(np.mean(numbers))

    names = ("return_mean", "score", "score_d4rl", "success")
    spread = float(np.mean([row.return_std**2 for row in rows])) ** 0.5
    return run.last._replace(return_std=spread, **{name: mean(name) for name in names})


def optimism(
    key, means: np.ndarray, errors: np.ndarray, *, added: float = ADDED, shared: float = 0.0, draws: int = DRAWS
) -> np.ndarray:
    """How far the largest of noisy means lies above the true value of what it picks, estimated: [R, C] x2 -> [R].

    means: R runs at C checkpoints, NaN where there is none; errors: their standard errors. Noise is drawn and added,
    `added` errors of it, the checkpoint picked by the sum, and judged by the mean less 1 / added^2 times that noise.
    What is added and what is taken off make the two independent, so the judgement is unbiased whatever the true curve
    is, for a pick with (1 + added^2) times the variance; that pick is a little worse than the one that was made, so
    the estimate is a little high. A plain parametric bootstrap around the measured curve takes the noise in it for
    differences between checkpoints, and is a fourth too low (`benchmarks/protocols/checkpoints.py`).

    Assumes that evaluations are normal with known errors. shared: the part of their variance that all checkpoints of a
    run have in common, as where the same episodes are played at each; it moves the whole curve and picks nothing. Of
    independent evaluations it is 0; `shared_part` estimates it. A single run's estimate is noisy, and may be negative:
    average over runs.
    """
    if not 0 <= shared < 1:
        raise InputError(f"shared is {shared}; it must be at least 0 and below 1")
    if not added > 0:
        raise InputError(f"added is {added}; it must be above 0")
    draw = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    out = np.full(len(means), np.nan)
    for run, (mean, error) in enumerate(zip(means, errors, strict=True)):
        there = np.isfinite(mean)
        if not there.any() or not np.isfinite(error[there]).all():
            continue
        mean, own = mean[there], np.sqrt(1 - shared) * error[there]
        noise = own * draw.standard_normal((positive("draws", draws), len(mean)))
        picked = (mean + added * noise).argmax(1)
        judged = mean[picked] - noise[np.arange(draws), picked] / added
        out[run] = mean.max() - judged.mean()
    return out


def shared_part(means: np.ndarray, errors: np.ndarray) -> float:
    """The part of the evaluations' variance that the checkpoints of a run share: [R, C] x2 -> [0, 1), one for all runs.

    What is not shared shows between neighbours: each checkpoint less the mean of the one before and after, which a
    steady rise does not change. What truly goes up and down counts as not shared, so the part is then too low, and the
    optimism made of it too high; where distant checkpoints share less than neighbours it is the other way round. 0 for
    fewer than three checkpoints.
    """
    if means.shape[1] < 3:
        return 0.0
    bends = means[:, 1:-1] - (means[:, :-2] + means[:, 2:]) / 2
    expected = errors[:, 1:-1] ** 2 + (errors[:, :-2] ** 2 + errors[:, 2:] ** 2) / 4
    there = np.isfinite(bends) & np.isfinite(expected)
    total = expected[there].sum()
    return float(np.clip(1 - (bends[there] ** 2).sum() / total, 0.0, 0.999)) if total > 0 else 0.0


def errors(rows: Sequence[Score]) -> np.ndarray:
    """Standard error of each evaluation's mean return, from its spread over episodes; NaN where it was one episode."""
    return np.array([row.return_std / (row.episodes - 1) ** 0.5 if row.episodes > 1 else np.nan for row in rows])


def slope(rows: Sequence[Score], value: Callable[[Score], float | None]) -> float:
    """How much a number such as the score grows with the return, both being linear in each other; NaN if not seen."""
    pairs = [(row.return_mean, number) for row in rows if sound(row) and (number := value(row)) is not None]
    if not pairs:
        return np.nan
    returns, numbers = np.array(sorted(pairs)).T
    return (numbers[-1] - numbers[0]) / (returns[-1] - returns[0]) if returns[-1] > returns[0] else np.nan


def optimism_of(key, found: Sequence[Run], value: Callable[[Score], float | None]) -> tuple[float, float]:
    """(mean over runs of one task, its standard error) of `optimism`, in the units of `value`; NaN where unknown.

    With the shared part as `shared_part` finds it. Runs that diverged are left out.
    """
    runs = [run for run in found if sound(run.last)]
    if not runs:
        return math.nan, math.nan
    means = aggregate.matrix([[row.return_mean for row in run.rows] for run in runs]).T
    spread = aggregate.matrix([errors(run.rows) for run in runs]).T
    per_return = slope([row for run in runs for row in run.rows], value)
    gained = optimism(key, means, spread, shared=shared_part(means, spread))
    # Where every evaluation gave the same there is no slope, and nothing to pick.
    gained = np.where(gained == 0, 0.0, gained * per_return)
    return float(aggregate.run_mean(gained, 0)), float(aggregate.standard_error(gained, 0))
