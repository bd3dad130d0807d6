"""Bandit estimators, kernels, distributions of returns and intervals by numbers computed by hand and by simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxrl.core.check import InputError
from jaxrl.ope import intervals, uno
from jaxrl.ope.doubly_robust import doubly_robust
from jaxrl.ope.importance_sampling import per_decision
from jaxrl.ope.kernel_is import kernel
from jaxrl.ope.log import Estimate, logged
from jaxrl.ope.mrdr import least_variance
from jaxrl.ope.switch import Rounds, rounds, switch, taken
from tests.ope import logs

BEHAVIOUR = np.array([[0.5, 0.5], [0.2, 0.8], [0.1, 0.9]], np.float32)
EVALUATION = np.array([[0.25, 0.75], [0.8, 0.2], [1.0, 0.0]], np.float32)
PLAYED = Rounds(np.array([1, 0, 0]), np.array([2.0, 1.0, 3.0], np.float32), BEHAVIOUR, EVALUATION)
Q = jnp.asarray([[1.0, 2.0], [0.5, 1.0], [2.0, 4.0]])
V = np.array([0.25 + 1.5, 0.4 + 0.2, 2.0])


def test_bandits_by_hand():
    log = rounds(PLAYED)
    weight = np.array([1.5, 4.0, 10.0])
    np.testing.assert_allclose(per_decision(log, 1.0).contributions, weight * [2, 1, 3], rtol=1e-5)
    np.testing.assert_allclose(per_decision(log, 1.0, weighted=True).value, (3 + 4 + 30) / 15.5, rtol=1e-5)
    np.testing.assert_allclose(per_decision(log, 1.0, limit=5.0).contributions, [3, 4, 15], rtol=1e-5)
    robust = V + weight * [2 - 2, 1 - 0.5, 3 - 2]
    ours = doubly_robust(log, taken(Q, PLAYED.action)[:, None], V[:, None], 1.0)
    np.testing.assert_allclose(ours.contributions, robust, rtol=1e-5)


def test_switch_by_hand():
    mixed = [1.5 * 2 + 0, 0 + 0.8 * 0.5, 0 + 1.0 * 2]
    np.testing.assert_allclose(switch(PLAYED, Q, 2.0).contributions, mixed, rtol=1e-6)
    robust = V + [1.5 * (2 - 2), 0, 0]
    np.testing.assert_allclose(switch(PLAYED, Q, 2.0, robust=True).contributions, robust, rtol=1e-6)
    everything = switch(PLAYED, Q, 100.0)
    np.testing.assert_allclose(everything.contributions, per_decision(rounds(PLAYED), 1.0).contributions, rtol=1e-5)
    np.testing.assert_allclose(switch(PLAYED, Q, -1.0).contributions, V, rtol=1e-6)


def simulated(key, count, behaviour, evaluation, means):
    """Rounds of one context; rewards have the means and a standard deviation of 0.1."""
    action = jax.random.categorical(key, jnp.log(behaviour), shape=(count,))
    reward = means[action] + 0.1 * jax.random.normal(jax.random.fold_in(key, 1), (count,))
    of = lambda policy: jnp.broadcast_to(policy, (count, len(policy)))
    return Rounds(action, reward, of(behaviour), of(evaluation))


def test_least_variance_beats_least_squares_where_values_cannot_fit():
    behaviour, evaluation = jnp.asarray([0.1, 0.6, 0.3]), jnp.asarray([0.7, 0.1, 0.2])
    means, count = jnp.asarray([3.0, 1.0, -1.0]), 20000
    played = simulated(jax.random.key(0), count, behaviour, evaluation, means)
    log = rounds(played)

    def features(table):
        expected = jnp.broadcast_to(evaluation @ table, (count, 1, table.shape[1]))
        return table[played.action][:, None], expected

    def spread(table, coefficients):
        here, expected = features(table)
        found = doubly_robust(log, here @ coefficients, expected @ coefficients, 1.0).contributions
        np.testing.assert_allclose(found.mean(), float(evaluation @ means), atol=4 * found.std() / count**0.5)
        return float(found.std())

    table = jnp.asarray([[1.0], [1.5], [0.5]])
    ours = least_variance(log, *features(table), 1.0)
    x = table[played.action, 0]
    squares = jnp.atleast_1d((x * played.reward).sum() / (x * x).sum())
    assert spread(table, ours) < 0.8 * min(spread(table, squares), spread(table, 0 * ours))
    assert spread(table, ours) < min(spread(table, ours - 0.02), spread(table, ours + 0.02))
    full = least_variance(log, *features(jnp.eye(3)), 1.0)
    assert spread(jnp.eye(3), full) < 1.1 * 0.1 * float((evaluation**2 / behaviour).sum()) ** 0.5


def test_least_variance_over_steps():
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    seen = logs.play(jax.random.key(0), mdp, behaviour, evaluation, 2000)
    of = lambda place: jax.nn.one_hot(place, logs.STATES)[..., None]
    here = (of(seen.state) * jax.nn.one_hot(seen.action, logs.ACTIONS)[:, :, None]).reshape(2000, logs.STEPS, -1)
    expected = (of(seen.state) * evaluation[seen.state][:, :, None]).reshape(2000, logs.STEPS, -1)
    ours = least_variance(seen.log, here, expected, 0.9)
    found = doubly_robust(seen.log, here @ ours, expected @ ours, 0.9)
    assert found.contributions.std() < 0.7 * per_decision(seen.log, 0.9).contributions.std()
    np.testing.assert_allclose(found.value, logs.values(mdp, evaluation)[0], atol=0.15)


def test_kernel_estimates_a_deterministic_policy_of_continuous_actions():
    action = jax.random.uniform(jax.random.key(0), (40000, 1, 1), minval=-1.0)
    reward = 1 - (action[..., 0] - 0.5) ** 2
    chosen = jnp.full_like(action, 0.2)
    log = logged(reward, kernel(action, chosen, 0.1), np.full((40000, 1), 0.5))
    np.testing.assert_allclose(per_decision(log, 1.0).value, 1 - 0.3**2 - 0.1**2, atol=0.02)
    by_hand = np.exp(-0.5 * (0.3**2 + 0.4**2) / 0.25) / (2 * np.pi * 0.25)
    np.testing.assert_allclose(kernel(jnp.asarray([0.3, 0.4]), jnp.zeros(2), 0.5), by_hand, rtol=1e-6)


def test_distribution_by_hand():
    log = logged([[3.0], [1.0], [2.0], [4.0]], [[0.5], [0.25], [0.25], [0.5]], [[0.5], [0.5], [0.25], [0.25]])
    found = uno.returns_of(log, 1.0)
    np.testing.assert_allclose(found.points, [1, 2, 3, 4])
    np.testing.assert_allclose(found.cumulative, [0.125, 0.375, 0.625, 1.0], rtol=1e-6)
    np.testing.assert_allclose(uno.mean(found), 0.125 + 0.5 + 0.75 + 1.5, rtol=1e-6)
    spread = 0.125 + 0.25 * 4 + 0.25 * 9 + 0.375 * 16 - 2.875**2
    np.testing.assert_allclose(uno.variance(found), spread, rtol=1e-5)
    np.testing.assert_allclose([uno.quantile(found, x) for x in (0.1, 0.125, 0.5, 1.0)], [1, 1, 3, 4])
    np.testing.assert_allclose(uno.tail_mean(found, 0.25), (0.125 * 1 + 0.125 * 2) / 0.25, rtol=1e-5)
    np.testing.assert_allclose(uno.tail_mean(found, 1.0), uno.mean(found), rtol=1e-6)
    weighted = uno.returns_of(log, 1.0, weighted=True)
    np.testing.assert_allclose(weighted.cumulative, np.cumsum([0.5, 1, 1, 2]) / 4.5, rtol=1e-6)


def test_distributions_are_those_of_the_policy():
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    seen = logs.play(jax.random.key(0), mdp, behaviour, evaluation, 1000)
    there = logs.play(jax.random.key(1), mdp, evaluation, evaluation, 1000)
    true = uno.returns_of(there.log, 0.9)
    model = (true.points[None] >= uno.returns(seen.log, 0.9).mean()).astype(jnp.float32)
    steps = jnp.broadcast_to(model, (1000, 1000))
    for found in (
        uno.returns_of(seen.log, 0.9),
        uno.returns_of(seen.log, 0.9, weighted=True),
        uno.robust_returns(seen.log, 0.9, true.points, steps, steps),
    ):
        np.testing.assert_allclose(uno.mean(found), uno.mean(true), atol=0.2)
        np.testing.assert_allclose(uno.tail_mean(found, 0.2), uno.tail_mean(true, 0.2), atol=0.3)
        np.testing.assert_allclose(uno.variance(found), uno.variance(true), rtol=0.2)


def test_intervals_by_hand():
    estimate = Estimate(jnp.float32(2.0), jnp.asarray([1.0, 2.0, 3.0]))
    reach = scipy.stats.t.ppf(0.975, 2) / np.sqrt(3)
    np.testing.assert_allclose(intervals.student(estimate), [2 - reach, 2 + reach], rtol=1e-5)
    reach = 4 * np.sqrt(np.log(2 / 0.1) / 6)
    np.testing.assert_allclose(intervals.hoeffding(estimate, 0.0, 4.0, 0.9), [2 - reach, 2 + reach], rtol=1e-5)
    reach = np.sqrt(2 * np.log(40) / 3) + 7 * 4 * np.log(40) / 6
    np.testing.assert_allclose(intervals.bernstein(estimate, 0.0, 4.0, 0.9), [2 - reach, 2 + reach], rtol=1e-5)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    mdp, pair = logs.process(), logs.policies()
    truth = logs.values(mdp, pair[1])[0]

    def covered(key):
        log = logs.play(key, mdp, *pair, 100).log
        estimate = per_decision(log, 0.9)
        again = lambda log: per_decision(log, 0.9).value
        found = intervals.student(estimate), intervals.bootstrap(jax.random.fold_in(key, 7), again, log, resamples=100)
        return jnp.asarray([(low <= truth) & (truth <= high) for low, high in found])

    share = jax.jit(jax.vmap(covered))(jax.random.split(jax.random.key(0), 200)).mean(0)
    assert ((share > 0.88) & (share < 0.99)).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rounds(PLAYED._replace(evaluation=EVALUATION[:, :1])), r"probabilities have shapes \(3, 2\) and"),
        (lambda: rounds(PLAYED._replace(behaviour=0 * BEHAVIOUR)), r"behaviour is 0 for 3 logged actions"),
        (lambda: switch(PLAYED, Q[:2], 1.0), r"switch got q of shape \(2, 2\)"),
        (lambda: least_variance(rounds(PLAYED), Q, Q, 1.0), r"mrdr got features of shapes \(3, 2\) and"),
        (lambda: kernel(Q, Q[:1], 1.0), r"actions have shape \(3, 2\) but the policy's \(1, 2\)"),
        (lambda: kernel(Q, Q, 0.0), r"bandwidth is 0.0; it must be above 0"),
        (lambda: uno.quantile(None, 0.0), r"level is 0.0; it must be above 0 and at most 1"),
        (lambda: intervals.student(Estimate(1.0, jnp.ones(1))), r"at least 2 episodes.*of 1; log more"),
        (lambda: intervals.student(Estimate(1.0, jnp.ones(2)), 95), r"confidence is 95; it must lie between"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(InputError, match=words):
        call()
