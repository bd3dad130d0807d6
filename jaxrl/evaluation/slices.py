"""Scores by slices of the suite: a tree of tasks, contexts and dataset properties, its means built from the leaves up.

Every number is linear in the leaves' means, so a node is a row of weights: its children count alike, and theirs. What
is said about the nodes is in `slice_reports`.

Source: the analysis part of "From Rankings to Insights: Evaluation Should Shift Focus from Leaderboard to Feedback"
(Feedbacker); its taxonomy of queries is replaced by suite, task, context and properties of the task's dataset.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError, known, positive
from jaxrl.evaluation import aggregate
from jaxrl.evaluation.runs import complete, labels, runs, sound
from jaxrl.evaluation.scores import Score

Path = tuple[str, ...]
Properties = Mapping[str, Mapping[str, float | str | None]]
"""{task: {property: value}}; a task without a property's value belongs to none of its bins."""


class Observation(NamedTuple):
    """How well a method did once, in which leaf of the tree.

    path: from the root, (suite, task), then what else is known: a bin of the context, a behaviour. value: of a run, or
    of an episode; independent of the others. episodes: how many it is the mean of.
    """

    method: str
    path: Path
    value: float
    episodes: int = 1


class Node(NamedTuple):
    """A slice. also: other names of the same leaves, which these observations cannot tell apart."""

    path: Path
    also: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """All its names in a line."""
        return " = ".join(" / ".join(path) for path in (self.path, *self.also))


class Sliced(NamedTuple):
    """Means of methods [M] in leaves [L], and which leaves make a node [N].

    weight: [N, L], each row sums to 1. mean, variance, freedom, episodes: [M, L]; variance: of the mean, nan where a
    leaf has fewer than two observations; freedom: observations less one. A leaf without observations has mean nan.
    """

    methods: tuple[str, ...]
    nodes: tuple[Node, ...]
    leaves: tuple[Path, ...]
    weight: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    episodes: np.ndarray


class Cell(NamedTuple):
    """A method in a node: its mean with an interval by Student's t, and episodes behind it."""

    method: str
    node: Node
    mean: float
    low: float
    high: float
    episodes: int


def sliced(observations: Sequence[Observation], properties: Properties | None = None, bins: int = 3) -> Sliced:
    """The tree of all observations' paths, and beside it a node for each bin of each property of tasks.

    A path's second part is its task. bins: into how many parts of like size a numeric property is cut; other
    properties have a node a value. Raises InputError for no observations, and a leaf that is also a node above others.
    """
    if not observations:
        raise InputError("there are no observations to slice; give at least one")
    methods = tuple(dict.fromkeys(one.method for one in observations))
    leaves = tuple(dict.fromkeys(one.path for one in observations))
    inner = {path[:depth] for path in leaves for depth in range(1, len(path))}
    for path in leaves:
        if not path or path in inner:
            raise InputError(f"path {' / '.join(path)!r} is of an observation and above others; give paths to leaves")
    rows = _tree(leaves)
    for suite in dict.fromkeys(path[0] for path in leaves):
        rows |= _bins(suite, rows, leaves, properties or {}, bins)
    nodes, weight = _merged(rows)
    return Sliced(methods, nodes, leaves, weight, *_moments(observations, methods, leaves))


def _tree(leaves: Sequence[Path]) -> dict[Path, np.ndarray]:
    """{node: weights [L]}, the root first; children of a node count alike."""
    paths = dict.fromkeys(path[:depth] for path in leaves for depth in range(1, len(path) + 1))
    children: dict[Path, list[Path]] = {}
    for path in paths:
        children.setdefault(path[:-1], []).append(path)
    rows: dict[Path, np.ndarray] = {}
    for path in sorted(paths, key=len, reverse=True):
        below = children.get(path)
        rows[path] = np.mean([rows[one] for one in below], 0) if below else np.eye(len(leaves))[leaves.index(path)]
    return {path: rows[path] for path in sorted(rows, key=len)}


def _bins(suite: str, rows: Mapping[Path, np.ndarray], leaves, properties: Properties, bins: int):
    """{node: weights [L]} of the properties' bins in a suite; a bin's tasks count alike."""
    tasks = [path for path in rows if len(path) == 2 and path[0] == suite]
    found: dict[Path, np.ndarray] = {}
    names = dict.fromkeys(name for path in tasks for name in properties.get(path[1], {}))
    for name in names:
        values = {path: properties.get(path[1], {}).get(name) for path in tasks}
        there = {path: value for path, value in values.items() if value is not None}
        said = binned(list(there.values()), bins)
        for label in dict.fromkeys(said):
            inside = [rows[path] for path, own in zip(there, said, strict=True) if own == label]
            found[suite, f"{name}: {label}"] = np.mean(inside, 0)
    return found


