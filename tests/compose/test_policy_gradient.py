"""On-policy parts: passes over a batch, running moments, terms by hand numbers, what a batch becomes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.online import a2c, mdpo, ppo
from jaxrl.compose import running, surrogates
from jaxrl.compose.epochs import epochs, shuffled
from jaxrl.compose.policy_gradient import (
    Nets,
    OnPolicy,
    Stage,
    View,
    Visited,
    networks,
    observed,
    policy_gradient,
    rethought,
)
from jaxrl.core.check import InputError
from jaxrl.core.types import Spec, Transition
from jaxrl.losses.policy import weighted_mean
from jaxrl.networks import heads, laws
from jaxrl.networks.basic import Network

ONCE = (Stage(("actor", "critic")),)
SPEC = Spec("made up", 3, 2, 10, False, (-1.0, -1.0), (1.0, 1.0))


def counted(rows, passes, minibatches):
    """How often each row was met, and the rows met in order, [passes, minibatches, B]."""

    def update(key, state, part):
        count, at, met = state
        return (count.at[part].add(1), at + 1, met.at[at].set(part)), {"mean": part.mean()}

    start = jnp.zeros(rows, jnp.int32), 0, jnp.zeros((passes * minibatches, rows // minibatches), jnp.int32)
    run = functools.partial(epochs, passes=passes, minibatches=minibatches)
    (count, _, met), metrics = run(jax.random.key(0), update, start, jnp.arange(rows))
    return count, met.reshape(passes, -1), metrics


def test_every_pass_meets_every_row_once_in_an_order_of_its_own():
    count, met, metrics = counted(24, passes=3, minibatches=4)
    assert bool((count == 3).all())
    assert bool((jnp.sort(met, 1) == jnp.arange(24)[None]).all())
    assert len({tuple(one) for one in met.tolist()}) == 3
    np.testing.assert_allclose(metrics["mean"], 11.5)


def test_one_minibatch_is_the_batch_itself():
    _, met, _ = counted(6, passes=2, minibatches=1)
    np.testing.assert_array_equal(met, [range(6)] * 2)


def test_rows_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match="minibatches=5"):
        counted(24, passes=1, minibatches=5)


@pytest.mark.parametrize("rows", [1, 2, 1000, 2**16 + 1])
def test_orders_hold_every_row_once(rows):
    order = jax.jit(shuffled, static_argnums=1)(jax.random.key(1), rows)
    np.testing.assert_array_equal(jnp.sort(order), np.arange(rows))


def test_orders_are_as_likely_as_each_other():
    """Each of 24 orders of 4 rows in 4,800 draws 200 times, give or take 5 standard deviations."""
    orders = jax.jit(jax.vmap(lambda key: shuffled(key, 4)))(jax.random.split(jax.random.key(2), 4800))
    _, counts = np.unique(np.asarray(orders), axis=0, return_counts=True)
    assert len(counts) == 24 and np.abs(counts - 200).max() < 5 * 14


def test_running_moments_are_those_of_everything_seen():
    parts = [3 + 2 * jax.random.normal(jax.random.key(i), (4 + i, 2, 3)) for i in range(4)]
    moments = functools.reduce(running.observe, parts, running.fresh(3))
    together = np.concatenate([np.asarray(x).reshape(-1, 3) for x in parts])
    assert int(moments.count) == len(together)
    np.testing.assert_allclose(moments.mean, together.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.variance, together.var(0), rtol=1e-5)


def test_running_moments_of_scalars_and_standardised_values():
    moments = running.observe(running.fresh(), jnp.asarray([1.0, 3.0]))
    assert (float(moments.mean), float(moments.variance)) == (2.0, 1.0)
    wide = running.Running(jnp.ones(()), jnp.asarray([1.0, 0.0]), jnp.asarray([4.0, 1e-4]))
    np.testing.assert_allclose(running.standardised(wide, jnp.asarray([[5.0, 1.0]])), [[2.0, 10.0]], rtol=1e-3)


def view(ratio=(), advantage=(), value=(), progress=0.0, hyper=None, **fields):
    """A View with given ratios to a policy of density 1, or given values."""
    n = max(len(ratio), len(value))
    whole = lambda x: jnp.asarray(x if len(x) else [0.0] * n, jnp.float32)
    blank = jnp.zeros(n)
    batch = Visited(
        obs=jnp.zeros((n, 1)), action=blank, numbers=(), log_prob=blank, value=whole(fields.get("before", ())),
        advantage=whole(advantage), returns=whole(fields.get("returns", ())), weight=jnp.ones(n),
    )  # fmt: skip
    law = laws.Law(lambda params, obs: params, lambda numbers, action: numbers, lambda n: 2 * n, lambda n, o: 3 * n)
    nets = Nets(heads.Head(None, None, None, law=law), Network(None, lambda params, obs: params))
    logs = jnp.log(whole(ratio)) if len(ratio) else blank
    return View(batch=batch, hyper=hyper, nets=nets, actor=logs, critic=whole(value), progress=progress)


def test_policy_terms_by_hand():
    v = view(ratio=[1.5, 1.5, 0.5, 0.5, 1.1], advantage=[2, -2, 2, -2, 1], hyper=ppo.Hyper(ratio_clip=0.2))
    np.testing.assert_allclose(surrogates.linear(v), [-3, 3, -1, 1, -1.1], rtol=1e-6)
    np.testing.assert_allclose(surrogates.clipped(v), [-2.4, 3, -1, 1.6, -1.1], rtol=1e-6)
    np.testing.assert_allclose(
        surrogates.likelihood(v), -np.log([1.5, 1.5, 0.5, 0.5, 1.1]) * [2, -2, 2, -2, 1], rtol=1e-5
    )


def test_entropy_and_divergence_by_hand():
    v = view(ratio=[np.e], hyper=a2c.Hyper(entropy_weight=0.5))
    np.testing.assert_allclose(surrogates.entropy_bonus(v), [-1.0], rtol=1e-6)
    half = view(ratio=[np.e], hyper=mdpo.Hyper(decay_updates=10.0, mirror_step=2.0), progress=0.5)
    np.testing.assert_allclose(surrogates.mirror(half), [3.0], rtol=1e-6)
    at_the_end = view(ratio=[np.e], hyper=mdpo.Hyper(decay_updates=10.0), progress=1.0)
    np.testing.assert_allclose(surrogates.mirror(at_the_end), [30.0], rtol=1e-6)


def test_value_terms_by_hand():
    v = view(value=[1.0, 3.0, 1.1], before=[0.0, 2.0, 1.0], returns=[3.0, 3.0, 1.0], progress=0.5, hyper=mdpo.Hyper())
    np.testing.assert_allclose(surrogates.value_error(v), [2.0, 0.0, 0.005], rtol=1e-5)
    np.testing.assert_allclose(surrogates.near_value_error(v), [0.5 * 2.9**2, 0.5 * 0.9**2, 0.005], rtol=1e-5)


def test_advantages_are_standardised():
    scaled = surrogates.standardised(jnp.asarray([1.0, 2.0, 6.0]))
    np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-6)


def test_laws_agree_with_their_definitions():
    logs, others = (jax.nn.log_softmax(jnp.asarray([x])) for x in ([0.0, 1.0, 2.0], [1.0, 0.0, 0.0]))
    classes = laws.softmax(lambda params, obs: params)
    p = np.exp(logs)
    np.testing.assert_allclose(classes.entropy(logs), -(p * np.log(p)).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(classes.kl(logs, others), (p * (logs - others)).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(classes.log_prob(logs, jnp.asarray([2])), logs[:, 2])
    bell = laws.normal(lambda params, obs: params)
    one, other = (jnp.asarray([0.5]), jnp.asarray([0.1])), (jnp.asarray([-0.2]), jnp.asarray([-0.3]))
    x, dx = np.linspace(-12, 12, 40_001, retstep=True)
    log_p, log_q = (
        np.asarray(jax.vmap(lambda a, law=law: bell.log_prob(law, a[None]))(jnp.asarray(x))) for law in (one, other)
    )
    np.testing.assert_allclose(np.exp(log_p).sum() * dx, 1, rtol=1e-4)
    np.testing.assert_allclose(bell.entropy(one), -(np.exp(log_p) * log_p).sum() * dx, rtol=1e-4)
    np.testing.assert_allclose(bell.kl(one, other), (np.exp(log_p) * (log_p - log_q)).sum() * dx, rtol=1e-4)


def test_mirror_descent_on_a_bandit_multiplies_probabilities_by_exponentials_of_values():
    """Convergence of the inner problem: pi' proportional to pi exp(t Q) (arXiv:2005.09814)."""
    arms, t = 5, 0.7 * (1 - 0.25)
    q = jax.random.normal(jax.random.key(0), (arms,))
    before = jax.nn.log_softmax(jax.random.normal(jax.random.key(1), (arms,)))
    law = laws.softmax(lambda params, obs: jnp.broadcast_to(jax.nn.log_softmax(params)[None], (arms, arms)))
    batch = Visited(
        obs=jnp.zeros((arms, 1)), action=jnp.arange(arms), numbers=jnp.broadcast_to(before[None], (arms, arms)),
        log_prob=before, value=q, advantage=q, returns=q, weight=arms * jnp.exp(before),
    )  # fmt: skip
    hyper, nets = mdpo.Hyper(mirror_step=0.7), Nets(heads.Head(None, None, None, law=law), None)

    def loss(params):
        seen = View(batch=batch, hyper=hyper, nets=nets, actor=params, progress=0.25)
        return weighted_mean(sum(term(seen) for term in mdpo.RECIPE.actor), batch.weight)

    descend = lambda _, params: params - 0.5 * jax.grad(loss)(params)
    found = jax.nn.softmax(jax.jit(lambda p: jax.lax.fori_loop(0, 2000, descend, p))(before))
    wanted = jax.nn.softmax(before + t * q)
    assert float(jnp.abs(found - wanted).sum()) < 1e-3 < 0.1 < float(jnp.abs(jnp.exp(before) - wanted).sum())


