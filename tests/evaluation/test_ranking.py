import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import kendalltau

from jaxrl.core.check import InputError
from jaxrl.evaluation import ranking, ranking_mixture
from tests.evaluation.sample import lost, row

BASEBALL = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ]
)
"""American League 1987, Agresti's Categorical Data Analysis: wins of the row's team over the column's."""
PUBLISHED = [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0]
NAMES = [f"policy {i}" for i in range(7)]


def from_wins(wins: np.ndarray) -> ranking.Comparisons:
    """Comparisons of which the row's policy won so many against the column's."""
    pairs = [(i, j) for i, j in itertools.permutations(range(len(wins)), 2) for _ in range(wins[i, j])]
    first, second = zip(*pairs, strict=True)
    return ranking.compared(NAMES[: len(wins)], first, second, np.ones(len(pairs)))


def simulated(seed: int, number: int, *, types: int = 1, offset: float = 0.0, choosy: bool = False):
    """(comparisons of 7 policies by the mixture's model, abilities). choosy: each type favours some pairs."""
    random = np.random.default_rng(seed)
    ability = random.normal(0, 1, 7)
    share = random.dirichlet(np.full(types, 5.0))
    offsets = random.normal(0, offset, (7, types))
    offsets -= (offsets * share).sum(1, keepdims=True)
    ability -= ability.mean()
    odds = ability[:, None] + offsets - random.normal(0, 1.5, types)
    kind = random.choice(types, number, p=share)
    pairs = np.array(list(itertools.permutations(range(7), 2)))
    chances = random.dirichlet(np.full(len(pairs), 0.5), types) if choosy else np.full((types, 42), 1 / 42)
    first, second = np.array([pairs[random.choice(42, p=chances[one])] for one in kind]).T
    won, lost = (random.random(number) < expit(odds[side, kind]) for side in (first, second))
    return ranking.compared(NAMES, first, second, ranking.judged(won, lost)), ability


def test_published_abilities_are_found():
    found = ranking.bradley_terry(from_wins(BASEBALL), prior=1000.0)
    np.testing.assert_allclose(found.ability - found.ability[-1], PUBLISHED, atol=0.006)
    assert abs(found.ability.sum()) < 1e-9


def test_a_policy_that_won_everything_stays_finite_and_first():
    wins = np.array([[0, 5, 5], [0, 0, 3], [0, 2, 0]])
    found = ranking.bradley_terry(from_wins(wins))
    assert found.order[0] == "policy 0" and np.abs(found.ability).max() < 3
    loose = ranking.bradley_terry(from_wins(wins), prior=10.0)
    assert loose.ability[0] > 2 * found.ability[0] and loose.error[0] > found.error[0]


def test_davidson_is_the_maximum_of_its_density():
    """Against SciPy's minimiser of the density as it is written in the paper, and its inverse curvature."""
    found, _ = simulated(0, 300)
    result = ranking.davidson(found)
    a, b, outcome = found.first, found.second, found.outcome

    def density(x):
        one, two, tie = np.exp(x[a]), np.exp(x[b]), np.exp(x[7] + (x[a] + x[b]) / 2)
        seen = np.where(outcome == 1, one, np.where(outcome == 0, two, tie)) / (one + two + tie)
        return -np.log(seen).sum() + (x[:7] ** 2).sum() / 2 + x[7] ** 2 / 8

    expected = minimize(density, np.zeros(8), tol=1e-9)
    np.testing.assert_allclose(result.ability, expected.x[:7], atol=1e-4)
    assert result.tie == pytest.approx(np.exp(expected.x[7]), rel=1e-3)
    here, step = expected.x, 1e-4 * np.eye(8)
    curve = [
        [density(here + i + j) - density(here + i) - density(here + j) + density(here) for i in step] for j in step
    ]
    spread = np.linalg.inv(np.array(curve) / 1e-8)[:7, :7]
    np.testing.assert_allclose(
        ranking.difference_variance(result.covariance), ranking.difference_variance(spread), rtol=0.02, atol=1e-4
    )


def test_gaps_are_recovered_within_two_standard_errors():
    """Over 40 sets of Bradley and Terry's own comparisons, 95 % of all gaps, as the errors promise."""
    covered = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        ability = random.normal(0, 1, 7)
        first, second = np.array([random.choice(7, 2, replace=False) for _ in range(600)]).T
        outcome = (random.random(600) < expit(ability[first] - ability[second])).astype(float)
        found = ranking.bradley_terry(ranking.compared(NAMES, first, second, outcome))
        error = np.sqrt(ranking.difference_variance(found.covariance))
        wrong = (found.ability[:, None] - found.ability) - (ability[:, None] - ability)
        covered.append((np.abs(wrong) <= 2 * error)[np.triu_indices(7, 1)].mean())
    assert 0.92 < np.mean(covered) < 0.985


