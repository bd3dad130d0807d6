"""What slices say about methods: where each is weak, where two differ, which slices trade off, who is alike.

Source: the analysers of Feedbacker ("From Rankings to Insights"), with tests in place of a language model's reading.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError, known, positive
from jaxrl.evaluation import aggregate
from jaxrl.evaluation.compare import holm
from jaxrl.evaluation.slices import Node, Sliced, contrast, welch

LEAST = 20
"""Episodes that a method needs in a node to be judged there."""
FEWEST_PEERS, FEWEST_METHODS = 2, 4
"""Other methods that a z-score needs, and methods that a correlation needs."""


class Weakness(NamedTuple):
    """A method is worse in a slice than its peers are. gap: how much, in the scores' units, negative.

    z: the gap in standard deviations of the peers. p: one-sided, from the spread over runs. adjusted: by Holm, over all
    slices of all methods together. episodes: of this method in this slice.
    """

    method: str
    node: Node
    gap: float
    z: float
    p: float
    adjusted: float
    episodes: int


class Report(NamedTuple):
    """weaknesses: in the order in which they were found. judged: how many pairs of method and slice were tested.

    skipped: slices in which no method could be judged, for want of episodes, runs, peers, or of a rest of the suite.
    """

    weaknesses: tuple[Weakness, ...]
    judged: int
    skipped: tuple[Node, ...]


class Difference(NamedTuple):
    """first less second in a slice, with an interval, and a two-sided p-value adjusted (Holm) for all slices."""

    node: Node
    difference: float
    low: float
    high: float
    p: float
    adjusted: float


class TradeOff(NamedTuple):
    """Two slices without a common leaf in which methods rank against each other: the correlation over methods."""

    first: Node
    second: Node
    correlation: float
    p: float
    adjusted: float


class Tests(NamedTuple):
    """Each method against its peers in each slice: [M, N] each; nan where it was not judged. t: gap by its noise."""

    gap: np.ndarray
    z: np.ndarray
    t: np.ndarray
    p: np.ndarray


def weaknesses(
    found: Sliced, *, relative: bool = True, least: int = LEAST, threshold: float = -1.0, error: float = 0.05
) -> Report:
    """Slices where a method's z-score against its peers is below the threshold and its gap is no accident.

    relative: a slice is compared with the rest of its suite, so that a method which is poor everywhere is not named
    everywhere; else scores are compared as they are. The weakness that stands out most from its noise is taken first
    (p-values of slices with many runs reach lower, whatever the gap); its leaves are then left out for that method,
    which is no peer there any more, and all is tested again: a slice above or beside it is named for what is left only.
    least: episodes without which a method is not judged in a slice.
    """
    aggregate.share("error", error)
    positive("least", least)
    left = np.ones(found.mean.shape, bool)
    named: list[Weakness] = []
    first = tested(found, left, relative, least)
    tests = first
    while True:
        adjusted = holm(tests.p.ravel()).reshape(tests.p.shape)
        with np.errstate(invalid="ignore"):
            certain = (adjusted <= error) & (tests.z < threshold)
        if not certain.any():
            break
        i, n = np.unravel_index(np.argmin(np.where(certain, tests.t, np.inf)), tests.t.shape)
        inside = (found.weight[n] > 0) & left[i]
        gap, z, p, own = (float(x[i, n]) for x in (tests.gap, tests.z, tests.p, adjusted))
        episodes = int(found.episodes[i, inside].sum())
        named.append(Weakness(found.methods[i], found.nodes[n], gap, z, p, own, episodes))
        left[i] &= ~inside
        tests = tested(found, left, relative, least)
    skipped = tuple(node for node, column in zip(found.nodes, first.p.T, strict=True) if np.isnan(column).all())
    return Report(tuple(named), int(np.isfinite(first.p).sum()), skipped)


def tested(found: Sliced, left: np.ndarray, relative: bool, least: int) -> Tests:
    """Every method in every slice, each on the leaves that are left [M, L] to it."""
    shape = len(found.methods), len(found.nodes)
    out = Tests(*(np.full(shape, np.nan) for _ in Tests._fields))
    roots = {
        node.path[0]: weight for node, weight in zip(found.nodes, found.weight, strict=True) if len(node.path) == 1
    }
    firm = found._replace(variance=_noise(found))
    for n, (node, weight) in enumerate(zip(found.nodes, found.weight, strict=True)):
        for i in range(len(found.methods)):
            inside = weight * left[i]
            outside = roots[node.path[0]] * left[i] * (weight == 0)
            if not inside.any() or (relative and not outside.any()):
                continue
            whole = inside / inside.sum() - (outside / outside.sum() if relative else 0.0)
            for value, place in zip(_against(firm, i, whole, inside > 0, left, least), out, strict=True):
                place[i, n] = value
    return out


def _against(found: Sliced, i: int, weight, inside, left, least: int) -> tuple[float, ...]:
    """(gap, z, t, one-sided p) of a method against those who have the same leaves; nan for what cannot be judged.

    A method that was named in one of the leaves is no yardstick for others there.
    """
    from scipy.special import stdtr

    value, variance, _ = contrast(found, weight)
    enough = np.isfinite(value) & np.isfinite(variance) & (found.episodes[:, inside].sum(1) >= least)
    enough &= left[:, weight != 0].all(1)
    peers = np.flatnonzero(enough & (np.arange(len(value)) != i))
    if not enough[i] or len(peers) < FEWEST_PEERS:
        return (np.nan,) * 4
    used = np.flatnonzero(weight)
    whose = np.append(i, peers)
    share = np.append(1.0, np.full(len(peers), 1 / len(peers)))
    parts = (share[:, None] ** 2 * weight[used] ** 2 * found.variance[np.ix_(whose, used)]).ravel()
    freedom = welch(parts, found.freedom[np.ix_(whose, used)].ravel())
    gap, spread = value[i] - value[peers].mean(), value[peers].std(ddof=1)
    noise = np.sqrt(parts.sum())
    over = lambda scale: gap / scale if scale > 0 else np.sign(gap) * np.inf
    p = stdtr(freedom, over(noise)) if noise > 0 else float(gap >= 0)
    return gap, over(spread), over(noise), float(p)


def _noise(found: Sliced) -> np.ndarray:
    """Variances of the means [M, L], none below the leaf's median over methods for as many observations.

    A few runs that lie close together by chance would otherwise make sure of the smallest gap; among hundreds of tests
    some do.
    """
    number = found.freedom + 1
    spread = [column[np.isfinite(column)] for column in (found.variance * number).T]
    usual = np.array([np.median(own) if own.size else 0.0 for own in spread])
    return np.maximum(found.variance, usual / np.maximum(number, 1))


def differences(found: Sliced, first: str, second: str, confidence: float = 0.95) -> list[Difference]:
    """How two methods differ in every slice that both have all leaves of, the surest difference first."""
    from scipy.special import stdtr, stdtrit

    aggregate.share("confidence", confidence)
    pair = [found.methods.index(known("method", name, found.methods)) for name in (first, second)]
    rows = []
    for node, weight in zip(found.nodes, found.weight, strict=True):
        used = np.flatnonzero(weight)
        parts = (weight[used] ** 2 * found.variance[np.ix_(pair, used)]).ravel()
        gap = float(np.subtract(*contrast(found, weight)[0][pair]))
        noise = float(np.sqrt(parts.sum()))
        if np.isfinite(gap) and np.isfinite(noise):
            freedom = welch(parts, found.freedom[np.ix_(pair, used)].ravel())
            reach = float(stdtrit(freedom, (1 + confidence) / 2)) * noise
            p = 2 * float(stdtr(freedom, -abs(gap) / noise)) if noise > 0 else float(gap == 0)
            rows.append(Difference(node, gap, gap - reach, gap + reach, p, np.nan))
    adjusted = holm(np.array([row.p for row in rows]))
    rows = [row._replace(adjusted=float(own)) for row, own in zip(rows, adjusted, strict=True)]
    return sorted(rows, key=lambda row: row.p)


def trade_offs(found: Sliced, error: float = 0.05) -> list[TradeOff]:
    """Pairs of slices with no common leaf whose scores are negatively correlated over methods, after Holm.

    Noise of the means is not taken out, so true correlations are stronger. Raises InputError for under four methods.
    """
    from scipy.special import stdtr

    aggregate.share("error", error)
    if len(found.methods) < FEWEST_METHODS:
        raise InputError(f"there are {len(found.methods)} methods; a correlation over methods needs {FEWEST_METHODS}")
    values = np.stack([contrast(found, weight)[0] for weight in found.weight])
    rows = []
    for one, two in itertools.combinations(range(len(found.nodes)), 2):
        both = np.isfinite(values[one]) & np.isfinite(values[two])
        apart = not ((found.weight[one] > 0) & (found.weight[two] > 0)).any()
        if not apart or both.sum() < FEWEST_METHODS or min(values[k, both].std() for k in (one, two)) == 0:
            continue
        correlation = float(np.clip(np.corrcoef(values[one, both], values[two, both])[0, 1], -1, 1))
        freedom = int(both.sum()) - 2
        p = float(stdtr(freedom, correlation * np.sqrt(freedom / max(1 - correlation**2, 1e-300))))
        rows.append(TradeOff(found.nodes[one], found.nodes[two], correlation, p, np.nan))
    adjusted = holm(np.array([row.p for row in rows])) if rows else []
    rows = [row._replace(adjusted=float(own)) for row, own in zip(rows, adjusted, strict=True)]
    return sorted((row for row in rows if row.adjusted <= error), key=lambda row: row.p)


def clusters(found: Sliced, count: int) -> dict[str, int]:
    """{method: cluster, from 0 in order of appearance}, by the shape of profiles over leaves (average linkage).

    A profile is a method's means in the leaves that all methods have, standardised in each leaf, less the method's
    level. Raises InputError where that are fewer than two leaves, or fewer methods than clusters.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    shared = np.isfinite(found.mean).all(0)
    if shared.sum() < 2 or not 1 <= count <= len(found.methods) or len(found.methods) < 2:
        raise InputError(
            f"{len(found.methods)} methods share {int(shared.sum())} leaves; {count} clusters need two leaves and as "
            "many methods"
        )
    values = found.mean[:, shared]
    scaled = (values - values.mean(0)) / np.maximum(values.std(0), 1e-12)
    profiles = scaled - scaled.mean(1, keepdims=True)
    numbers = fcluster(linkage(profiles, "average"), count, "maxclust")
    names = {number: place for place, number in enumerate(dict.fromkeys(numbers.tolist()))}
    return {method: names[number] for method, number in zip(found.methods, numbers.tolist(), strict=True)}


def described(report: Report, most: int | None = None) -> Sequence[str]:
    """A line for each weakness."""
    return [
        f"{one.method} in {one.node.name}: {one.gap:+.3g} against its peers (z {one.z:.1f}, p {one.adjusted:.2g} "
        f"adjusted, {one.episodes} episodes)"
        for one in report.weaknesses[:most]
    ]
