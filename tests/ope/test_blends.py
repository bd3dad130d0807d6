"""MAGIC, marginal weights, and the spectrum between them and importance sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.ope.doubly_robust import corrected, direct, doubly_robust
from jaxrl.ope.importance_sampling import per_decision
from jaxrl.ope.log import logged
from jaxrl.ope.magic import magic, on_simplex, partial
from jaxrl.ope.marginalized import marginal, state_action_weights, state_weights
from jaxrl.ope.sope import spectrum
from tests.ope import logs


@pytest.fixture(scope="module")
def played():
    """(process, evaluation policy, true value, its q by time, 4000 episodes)."""
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    truth, q = logs.values(mdp, evaluation)
    return mdp, evaluation, truth, q, logs.play(jax.random.key(5), mdp, behaviour, evaluation, 4000)


@pytest.mark.slow
def test_magic_lies_between_the_direct_method_and_weighted_doubly_robust(played):
    _, evaluation, _, q, seen = played
    q, v = logs.at(0.7 * q, evaluation, seen)
    part = jax.tree.map(lambda x: x[:100], (seen.log, q, v))
    ends = direct(part[2][:, 0]), doubly_robust(*part, logs.DISCOUNT, weighted=True)
    blend = jax.jit(lambda key, log, q, v: magic(key, log, q, v, logs.DISCOUNT, lengths=(0, logs.STEPS), resamples=50))
    found = blend(jax.random.key(0), *part)
    np.testing.assert_allclose(found.parts, [one.value for one in ends], rtol=1e-4)
    assert min(found.parts) <= float(found.value) <= max(found.parts)
    np.testing.assert_allclose(found.shares.sum(), 1, atol=1e-5)
    np.testing.assert_allclose(found.contributions.mean(), found.value, atol=1e-4)
    values, contributions = partial(*part, logs.DISCOUNT)
    np.testing.assert_allclose(contributions.mean(0), values, atol=1e-4)
    np.testing.assert_allclose(contributions[:, -1], ends[1].contributions, atol=1e-4)


def test_magic_trusts_good_values_and_leaves_bad_ones(played):
    _, evaluation, truth, q, seen = played
    log = jax.tree.map(lambda x: x[:300], seen.log)
    few = seen._replace(state=seen.state[:300], action=seen.action[:300])
    blend = jax.jit(lambda q, v: magic(jax.random.key(0), log, q, v, logs.DISCOUNT, resamples=100))
    good, bad = blend(*logs.at(q, evaluation, few)), blend(*logs.at(q + 20, evaluation, few))
    assert good.shares[0] > 0.5 and bad.shares[0] < 0.05
    np.testing.assert_allclose([good.value, bad.value], truth, atol=0.5)


def test_quadratic_program_by_hand():
    np.testing.assert_allclose(on_simplex(jnp.diag(jnp.asarray([1.0, 2.0, 4.0]))), [4 / 7, 2 / 7, 1 / 7], atol=1e-4)
    np.testing.assert_allclose(on_simplex(jnp.asarray([[1.0, 2.0], [2.0, 8.0]])), [1.0, 0.0], atol=1e-5)


def test_marginal_weights_recover_the_ratios_and_the_value(played):
    mdp, evaluation, truth, _, seen = played
    by_state = jax.jit(lambda seen: state_weights(seen.log, seen.state, logs.STATES))(seen)
    of_pairs = lambda seen: state_action_weights(seen.log, seen.state, seen.action, logs.STATES, logs.ACTIONS)
    by_pair = jax.jit(of_pairs)(seen)
    share, behaviour = [mdp.start, mdp.start], logs.policies()[0]
    for time in range(logs.STEPS):
        exact = (share[0][:, None] * evaluation) / (share[1][:, None] * behaviour)
        here = np.asarray(seen.log.there[:, time] > 0)
        pair = np.asarray(exact[seen.state[:, time], seen.action[:, time]])[here]
        for weight in (by_state, by_pair):
            np.testing.assert_allclose(np.asarray(weight[:, time])[here], pair, rtol=0.25)
        share = [
            jnp.einsum("s,sa,sat->t", x, y, mdp.transition) for x, y in zip(share, (evaluation, behaviour), strict=True)
        ]
    for weight in (by_state, by_pair):
        np.testing.assert_allclose(marginal(seen.log, weight, logs.DISCOUNT).value, truth, atol=0.05)
        np.testing.assert_allclose(marginal(seen.log, weight, logs.DISCOUNT, weighted=True).value, truth, atol=0.05)


def test_marginal_weights_vary_less_than_products():
    mdp, pair = logs.process(), logs.policies()

    def estimates(key):
        seen = logs.play(key, mdp, *pair, 50)
        weight = state_action_weights(seen.log, seen.state, seen.action, logs.STATES, logs.ACTIONS)
        return marginal(seen.log, weight, 0.9).value, per_decision(seen.log, 0.9).value

    ours, theirs = jax.jit(jax.vmap(estimates))(jax.random.split(jax.random.key(0), 300))
    assert ours.std() < 0.7 * theirs.std()


def test_double_reinforcement_learning_needs_only_one_to_be_right(played):
    _, evaluation, truth, q, seen = played
    weight = state_weights(seen.log, seen.state, logs.STATES)
    wrong = corrected(seen.log, weight, *logs.at(0 * q + 1, evaluation, seen), logs.DISCOUNT)
    right = corrected(seen.log, jnp.ones_like(weight), *logs.at(q, evaluation, seen), logs.DISCOUNT)
    np.testing.assert_allclose([wrong.value, right.value], truth, atol=0.06)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_spectrum_ends_at_both_estimators(played, weighted):
    seen = played[-1]
    weight = state_weights(seen.log, seen.state, logs.STATES)
    at = lambda steps: spectrum(seen.log, weight, 0.9, steps, weighted=weighted).value
    np.testing.assert_allclose(at(0), marginal(seen.log, weight, 0.9, weighted=weighted).value, rtol=1e-5)
    for steps in (logs.STEPS, 100):
        np.testing.assert_allclose(at(steps), per_decision(seen.log, 0.9, weighted=weighted).value, rtol=1e-4)
    np.testing.assert_allclose(at(2), played[2], atol=0.1)


def test_the_spectrum_by_hand():
    log = logged([[1.0, 2.0, 4.0]], [[0.0, 0.6, 0.9]], [[0.5, 0.3, 0.3]])
    found = spectrum(log, jnp.asarray([[5.0, 7.0, 11.0]]), 1.0, 1)
    np.testing.assert_allclose(found.value, 1 * 0 + 2 * (5 * 2) + 4 * (7 * 3), rtol=1e-5)


def test_bad_input():
    log = logged(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3)))
    ones = jnp.ones((2, 3))
    with pytest.raises(InputError, match=r"lengths=\(0, 4\).*between 0 and the log's 3 steps"):
        magic(jax.random.key(0), log, ones, ones, 0.9, lengths=(0, 4))
    with pytest.raises(InputError, match=r"got weight of shape \(2,\)"):
        marginal(log, jnp.ones(2), 0.9)
    with pytest.raises(InputError, match=r"sope got steps=-1"):
        spectrum(log, ones, 0.9, -1)
    for estimator in (lambda x: state_weights(x, ones, 2), lambda x: spectrum(x, ones, 0.9, 1)):
        with pytest.raises(InputError, match=r"needs the behaviour policy's probabilities"):
            estimator(log._replace(behaviour=None))