def test_bootstrap_and_curvature_agree():
    found, _ = simulated(1, 600)
    for model in (ranking.bradley_terry, ranking.davidson):
        drawn = ranking.bootstrap(jax.random.key(0), found, model, 400)
        np.testing.assert_allclose(drawn.std(0), model(found).error, rtol=0.25)
        np.testing.assert_allclose(drawn.mean(0), model(found).ability, atol=0.05)


def test_sessions_are_drawn_together():
    """Each comparison three times over in one session: errors do not shrink, as they would for three times the data."""
    found, _ = simulated(2, 200)
    thrice = ranking.compared(
        NAMES,
        *(np.repeat(x, 3) for x in (found.first, found.second, found.outcome)),
        session=np.repeat(np.arange(200), 3),
    )
    once, again = (ranking.bootstrap(jax.random.key(0), one, resamples=300, prior=100.0) for one in (found, thrice))
    np.testing.assert_allclose(again, once, atol=1e-3)


def test_disconnected_comparisons_are_refused_by_name():
    found = ranking.compared(["a", "b", "c", "d", "e"], [0, 2, 2], [1, 3, 0], [1, 1, 0.5])
    for model in (ranking.bradley_terry, ranking.davidson, lambda one: ranking_mixture.mixture(jax.random.key(0), one)):
        with pytest.raises(InputError, match=r"2 parts .* \{a, b, c, d\} and \{e\}; compare") as error:
            model(found)
        assert "\n" not in str(error.value)


def test_bad_comparisons_are_refused():
    with pytest.raises(InputError, match="comparison 2 is of 'a' with itself"):
        ranking.compared(["a", "b"], [0, 0], [1, 0], [1, 1])
    with pytest.raises(InputError, match=r"outcome 1 is 0.7; give 1"):
        ranking.compared(["a", "b"], [0], [1], [0.7])
    with pytest.raises(InputError, match="comparison 1 is of policies 0 and 2"):
        ranking.compared(["a", "b"], [0], [2], [1])


def test_next_pair_is_the_least_known_one():
    wins = np.array([[0, 20, 8], [15, 0, 1], [9, 1, 0]])
    assert ranking.active_pair(ranking.bradley_terry(from_wins(wins), prior=10.0)) == ("policy 1", "policy 2")


def test_choosing_pairs_by_variance_saves_comparisons():
    """From 12 comparisons on a chain of 7, the largest error of a gap falls faster than with pairs at random."""
    chain = [(i, i + 1) for i in range(6)] * 2
    ability = np.linspace(1, -1, 7)

    def grown(seed, active):
        random = np.random.default_rng(seed)
        pairs = list(chain)
        outcome = [float(random.random() < expit(ability[i] - ability[j])) for i, j in pairs]
        for _ in range(40):
            found = ranking.bradley_terry(ranking.compared(NAMES, *zip(*pairs, strict=True), outcome), prior=3.0)
            chosen = (
                [NAMES.index(name) for name in ranking.active_pair(found)] if active else random.choice(7, 2, False)
            )
            pairs.append(tuple(chosen))
            outcome.append(float(random.random() < expit(ability[chosen[0]] - ability[chosen[1]])))
        return np.sqrt(ranking.difference_variance(found.covariance)).max()

    assert np.mean([grown(s, True) for s in range(4)]) < 0.9 * np.mean([grown(s, False) for s in range(4)])


def test_violations_by_hand():
    """Truth 3, 2, 1, ordered 2, 3, 1: the first two are exchanged, one apart; the last is right."""
    assert ranking.mmrv([2, 3, 1], [3, 2, 1]) == pytest.approx(2 / 3)
    assert ranking.mmrv([1, 2, 3], [0.9, 0.5, 0.1]) == pytest.approx((0.8 + 0.4 + 0.8) / 3)
    assert ranking.mmrv([5, 4, 0], [0.9, 0.5, 0.1]) == 0.0
    # equal estimates: "greater than" is wrong on one side of each pair only
    assert ranking.mmrv([1, 1], [2, 0]) == pytest.approx(1.0)


def test_superiority_by_hand():
    found = ranking.Ranking(("a", "b"), np.array([0.5, -0.5]), np.diag([0.5, 0.5]), float("nan"), "given")
    np.testing.assert_allclose(ranking.superiority(found), [[0.5, 0.841345], [0.158655, 0.5]], atol=1e-6)


