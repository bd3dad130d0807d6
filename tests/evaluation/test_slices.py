import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau, ttest_ind

from jaxrl.core.check import InputError
from jaxrl.evaluation import criteria, ranking, slice_reports, slices
from jaxrl.evaluation.slices import Observation
from tests.evaluation.sample import lost, row

METHODS = [f"method {i}" for i in range(8)]
TASKS = {f"task {i}": {"TQ": 0.2 * i, "SACo": (0.3, 0.9, 0.5, 0.1)[i], "action": "box"} for i in range(4)}
BINS = ("calm", "breeze", "storm")


def observed(seed: int, deficit: float = 0.0, where=lambda task, context: False, runs: int = 10):
    """Scores of 8 methods in 4 tasks x 3 contexts, 10 runs of 5 episodes each; method 3 lacks some of it somewhere."""
    random = np.random.default_rng(seed)
    level = {method: random.normal(50, 5) for method in METHODS}
    return [
        Observation(
            method,
            ("suite", task, context),
            level[method] + random.normal(0, 3) - (deficit if method == "method 3" and where(task, context) else 0.0),
            5,
        )
        for method, task, context, _ in itertools.product(METHODS, TASKS, BINS, range(runs))
    ]


PLACES = {
    "a context of a task": (lambda task, context: (task, context) == ("task 1", "storm"), ("suite", "task 1", "storm")),
    "a task": (lambda task, context: task == "task 2", ("suite", "task 2")),
    "a bin of a property": (lambda task, context: TASKS[task]["SACo"] > 0.4, ("suite", "SACo: 0.5 to 0.9")),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_injected_deficit_is_all_that_is_named(place):
    where, path = PLACES[place]
    for seed in range(5):
        found = slices.sliced(observed(seed, 8.0, where), TASKS, bins=2)
        report = slice_reports.weaknesses(found)
        assert [(one.method, one.node.path) for one in report.weaknesses] == [("method 3", path)]
        one = report.weaknesses[0]
        assert one.gap == pytest.approx(-8, abs=2) and one.z < -2 and one.adjusted < 0.01
        assert report.judged == 8 * 20 and "method 3 in suite" in slice_reports.described(report)[0]


def test_without_a_deficit_little_is_named():
    """The chance of naming anything is at most the error rate; 60 sets, three standard errors above 0.05."""
    wrong = [bool(slice_reports.weaknesses(slices.sliced(observed(s, runs=5), TASKS, 2)).weaknesses) for s in range(60)]
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_a_poor_method_is_named_once_where_scores_are_compared_as_they_are():
    """Everywhere worse: the root says it all. Relative to itself it has no weak slice."""
    observations = observed(0, 30.0, lambda task, context: True)
    found = slices.sliced(observations, TASKS)
    named = slice_reports.weaknesses(found, relative=False).weaknesses
    assert (named[0].method, named[0].node.path) == ("method 3", ("suite",))
    assert [one.method for one in named].count("method 3") == 1
    assert not slice_reports.weaknesses(found).weaknesses


def test_small_slices_are_not_judged():
    few = [one._replace(episodes=1) for one in observed(0, 20.0, PLACES["a context of a task"][0])]
    report = slice_reports.weaknesses(slices.sliced(few, TASKS, 2))
    assert [len(node.path) for node in report.skipped] == [1] + [3] * 12
    assert report.weaknesses[0].node.path == ("suite", "task 1")
    single = slices.sliced(observed(0, runs=1), TASKS)
    assert slice_reports.weaknesses(single).judged == 0


def test_means_are_built_from_the_leaves_up():
    """Task a has two contexts and b one: contexts count half in a, and tasks half in the suite, whatever their runs."""
    values = {("s", "a", "x"): [1.0, 3.0], ("s", "a", "y"): [6.0], ("s", "b", "x"): [10.0, 20.0, 30.0]}
    found = slices.sliced([Observation("m", path, v) for path, own in values.items() for v in own])
    cells = {cell.node.path: cell for cell in slices.cells(found)}
    assert cells["s", "a"].mean == 4.0 and cells["s",].mean == 12.0 and cells["s",].episodes == 6
    assert np.isnan(cells["s", "a"].low)
    leaf = cells["s", "b"]
    assert leaf.node.also == (("s", "b", "x"),) and leaf.mean == 20.0
    assert (leaf.high - leaf.mean) == pytest.approx(4.302653 * 10 / 3**0.5, rel=1e-6)


def test_bins_have_like_sizes_and_honest_names():
    assert slices.binned([3.0, 1.0, 2.0, 4.0], 2) == ["3 to 4", "1 to 2", "1 to 2", "3 to 4"]
    assert slices.binned([0.0, 0.0, 0.0, 7.0], 2) == ["0", "0", "0", "7"]
    assert slices.binned(["box", "classes"], 2) == ["box", "classes"]
    found = slices.sliced(observed(0), {**TASKS, "task 0": {"TQ": 0.0}}, 2)
    names = {path[1] for node in found.nodes for path in (node.path, *node.also) if len(path) == 2}
    assert {"TQ: 0 to 0.2", "TQ: 0.4 to 0.6", "SACo: 0.1 to 0.5", "SACo: 0.9", "action: box"} <= names


def test_slices_of_the_same_leaves_share_a_node():
    found = slices.sliced(observed(0), {task: {"TQ": i} for i, task in enumerate(TASKS)}, bins=4)
    one = next(node for node in found.nodes if node.path == ("suite", "task 1"))
    assert one.also == (("suite", "TQ: 1"),) and one.name == "suite / task 1 = suite / TQ: 1"


def test_differences_are_welchs():
    found = slices.sliced(observed(1, 6.0, PLACES["a task"][0]), TASKS, 2)
    rows = slice_reports.differences(found, "method 3", "method 0")
    calm = [one for one in observed(1, 6.0, PLACES["a task"][0]) if one.path[1:] == ("task 2", "calm")]
    expected = ttest_ind(*([o.value for o in calm if o.method == f"method {i}"] for i in (3, 0)), equal_var=False)
    leaf = next(one for one in rows if one.node.path == ("suite", "task 2", "calm"))
    interval = expected.confidence_interval()
    np.testing.assert_allclose([leaf.p, leaf.low, leaf.high], [expected.pvalue, interval.low, interval.high])
    assert rows[0].p <= rows[-1].p and all(one.adjusted >= one.p for one in rows)
    with pytest.raises(InputError, match="unknown method 'method 9'"):
        slice_reports.differences(found, "method 9", "method 0")


def traded(seed: int = 0) -> list[Observation]:
    """Half of the methods are fast, half are safe: scores in one task rise where those in the other fall."""
    random = np.random.default_rng(seed)
    return [
        Observation(method, ("s", task), sign * (i % 2 + 0.1 * i) * 10 + random.normal(0, 1), 10)
        for i, method in enumerate(METHODS)
        for task, sign in (("race", 1), ("dodge", -1), ("rest", 0))
        for _ in range(4)
    ]


def test_trade_offs_and_groups_are_seen():
    found = slices.sliced(traded())
    (one,) = slice_reports.trade_offs(found)
    assert {one.first.path[1], one.second.path[1]} == {"race", "dodge"} and one.correlation < -0.95
    groups = slice_reports.clusters(found, 2)
    assert [groups[method] for method in METHODS] == [0, 1] * 4
    with pytest.raises(InputError, match="there are 2 methods; a correlation over methods needs 4"):
        slice_reports.trade_offs(slices.sliced([o for o in traded() if o.method in METHODS[:2]]))


def test_rows_of_scores_become_observations():
    rows = [row("bc", value=1.0), row("bc", seed=1, value=3.0), row("iql", value=7.0, update=5), row("iql", value=9.0)]
    found = slices.sliced(slices.from_scores([*rows, lost(card="td3")]), {"a/x-v0": {"TQ": 0.5}})
    assert found.methods == ("bc", "iql") and found.mean[:, 0].tolist() == [2.0, 9.0]
    assert found.episodes[:, 0].tolist() == [20, 10] and found.nodes[0].name.endswith(
        "quick / a/x-v0 = quick / TQ: 0.5"
    )
    blank = [one._replace(score=None) for one in rows]
    with pytest.raises(InputError, match="'a/x-v0' has no normalized scores; slice returns"):
        slices.from_scores(blank)
    values = [one.value for one in slices.from_scores(blank, "return")]
    assert sum(values[:2]) / 2 + values[2] == pytest.approx(0) and values[0] < values[1] < values[2]


def rollouts(random, skill: np.ndarray, number: int) -> np.ndarray:
    """Features [number, 8] of a policy's rollouts: three show its skills, one is noise of a large scale."""
    noise = random.normal(0, [0.5, 0.5, 0.5, 1, 1, 1, 1, 50], (number, 8))
    return noise + np.concatenate([skill, np.zeros(5)])


def test_pointwise_criteria_agree_with_comparing_all_pairs():
    """A hidden judge prefers fast, safe and smooth rollouts. 5 references are compared; 12 others are scored alone."""
    taus = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        worth = lambda features: features[:, 0] + 0.7 * features[:, 1] - 0.5 * np.maximum(features[:, 2], -2)
        skills = random.normal(0, 1, (17, 3))
        seen = {f"p{i}": rollouts(random, skill, 20) for i, skill in enumerate(skills)}

        def compare(names, seen=seen, worth=worth):
            pairs = [(a, b, seen[a], np.roll(seen[b], 1, 0)) for a, b in itertools.combinations(names, 2)]
            first, second = (np.concatenate([pair[k] for pair in pairs]) for k in (2, 3))
            return pairs, first, second, ranking.judged(worth(first), worth(second))

        names = list(seen)
        found = criteria.criteria([f"f{i}" for i in range(8)], names[:5], *compare(names[:5])[1:])
        scored = criteria.pointwise(found, {name: seen[name] for name in names[5:]})
        assert found.names == ("f0", "f1", "f2")
        pairs, *_, outcome = compare(names[5:])
        sides = [np.repeat([names[5:].index(pair[k]) for pair in pairs], 20) for k in (0, 1)]
        exhaustive = ranking.bradley_terry(ranking.compared(names[5:], *sides, outcome))
        taus.append(kendalltau(list(scored.values()), exhaustive.ability)[0])
    assert np.mean(taus) > 0.8 and min(taus) > 0.7
    with pytest.raises(InputError, match="'p0' helped to make the criteria"):
        criteria.pointwise(found, seen)


def test_criteria_need_something_that_separates():
    random = np.random.default_rng(0)
    with pytest.raises(InputError, match="none of the features a, b separates the references x, y"):
        criteria.criteria(["a", "b"], ["x", "y"], *random.normal(0, 1, (2, 50, 2)), random.integers(0, 2, 50))


def test_paths_must_lead_to_leaves():
    with pytest.raises(InputError, match="path 's / a' is of an observation and above others"):
        slices.sliced([Observation("m", ("s", "a"), 1.0), Observation("m", ("s", "a", "x"), 1.0)])
    with pytest.raises(InputError, match="no observations"):
        slices.sliced([])
