"""Importance sampling and doubly robust estimates against exact values of a small process."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.ope.doubly_robust import direct, doubly_robust
from jaxrl.ope.importance_sampling import per_decision, trajectory_wise
from jaxrl.ope.log import logged, on_policy, padded
from tests.ope import logs

DATASETS, EPISODES = 2000, 16


@pytest.fixture(scope="module")
def found():
    """(true value, {estimator: [datasets] estimates}) over many small logs."""
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    truth, q = logs.values(mdp, evaluation)

    def estimates(key):
        played = logs.play(key, mdp, behaviour, evaluation, EPISODES)
        true_q, true_v = logs.at(q, evaluation, played)
        wrong_q, wrong_v = logs.at(0.5 * q + 1, evaluation, played)
        args = played.log, logs.DISCOUNT
        return {
            "trajectory": trajectory_wise(*args).value,
            "per decision": per_decision(*args).value,
            "doubly robust": doubly_robust(played.log, true_q, true_v, logs.DISCOUNT).value,
            "robust, wrong values": doubly_robust(played.log, wrong_q, wrong_v, logs.DISCOUNT).value,
            "direct": direct(true_v[:, 0]).value,
        }

    return truth, jax.jit(jax.vmap(estimates))(jax.random.split(jax.random.key(0), DATASETS))


@pytest.mark.parametrize("name", ["trajectory", "per decision", "doubly robust", "robust, wrong values", "direct"])
def test_estimators_are_unbiased(found, name):
    truth, all_found = found
    estimates = np.asarray(all_found[name], np.float64)
    error = estimates.std(ddof=1) / np.sqrt(DATASETS)
    assert abs(estimates.mean() - truth) < 3 * error and error < 0.05


def test_good_values_and_shorter_weights_lower_the_variance(found):
    spread = {name: float(x.var()) for name, x in found[1].items()}
    assert spread["direct"] < spread["doubly robust"] < spread["per decision"] < spread["trajectory"]


def test_one_policy_for_both_gives_the_mean_return():
    mdp, (behaviour, _) = logs.process(), logs.policies()
    played = logs.play(jax.random.key(0), mdp, behaviour, behaviour, 20)
    mean = on_policy(played.log, 0.9).value
    for estimator in (trajectory_wise, per_decision):
        for weighted in (False, True):
            estimate = estimator(played.log, 0.9, weighted=weighted)
            np.testing.assert_allclose(estimate.value, mean, rtol=1e-5)
            np.testing.assert_allclose(estimate.contributions, on_policy(played.log, 0.9).contributions, atol=1e-4)


def test_numbers_by_hand():
    log = logged([[1.0, 2.0], [3.0, 9.0]], [[0.5, 0.8], [0.9, 9.0]], [[0.25, 0.4], [0.3, 9.0]], [[1, 1], [1, 0]])
    np.testing.assert_allclose(trajectory_wise(log, 0.5).contributions, [2 * 2 * (1 + 0.5 * 2), 3 * 3], rtol=1e-6)
    np.testing.assert_allclose(per_decision(log, 0.5).contributions, [2 * 1 + 0.5 * 4 * 2, 9], rtol=1e-6)
    np.testing.assert_allclose(per_decision(log, 0.5, limit=2.5).contributions, [2 + 0.5 * 2.5 * 2, 7.5], rtol=1e-6)
    np.testing.assert_allclose(trajectory_wise(log, 0.5, weighted=True).value, (4 * 2 + 3 * 3) / 7, rtol=1e-6)
    by_step = (2 * 1 + 3 * 3) / 5 + 0.5 * (4 * 2 + 3 * 0) / 7
    np.testing.assert_allclose(per_decision(log, 0.5, weighted=True).value, by_step, rtol=1e-6)
    q, v = jnp.asarray([[1.5, 1.0], [2.0, 7.0]]), jnp.asarray([[0.5, 3.0], [1.0, 7.0]])
    robust = [0.5 + 2 * (1 - 1.5) + 0.5 * (2 * 3.0 + 4 * (2 - 1)), 1.0 + 3 * (3 - 2)]
    np.testing.assert_allclose(doubly_robust(log, q, v, 0.5).contributions, robust, rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_values_of_zero_leave_importance_sampling(weighted):
    mdp, pair = logs.process(), logs.policies()
    log = logs.play(jax.random.key(3), mdp, *pair, 30).log
    zero = jnp.zeros_like(log.reward)
    ours = doubly_robust(log, zero, zero, 0.9, weighted=weighted)
    np.testing.assert_allclose(ours.value, per_decision(log, 0.9, weighted=weighted).value, rtol=1e-6)


def test_exact_values_leave_no_variance_where_all_is_deterministic():
    moves = jnp.eye(3)[jnp.asarray([[1, 2], [2, 0], [0, 1]])]
    mdp = logs.process()._replace(transition=jnp.zeros((5, 2, 5)).at[:3, :, :3].set(moves))
    mdp = mdp._replace(transition=mdp.transition.at[3:, :, 0].set(1.0), start=jnp.eye(5)[0])
    behaviour, evaluation = jnp.full((5, 2), 0.5), jnp.eye(2)[jnp.asarray([0, 1, 0, 1, 0])]
    truth, q = logs.values(mdp, evaluation)
    played = logs.play(jax.random.key(0), mdp, behaviour, evaluation, 50)
    q, v = logs.at(q, evaluation, played)
    estimate = doubly_robust(played.log, q, v, logs.DISCOUNT)
    np.testing.assert_allclose(estimate.contributions, truth, atol=1e-4)
    assert float(per_decision(played.log, logs.DISCOUNT).contributions.std()) > 1


def test_contributions_have_the_estimate_as_mean_and_its_spread():
    mdp, pair = logs.process(), logs.policies()
    many = jax.vmap(lambda key: per_decision(logs.play(key, mdp, *pair, 200).log, 0.9, weighted=True))
    estimates = jax.jit(many)(jax.random.split(jax.random.key(1), 500))
    np.testing.assert_allclose(estimates.contributions.mean(1), estimates.value, atol=1e-4)
    claimed = np.sqrt((estimates.contributions.var(1, ddof=1) / 200).mean())
    np.testing.assert_allclose(claimed, estimates.value.std(), rtol=0.1)


def test_long_episodes_and_impossible_actions_stay_finite():
    ones = np.ones((4, 2000))
    log = logged(ones, 0.9 * ones, 0.1 * ones)
    assert np.isfinite(per_decision(log, 0.99).value) and np.isfinite(trajectory_wise(log, 0.99).value)
    np.testing.assert_allclose(per_decision(log, 0.99, weighted=True).value, 100, rtol=1e-3)
    never = logged(ones, 0 * ones, 0.1 * ones)
    for weighted in (False, True):
        np.testing.assert_allclose(per_decision(never, 0.99, weighted=weighted).value, 0)
        np.testing.assert_allclose(trajectory_wise(never, 0.99, weighted=weighted).value, 0)


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((ONES[0], ONES[0], ONES[0]), r"reward has shape \(3,\).*episodes, steps"),
        ((ONES, ONES[:, :2], ONES), r"evaluation has shape \(2, 2\) but reward \(2, 3\)"),
        ((ONES, ONES, 0 * ONES), "behaviour is 0 for 6 logged actions, first in episode 0 at step 0.*correct"),
        ((ONES, -ONES, ONES), "evaluation is negative for 6 steps.*not their logs"),
        ((ONES * np.nan, ONES, ONES), "reward holds 6 values that are not finite"),
        ((ONES, ONES, ONES, [[1, 0, 1], [1, 1, 1]]), "there must be 1 for an episode's steps"),
    ],
)
def test_bad_logs_are_refused(arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        logged(*arguments)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named():
    log = logged(ONES, ONES)
    for estimator in (trajectory_wise, per_decision, lambda log, x: doubly_robust(log, ONES, ONES, x)):
        with pytest.raises(InputError, match=r"needs the behaviour policy's probabilities.*fqe"):
            estimator(log, 0.9)
    with pytest.raises(InputError, match=r"got q of shape \(3,\); the log's is \(2, 3\)"):
        doubly_robust(logged(ONES, ONES, ONES), ONES[0], ONES, 0.9)
    assert float(direct(jnp.asarray([1.0, 3.0])).value) == 2 and float(on_policy(log, 1.0).value) == 3


def test_padding():
    np.testing.assert_array_equal(padded([1, 2, 3], [1, 3]), [[1, 0], [2, 3]])
    with pytest.raises(InputError, match="ends must increase up to the 3 steps"):
        padded([1, 2, 3], [1, 2])
