"""Estimators that are linear in features, against exact values and ratios."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs import tabular as exact
from jaxrl.ope.dual_dice import dual_dice
from jaxrl.ope.fqe import fqe
from jaxrl.ope.gradient_dice import gradient_dice
from jaxrl.ope.linear import Linear, averaged, corrected, first_values, tabular
from jaxrl.ope.log import Log
from jaxrl.ope.minimax_learning import minimax_values, minimax_weights
from tests.ope import logs

PAIRS = logs.STATES * logs.ACTIONS
DISCOUNT = 0.9


@pytest.fixture(scope="module")
def perfect():
    """(truth, q [S, A], ratio [S, A], features of every possible step once, weighed by how often it happens)."""
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    v, q = exact.evaluate(mdp, evaluation)
    moves = jnp.einsum("sa,sat->st", evaluation, mdp.transition)
    share = jnp.linalg.solve(jnp.eye(logs.STATES) - DISCOUNT * moves.T, (1 - DISCOUNT) * mdp.start)
    data = jnp.full((logs.STATES, 1), 1 / logs.STATES) * behaviour
    state, action, following = (x.reshape(1, -1) for x in jnp.indices((logs.STATES, logs.ACTIONS, logs.STATES)))
    weight = (data[..., None] * mdp.transition).reshape(1, -1)
    log = Log(mdp.reward[state, action], None, None, weight)
    features = tabular(state, action, following, 0 * following, log, evaluation)
    start = (mdp.start[:, None] * evaluation).reshape(1, PAIRS)
    ratio = share[:, None] * evaluation / data
    return float(mdp.start @ v), q, ratio, features._replace(start=start)


def test_values_are_exact_with_full_coverage(perfect):
    truth, q, _, features = perfect
    for coefficients in (fqe(features, DISCOUNT, 300), minimax_values(features, DISCOUNT)):
        np.testing.assert_allclose(coefficients, q.ravel(), atol=1e-3)
        np.testing.assert_allclose(first_values(features, coefficients).value, truth, atol=1e-3)


def test_ratios_are_exact_with_full_coverage(perfect):
    truth, _, ratio, features = perfect
    found = {
        "minimax": minimax_weights(features, DISCOUNT),
        "dual": dual_dice(features, DISCOUNT, features.here),
        "gradient": gradient_dice(features, DISCOUNT),
    }
    wanted = np.repeat(np.asarray(ratio).ravel(), logs.STATES)
    for weights in found.values():
        np.testing.assert_allclose(weights[0], wanted, rtol=0.01)
        np.testing.assert_allclose(averaged(features, weights, DISCOUNT).value, truth, rtol=0.005)


def test_iterations_are_the_horizon():
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    seen = logs.play(jax.random.key(0), mdp, behaviour, evaluation, 4000)
    features = tabular(seen.state, seen.action, seen.following, seen.following == logs.STATES - 1, seen.log, evaluation)
    for steps in (1, 2, 4):
        found = first_values(features, fqe(features, DISCOUNT, steps)).value
        np.testing.assert_allclose(found, logs.values(mdp, evaluation, steps)[0], atol=0.05)


def test_a_long_run_average_needs_no_discount():
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    back = mdp.transition.at[-1].set(mdp.start[None])
    moves = jnp.einsum("sa,sat->st", evaluation, back)
    stationary = jnp.linalg.matrix_power(moves, 200)[0]
    truth = (stationary[:, None] * evaluation * mdp.reward).sum()
    state, action, following = (x.reshape(1, -1) for x in jnp.indices((logs.STATES, logs.ACTIONS, logs.STATES)))
    log = Log(mdp.reward[state, action], None, None, (behaviour[..., None] * back).reshape(1, -1))
    features = tabular(state, action, following, 0 * following, log, evaluation)
    ratio = gradient_dice(features, 1.0)
    share = log.there / log.there.sum()
    np.testing.assert_allclose((share * ratio).sum(), 1, atol=1e-3)
    np.testing.assert_allclose((share * ratio * log.reward).sum(), truth, atol=2e-3)


def test_both_minimax_estimates_agree_and_know_their_spread():
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()

    def estimates(key):
        seen = logs.play(key, mdp, behaviour, evaluation, 200, 20)
        args = seen.state, seen.action, seen.following, seen.following == logs.STATES - 1, seen.log
        features = tabular(*args, evaluation)
        q, ratio = minimax_values(features, DISCOUNT), minimax_weights(features, DISCOUNT)
        return first_values(features, q), averaged(features, ratio, DISCOUNT), corrected(features, q, ratio, DISCOUNT)

    many = jax.jit(lambda keys: jax.lax.map(estimates, keys))  # vmapped solves can hang XLA on two cores
    values, weights, both = many(jax.random.split(jax.random.key(0), 300))
    np.testing.assert_allclose(values.value, weights.value, atol=2e-3)
    np.testing.assert_allclose(values.value, both.value, atol=2e-3)
    truth = float(mdp.start @ exact.evaluate(mdp, evaluation)[0])
    np.testing.assert_allclose(values.value.mean(), truth, atol=0.05)
    claimed = np.sqrt((both.contributions.var(1, ddof=1) / 200).mean())
    np.testing.assert_allclose(claimed, values.value.std(), rtol=0.15)


def test_with_more_judges_than_features_the_flow_still_balances(perfect):
    features = perfect[-1]
    mixed = jnp.asarray(np.random.default_rng(0).normal(size=(PAIRS, 6)), jnp.float32)
    few = Linear(features.here @ mixed, features.ahead @ mixed, features.start @ mixed, features.reward, features.there)
    ratio = dual_dice(few, DISCOUNT, features.here)
    assert ratio.shape == features.there.shape and np.isfinite(ratio).all()
    residual = DISCOUNT * few.ahead - few.here
    share = few.there / few.there.sum()
    flow = jnp.einsum("nt,nt,ntk->k", share, ratio, residual) + (1 - DISCOUNT) * few.start[0]
    np.testing.assert_allclose(flow, 0, atol=1e-3)


def test_bad_input(perfect):
    features = perfect[-1]
    for estimator in (minimax_weights, minimax_values, lambda x, d: averaged(x, x.there, d)):
        with pytest.raises(InputError, match=r"needs a discount of at least 0 and below 1, not 1.0; use fqe"):
            estimator(features, 1.0)
    with pytest.raises(InputError, match=r"features have shapes .*\[N, T, K\], \[N, T, K\] and \[N, K\]"):
        fqe(features._replace(start=features.start[:, 1:]), DISCOUNT, 3)
    with pytest.raises(InputError, match=r"dual_dice got judges of shape .*at least as large"):
        dual_dice(features, DISCOUNT, features.here[..., 1:])
    with pytest.raises(InputError, match=r"iterations is 0"):
        fqe(features, DISCOUNT, 0)
