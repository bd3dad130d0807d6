import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.effects import props as cases
from jaxrl import environment
from jaxrl.algorithms.online import ppo, props
from jaxrl.compose import resample
from jaxrl.core.types import Spec, blank_batch
from jaxrl.networks import laws
from tests.contract.made_up import same

SMALL = {"width": 8, "passes": 2, "minibatches": 2}


def law():
    """Logits that do not look at what is seen."""
    return laws.softmax(lambda params, obs: jnp.broadcast_to(jax.nn.log_softmax(params), (*obs.shape[:-1], 3)))


def test_loss_by_hand():
    target, params = jnp.zeros(3), jnp.log(jnp.array([0.5, 0.25, 0.25]))
    rows = resample.Taken(jnp.zeros((2, 1)), jnp.array([0, 1]), jnp.ones(2))
    numbers = cases.Numbers(divergence_weight=0.5)
    losses, away = resample.overseen(law(), numbers, target, params, rows)
    kl = np.mean([np.log(1 / 3 / p) for p in (0.5, 0.25, 0.25)])
    np.testing.assert_allclose(losses, [1.5 + 0.5 * kl, 0.75 + 0.5 * kl], rtol=1e-5)
    np.testing.assert_allclose(away, [0.5 - np.log(1.5), -0.25 - np.log(0.75)], rtol=1e-5)


def test_what_was_done_too_often_becomes_rarer_and_blank_rows_count_nothing():
    numbers, target = cases.Numbers(), jnp.zeros(3)
    behaviour = resample.fresh(numbers, target)
    arms = jnp.array([0, 0, 0, 1, 2, 2, 2, 2])
    for blank in (0, 2):
        rows = resample.Taken(jnp.zeros((8, 1)), arms.at[4:].set(blank), jnp.repeat(jnp.array([1.0, 0.0]), 4))
        out = resample.adapted(jax.random.key(0), numbers, law(), target, behaviour, rows, passes=4, minibatches=1)
        shares = jax.nn.softmax(out.params)
        assert shares[0] < shares[1] < shares[2]
        if blank == 0:
            first = shares
    np.testing.assert_array_equal(first, shares)


def test_behaviour_stops_at_its_limit_and_starts_from_the_target_anew():
    target = jnp.zeros(3)
    rows = resample.Taken(jnp.zeros((4, 1)), jnp.array([0, 0, 0, 1]), jnp.ones(4))
    run = functools.partial(resample.adapted, jax.random.key(0), passes=200, minibatches=1)
    free = run(cases.Numbers(divergence_limit=jnp.inf), law(), target, resample.fresh(cases.Numbers(), target), rows)
    near = run(cases.Numbers(divergence_limit=0.01), law(), target, resample.fresh(cases.Numbers(), target), rows)
    kl = lambda params: law().kl(law().numbers(params, rows.obs), law().numbers(target, rows.obs))[0]
    assert kl(near.params) < 0.05 < kl(free.params)
    elsewhere = resample.Behaviour(jnp.array([5.0, 0.0, 0.0]), resample.fresh(cases.Numbers(), target).opt)
    again = run(cases.Numbers(divergence_limit=0.01), law(), target, elsewhere, rows)
    np.testing.assert_array_equal(again.params, near.params)


def test_sampling_error_is_below_that_of_sampling_on_policy():
    """50 seeds, 128 plays: the ratio is about 0.17, and on-policy error is (arms - 1) / (2 plays)."""
    keys = jax.random.split(jax.random.key(0), 50)
    error = lambda corrected: jax.vmap(functools.partial(cases.sampling_error, plays=128, corrected=corrected))(
        keys
    ).mean()
    ours, theirs = error(True), error(False)
    assert ours < 0.35 * theirs
    np.testing.assert_allclose(theirs, 3 / 256, rtol=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("discrete", [False, True])
def test_without_correction_or_buffer_it_is_ppo(discrete):
    spec = Spec("made-up", obs=3, action=2, horizon=9, discrete=discrete)
    algorithm = props.props(spec, **SMALL, envs=2, length=4, chunks=2, batches=1, behaviour_minibatches=1)
    plain = ppo.ppo(spec, **SMALL)
    hyper = props.Hyper(behaviour_lr=0.0)
    state, other = algorithm.init(jax.random.key(0), hyper), plain.init(jax.random.key(0), hyper)
    batch = blank_batch(spec, 16)
    noise = jax.random.normal(jax.random.key(1), (16, 7))
    batch = batch._replace(obs=noise[:, :3], next_obs=noise[:, 3:6], reward=noise[:, 6])
    batch = batch if discrete else batch._replace(action=noise[:, :2])
    batch = jax.tree.map(lambda x: x.reshape(8, 2, *x.shape[1:]), batch)
    for part in (0, 1):
        state, _ = algorithm.update(
            jax.random.key(2), hyper, state, jax.tree.map(lambda x, p=part: x[4 * p : 4 * p + 4], batch)
        )
    other, _ = plain.update(jax.random.key(2), hyper, other, batch._replace(truncated=batch.truncated.at[-1].set(1.0)))
    for ours, theirs in zip(*map(jax.tree.leaves, (state.target.params, other.params)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert same(state.behaviour.params, state.target.params["actor"])


def test_buffer_is_in_order_of_time_and_filled_with_what_there_is():
    spec = Spec("made-up", obs=1, action=1, horizon=9)
    one = jax.tree.map(lambda x: x.reshape(4, 1, 1, *x.shape[1:]), blank_batch(spec, 4))
    kept = one._replace(reward=jnp.array([0.0, 0.0, 3.0, 4.0]).reshape(4, 1, 1))
    np.testing.assert_array_equal(props.in_time(kept, 2, 4).reward[:, 0], [3, 4, 3, 4])
    np.testing.assert_array_equal(props.in_time(kept, 9, 4).reward[:, 0], [0, 0, 3, 4])
    np.testing.assert_array_equal(props.in_time(kept, 2, 4).truncated[:, 0], [0, 1, 0, 1])


def test_props_collects_by_its_behaviour_and_acts_by_its_target():
    env = environment("CartPole-v1")
    algorithm = props.props(env.spec, **SMALL, envs=2, length=4, chunks=2, batches=2, behaviour_minibatches=1)
    state = algorithm.init(jax.random.key(0), props.Hyper())
    tilted = jax.tree.map(lambda x: x + 0.5, state.behaviour.params)
    state = state._replace(behaviour=state.behaviour._replace(params=tilted))
    obs = jnp.ones((1, env.spec.obs))
    ours, theirs = (
        make(props.Hyper(), state).log_prob(obs, jnp.array([1])) for make in (algorithm.explore, algorithm.policy)
    )
    assert not np.allclose(ours, theirs)
