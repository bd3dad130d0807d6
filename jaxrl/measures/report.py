"""All measures of one dataset, each with its source and what it means in a few words."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Reference
from jaxrl.data.dataset import episode_returns
from jaxrl.measures import coverage, demonstrations, quality, stitching
from jaxrl.measures.cells import Grid, grid, pair_cells, state_cells

MOST = 20_000
"""Steps that clusters and distances are computed from: evenly spaced ones, where a dataset has more."""
CROWDED = 0.9
"""Share of new pairs from which on their number says little more than the number of steps."""
DATASETS, WEIGHTING, DEMONSTRATIONS = "arXiv:2111.04714", "arXiv:2306.13085", "arXiv:2306.02437"


class Measure(NamedTuple):
    """One number about a dataset. value: None where it cannot be had, and `note` says why."""

    name: str
    value: float | None
    meaning: str
    source: str
    note: str = ""


class Replay(NamedTuple):
    """The dataset that coverage is measured against: the online learner's replay."""

    name: str
    dataset: Dataset


class Context(NamedTuple):
    """What measures of a dataset are computed from. exact: count unique pairs, or estimate by HyperLogLog."""

    dataset: Dataset
    reference: Reference | None = None
    replay: Replay | None = None
    bins: int = 100
    exact: bool = True

    @property
    def grid(self) -> Grid:
        """Bins of the replay's observations, or else of the dataset's own."""
        return grid((self.replay.dataset if self.replay else self.dataset).steps.obs, self.bins)

    @property
    def against(self) -> Dataset:
        """The replay's steps; InputError where there is none."""
        if self.replay is None:
            raise InputError("coverage is relative to an online learner's replay; name that dataset with --replay")
        return self.replay.dataset


def report(context: Context) -> list[Measure]:
    """Every measure of a dataset; those that it does not allow have no value, and a note.

    Raises InputError for a replay of another task.
    """
    if context.replay:
        check_alike(context.dataset, context.replay)
    return [*_returns(context), *_coverage(context), *_imitation(context), *_stitching(context)]


def check_alike(dataset: Dataset, replay: Replay) -> None:
    """InputError unless both have observations and actions of one shape."""
    ours, theirs = (
        (*one.steps.obs.shape[1:], *one.steps.action.shape[1:], str(one.steps.action.dtype))
        for one in (dataset, replay.dataset)
    )
    if ours != theirs:
        raise InputError(
            f"replay {replay.name!r} has observations and actions of {theirs}, the dataset of {ours}; name the replay "
            f"of the same task with --replay"
        )


def attempt(name: str, meaning: str, source: str, compute: Callable[[], float], note: str = "") -> Measure:
    """The measure, or why it cannot be had."""
    try:
        return Measure(name, float(compute()), meaning, source, note)
    except InputError as error:
        return Measure(name, None, meaning, source, str(error))


def _returns(context: Context) -> list[Measure]:
    """Sizes, returns, lengths, quality."""
    dataset, returns = context.dataset, episode_returns(context.dataset)
    lengths = quality.episode_lengths(dataset)
    pair = context.reference
    scale = f"0 at {pair.low:.6g}, 1 at {pair.high:.6g} ({pair.convention})" if pair else ""
    rows = [
        Measure("episodes", float(len(returns)), "how many", ""),
        Measure("steps", float(lengths.sum()), "how many", ""),
        *(Measure(f"return, {name}", value, "undiscounted", "") for name, value in quality.spread(returns).items()),
        *(
            Measure(f"length, {name}", value, "steps of an episode", "")
            for name, value in quality.spread(lengths).items()
            if name in ("mean", "min", "max")
        ),
    ]
    tq = lambda: quality.trajectory_quality(returns, pair)
    room = lambda: quality.positive_variance(returns)
    return [
        *rows,
        attempt("TQ", "trajectory quality: 0 random, 1 best online; what imitation reaches", DATASETS, tq, scale),
        attempt("RPSV", "squared return above the mean: what weighting trajectories gains", WEIGHTING, room),
    ]