def binned(values: Sequence[float | str], bins: int) -> list[str]:
    """A label for each value: its bin of like size, by the values' ranks, named by its ends; or the value as text.

    Equal values are never parted, so there may be fewer bins.
    """
    positive("bins", bins)
    if any(isinstance(value, str) for value in values):
        return [str(value) for value in values]
    numbers = np.asarray(values, np.float64)
    edges = np.quantile(numbers, np.arange(1, bins) / bins, method="inverted_cdf")
    part = np.asarray(np.searchsorted(np.unique(edges), numbers))
    ends = {one: (numbers[part == one].min(), numbers[part == one].max()) for one in np.unique(part)}
    names = {one: f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}" for one, (low, high) in ends.items()}
    return [names[one] for one in part.tolist()]


def _merged(rows: Mapping[Path, np.ndarray]) -> tuple[tuple[Node, ...], np.ndarray]:
    """Nodes with their weights [N, L]; those of the same leaves become one."""
    groups: dict[tuple, list[Path]] = {}
    for path, row in rows.items():
        groups.setdefault(tuple(np.flatnonzero(row)), []).append(path)
    nodes = tuple(Node(paths[0], tuple(paths[1:])) for paths in groups.values())
    return nodes, np.stack([rows[node.path] for node in nodes])


def _moments(observations: Sequence[Observation], methods, leaves) -> tuple[np.ndarray, ...]:
    """Mean, variance of the mean, degrees of freedom and episodes of each method in each leaf: [M, L] each."""
    at = {name: i for i, name in enumerate(methods)}
    where = {path: i for i, path in enumerate(leaves)}
    place = np.array([at[one.method] * len(leaves) + where[one.path] for one in observations])
    value = np.array([one.value for one in observations], np.float64)
    size, shape = len(methods) * len(leaves), (len(methods), len(leaves))
    number = np.bincount(place, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place, value, size) / number
        squares = np.bincount(place, (value - mean[place]) ** 2, size)
        variance = np.where(number > 1, squares / (number - 1) / number, np.nan)
    episodes = np.bincount(place, [one.episodes for one in observations], size)
    return tuple(x.reshape(shape) for x in (mean, variance, number - 1, episodes))


def from_scores(rows: Iterable[Score], values: str = "score") -> list[Observation]:
    """Last checkpoints of complete runs as observations with the path (suite, task); diverged runs are left out.

    values: "score", normalized scores; "return", which are standardised within each task, as tasks' scales differ.
    Raises InputError for rows of several suites, and where a run has no score.
    """
    known("values", values, ["score", "return"])
    found = runs(rows)
    kept = [run for run in complete(found)[0] if sound(run.last)]
    names = labels(found)
    lacking = [run.key[1] for run in kept if run.last.score is None]
    if values == "score" and lacking:
        raise InputError(f"task {lacking[0]!r} has no normalized scores; slice returns with values='return'")
    taken = [
        Observation(
            names[run.key[2], run.key[3]],
            run.key[:2],
            float(run.last.score if values == "score" else run.last.return_mean),
            run.last.episodes,
        )
        for run in kept
    ]
    return taken if values == "score" else standardised(taken)


def standardised(observations: Sequence[Observation]) -> list[Observation]:
    """Values less their leaf's mean over methods, divided by the deviation of all of the leaf's values."""
    groups: dict[Path, dict[str, list[float]]] = {}
    for one in observations:
        groups.setdefault(one.path, {}).setdefault(one.method, []).append(one.value)
    centre = {path: np.mean([np.mean(own) for own in found.values()]) for path, found in groups.items()}
    scale = {path: np.std(np.concatenate(list(found.values()))) or 1.0 for path, found in groups.items()}
    return [one._replace(value=float((one.value - centre[one.path]) / scale[one.path])) for one in observations]


def cells(found: Sliced, confidence: float = 0.95) -> list[Cell]:
    """Every method in every node that it has all leaves of; ends are nan where a leaf has one observation only."""
    from scipy.special import stdtrit

    aggregate.share("confidence", confidence)
    out = []
    for node, weight in zip(found.nodes, found.weight, strict=True):
        mean, variance, freedom = contrast(found, weight)
        reach = stdtrit(np.maximum(freedom, 1), (1 + confidence) / 2) * np.sqrt(variance)
        sizes = found.episodes[:, weight > 0].sum(1)
        for i, method in enumerate(found.methods):
            if np.isfinite(mean[i]):
                numbers = (float(mean[i]), float(mean[i] - reach[i]), float(mean[i] + reach[i]))
                out.append(Cell(method, node, *numbers, int(sizes[i])))
    return out


def contrast(found: Sliced, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A weighted sum of leaves for each method: (value, its variance, degrees of freedom by Welch), [M] each.

    nan for a method that lacks a leaf of those with weight.
    """
    inside = np.flatnonzero(weight)
    parts = weight[inside] ** 2 * found.variance[:, inside]
    return found.mean[:, inside] @ weight[inside], parts.sum(1), welch(parts, found.freedom[:, inside])


def welch(parts: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Degrees of freedom of a sum of independent variances, [..., parts] each: Welch and Satterthwaite."""
    below = (parts**2 / np.maximum(freedom, 1)).sum(-1)
    return np.where(below > 0, parts.sum(-1) ** 2 / np.where(below > 0, below, 1.0), 1.0)