def batch_of(length=6, envs=2, seed=0):
    keys = jax.random.split(jax.random.key(seed), 4)
    draw = lambda i, *shape: 5 * jax.random.normal(keys[i], (length, envs, *shape))
    flag, none = jnp.zeros((length, envs)).at[2, 0].set(1.0), jnp.zeros((length, envs))
    return Transition(draw(0, 3), draw(1, 2), draw(2), draw(3, 3), draw(1, 2), flag, none, none + 1)


def test_scaling_uses_moments_from_before_the_batch_and_then_adds_it():
    algorithm = policy_gradient(SPEC, ppo.RECIPE, ONCE, width=4, depth=1, normalise=True)
    hyper, batch = ppo.Hyper(), batch_of()
    state = algorithm.init(jax.random.key(0), hyper)
    nets = networks(SPEC, None, 4, 1)
    rows = rethought(nets, ppo.RECIPE, hyper, state, batch)
    np.testing.assert_allclose(rows.obs, jnp.clip(batch.obs, -10, 10).reshape(-1, 3), rtol=1e-6)
    after = observed(hyper, state, batch)
    np.testing.assert_allclose(after.seen.mean, batch.obs.mean((0, 1)), rtol=1e-5)
    rows = rethought(nets, ppo.RECIPE, hyper, after, batch)
    np.testing.assert_allclose(rows.obs.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(rows.obs.std(0), 1, rtol=1e-5)


def test_rewards_are_divided_by_the_size_of_discounted_sums():
    nets = networks(SPEC, None, 4, 1)
    algorithm = policy_gradient(SPEC, a2c.RECIPE, ONCE, width=4, depth=1, normalise=True)
    hyper, batch = a2c.Hyper(discount=0.0), batch_of()
    state = algorithm.init(jax.random.key(0), hyper)
    state = state._replace(scale=state.scale._replace(variance=jnp.asarray(4.0)))
    rows = rethought(nets, a2c.RECIPE, hyper, state, batch)
    np.testing.assert_allclose(rows.returns, batch.reward.reshape(-1) / 2, rtol=1e-5, atol=1e-5)


def test_without_scaling_nothing_is_kept():
    algorithm = policy_gradient(SPEC, ppo.RECIPE, ONCE, width=4, depth=1)
    state = algorithm.init(jax.random.key(0), ppo.Hyper())
    assert isinstance(state, OnPolicy) and (state.seen, state.scale) == ((), ())


def test_step_sizes_fall_to_zero():
    algorithm = a2c.a2c(SPEC, width=4, depth=1)
    hyper = a2c.Hyper(decay_updates=2.0)
    state = algorithm.init(jax.random.key(0), hyper)
    update, moved = jax.jit(algorithm.update), []
    for i in range(3):
        new, _ = update(jax.random.key(i), hyper, state, batch_of())
        moved.append(bool((new.params["actor"]["log_std"] != state.params["actor"]["log_std"]).any()))
        state = new
    assert moved == [True, True, False]