def _coverage(context: Context) -> list[Measure]:
    """Unique pairs, and entropies."""
    bins = context.grid
    pairs, states = pair_cells(context.dataset, bins), state_cells(context.dataset, bins)
    ways = "counted" if context.exact else "HyperLogLog, error 0.8 %"
    count = lambda: coverage.unique(pairs, context.exact)
    both, alone = lambda: coverage.entropy(pairs), lambda: coverage.entropy(states)
    lines = [
        attempt("unique pairs", f"different state-action pairs, {context.bins} bins an axis", DATASETS, count, ways),
        attempt("state-action entropy", "nats; how evenly pairs are visited, at most ln(steps)", "", both),
        attempt("state entropy", "nats; how evenly states are visited", "", alone),
    ]
    other = lambda: pair_cells(context.against, bins)
    saco = lambda: coverage.saco(pairs, other(), context.exact)
    logs = lambda: coverage.log_saco(pairs, other(), context.exact)
    seen = lambda: coverage.shared(states, state_cells(context.against, bins))
    return [
        attempt(
            "SACo",
            "state-action coverage: unique pairs relative to the replay's",
            DATASETS,
            saco,
            _beside(context, bins),
        ),
        attempt("lSACo", "the same with logarithms, where nearly every pair is new", DATASETS, logs),
        attempt("states shared", "share of the replay's states that are seen here", "", seen),
        *lines,
    ]


def _beside(context: Context, bins: Grid) -> str:
    """What coverage is relative to, and what weakens the comparison."""
    if context.replay is None:
        return ""
    ours, theirs = len(context.dataset.last), len(context.replay.dataset.last)
    parts = [f"against {context.replay.name}"]
    if ours != theirs:
        parts.append(f"{ours:,} steps beside {theirs:,}, meant for equal sizes")
    if coverage.unique(pair_cells(context.replay.dataset, bins)) > CROWDED * theirs:
        parts.append("nearly every pair is new: fewer --bins tell datasets apart")
    return "; ".join(parts)


def _imitation(context: Context) -> list[Measure]:
    """Consistency of actions and of the dynamics, from evenly spaced steps."""
    dataset = thinned(context.dataset)
    obs = np.asarray(dataset.steps.obs)
    key = jax.random.key(0)
    states = demonstrations.clusters(key, obs)
    pairs = demonstrations.clusters(key, np.concatenate([obs, demonstrations.action_rows(dataset)], 1))
    actions = functools.partial(demonstrations.action_variance, dataset, states)
    moves = functools.partial(demonstrations.transition_diversity, dataset, pairs)
    line = "the same less what a line explains (ours)"
    lines: list[tuple[str, str, Callable[[], float]]] = [
        ("action variance", "of actions at like states; low is consistent", actions),
        ("action noise", line, functools.partial(actions, linear=True)),
        ("transition diversity", "variance of a step's change after like states and actions", moves),
        ("transition noise", line, functools.partial(moves, linear=True)),
        (
            "state similarity",
            "chance that two states lie within 0.1 deviations",
            lambda: demonstrations.state_similarity(obs),
        ),
    ]
    return [attempt(name, meaning, DEMONSTRATIONS, compute) for name, meaning, compute in lines]


def _stitching(context: Context) -> list[Measure]:
    """What recombination could gain."""
    lines: list[tuple[str, int | None, str]] = [
        ("stitching gain", 1, "return that changing once to a near trajectory adds, at most (ours)"),
        ("stitching gain, any", None, "the same for as many changes as one likes; wide bins exaggerate it"),
    ]
    rows = []
    for name, changes, meaning in lines:
        found = stitching.stitching(context.dataset, context.grid, changes)
        means = f"from {found.logged.mean():.5g} to {found.stitched.mean():.5g}, mean over starts"
        rows.append(Measure(name, found.gain, meaning, "", f"{means}; deterministic tasks only"))
    return rows


def thinned(dataset: Dataset, most: int = MOST) -> Dataset:
    """At most that many steps, evenly spaced, for measures that read steps one by one; `last` loses its meaning."""
    stride = -(-len(dataset.last) // most)
    return jax.tree.map(lambda leaf: leaf[::stride], dataset)


def as_dict(measures: list[Measure]) -> dict[str, Any]:
    """For machines: the facts of each measure by its name."""
    return {one.name: {name: value for name, value in one._asdict().items() if name != "name"} for one in measures}