def test_scores_become_comparisons():
    """Last checkpoints of one task and seed, in all pairs; a diverged run loses, a small difference is a tie."""
    rows = [
        row("bc", seed=0, update=5, value=99.0),
        row("bc", seed=0, value=50.0),
        row("iql", seed=0, value=51.0),
        lost(card="td3", seed=0),
        row("bc", seed=1, value=40.0),
        row("iql", seed=1, value=60.0),
        row("iql", "b/y-v0", value=10.0),
    ]
    rows[3] = rows[3]._replace(score=70.0)
    found = ranking.comparisons(rows, margin=2.0)
    assert found.names == ("bc", "iql", "td3")
    seen = list(zip(found.first, found.second, found.outcome, found.session, found.task, strict=True))
    assert seen == [(0, 1, 0.5, 0, 0), (0, 2, 1, 0, 0), (1, 2, 1, 0, 0), (0, 1, 0, 1, 0)]
    assert ranking.davidson(found).order == ["iql", "bc", "td3"]
    with pytest.raises(InputError, match="no two methods were run"):
        ranking.comparisons([row("bc", seed=0), row("iql", seed=1)])


@pytest.mark.parametrize("choosy", [False, True])
def test_mixture_ranks_at_least_as_well(choosy):
    """600 comparisons over three hidden kinds of task, even and by evaluators who prefer some pairs in each kind."""
    taus = []
    for seed in range(12):
        found, ability = simulated(seed, 600, types=3, offset=1.0, choosy=choosy)
        mixed = ranking_mixture.mixture(jax.random.key(seed), found, restarts=4, iterations=120)
        both = mixed.ranking.ability, ranking.bradley_terry(found).ability
        taus.append([kendalltau(one, ability)[0] for one in both])
    ours, plain = np.mean(taus, 0)
    assert ours >= plain and ours > 0.6


def test_each_round_of_the_mixture_climbs():
    """Expectation maximisation never lowers the posterior density; its own optimum has no slope."""
    found, _ = simulated(3, 200, types=2, offset=1.0)
    scales = (1.0, 1.0, 2.0)
    with jax.enable_x64(True):
        data = ranking_mixture.arrays(found)
        start = ranking_mixture.fresh(jax.random.key(0), 7, 2)

        def one(at, _):
            after = ranking_mixture.improved(at, data, scales)
            return after, ranking_mixture.density(after, data, scales)

        @jax.jit
        def climbed(start):
            end, climb = jax.lax.scan(one, start, None, 4000)
            free = {name: getattr(end, name) for name in ("ability", "offset", "difficulty")}
            slope = jax.grad(lambda x: ranking_mixture.density(end._replace(**x), data, scales))(free)
            return climb, jnp.concatenate([leaf.ravel() for leaf in slope.values()])

        climb, slope = (np.asarray(x) for x in climbed(start))
    assert np.diff(climb).min() > -1e-6 and climb[-1] - climb[0] > 5
    np.testing.assert_allclose(slope, 0.0, atol=1e-2)


def test_one_type_without_offsets_is_independent_success():
    """With one type the mixture's likelihood is that of two coins; checked against every outcome by hand."""
    a, b = 0.7, -0.3
    p, q = expit(a), expit(b)
    values = np.exp([float(ranking_mixture.likelihood(*map(np.float32, (a, b, y)))) for y in (1.0, 0.0, 0.5)])
    np.testing.assert_allclose(values, [p * (1 - q), (1 - p) * q, p * q + (1 - p) * (1 - q)], rtol=1e-5)


def test_known_tasks_share_their_type():
    """Tasks of two opposite kinds, ten comparisons each: every comparison of a task has one belief, and a clear one."""
    random = np.random.default_rng(0)
    task = np.repeat(np.arange(30), 10)
    strong = np.where(task % 2 == 0, 2.0, -2.0)
    first, second = np.array([random.permutation(4)[:2] for _ in task]).T
    odds = np.array([1.0, 1.0, -1.0, -1.0])
    won, lost = (random.random(300) < expit(strong * odds[side]) for side in (first, second))
    found = ranking.compared(NAMES[:4], first, second, ranking.judged(won, lost), task=task)
    mixed = ranking_mixture.mixture(jax.random.key(0), found, types=2, restarts=4, iterations=60, resamples=20)
    belief = mixed.belief.reshape(30, 10, 2)
    assert np.abs(belief - belief[:, :1]).max() == 0.0
    kind = belief[:, 0].argmax(1)
    right = (kind == np.arange(30) % 2).mean()
    assert max(right, 1 - right) > 0.9
    assert (mixed.ranking.error > 0).all() and mixed.share.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(mixed.offset @ mixed.share, 0.0, atol=1e-9)
