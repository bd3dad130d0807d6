"""PRDC, RIQL and A2PR: their limits are their parents, and their numbers are those of straight lines."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.offline import a2pr, iql, prdc, riql, td3_bc
from jaxrl.compose.actor_critic import View
from jaxrl.compose.learn import Learned
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Spec, Transition, first_steps
from jaxrl.data import corruption, variants
from jaxrl.networks import critics as values
from jaxrl.networks.basic import Network
from jaxrl.networks.vae import Autoencoder, action_vae

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = Spec("made up", 3, 2, 10, False, (-1.0, -1.0), (1.0, 1.0))
SMALL = {"width": 16, "depth": 2}


def steps_of(seed, rows=60):
    """Random steps, no two alike."""
    keys = jax.random.split(jax.random.key(seed), 5)
    draw = lambda i, *shape: jax.random.normal(keys[i], (rows, *shape))
    flag = (jnp.arange(rows) % 3 == 2).astype(jnp.float32)
    action = jnp.tanh(draw(1, 2))
    return Transition(draw(0, 3), action, draw(2), draw(3, 3), jnp.tanh(draw(4, 2)), flag, 0 * flag, jnp.ones(rows))


def batches(collect=None, count=6, rows=8):
    """Batches of the same steps, with what the source adds."""
    steps = steps_of(0)
    source = collect(Dataset(steps, jnp.full(60, 59)), rows) if collect else None
    extras = source.next(jax.random.key(0), (), None)[1].extras if source else {}
    for i in range(count):
        yield jax.tree.map(lambda x, i=i: x[i * rows : (i + 1) * rows], steps)._replace(extras=extras)


def train(algo, hyper, batches, names=("actor", "critic")):
    state = algo.init(jax.random.key(0), hyper)
    update = jax.jit(algo.update)
    for i, batch in enumerate(batches):
        state, _ = update(jax.random.key(10 + i), hyper, state, batch)
    return [state.params[name] for name in names]


def assert_same(a, b, rtol=2e-6, atol=1e-8):
    """Equal up to the order in which the compiler adds."""
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


def assert_differ(a, b):
    assert any(bool((x != y).any()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_prdc_that_looks_at_states_alone_is_td3_bc():
    parent = train(td3_bc.td3_bc(SPEC, **SMALL), td3_bc.Hyper(), batches())
    algo = prdc.prdc(SPEC, **SMALL)
    assert_same(train(algo, prdc.Hyper(state_scale=1e3), batches(prdc.with_bank)), parent)
    assert_differ(train(algo, prdc.Hyper(), batches(prdc.with_bank)), parent)


class Seen:
    """What PRDC's term looks at."""

    def __init__(self, obs, action, dataset, state_scale):
        self.obs, self.action, self.hyper = obs, action, prdc.Hyper(state_scale=state_scale)
        self.batch = prdc.with_bank(dataset, 1).next(jax.random.key(0), (), None)[1]


def test_prdc_without_states_goes_to_the_nearest_action_anywhere():
    steps = steps_of(1)
    obs, action = steps.obs[:5], jnp.clip(steps.action[10:15] + 1e-3, -1, 1)
    v = Seen(obs, action, Dataset(steps, jnp.full(60, 59)), 0.0)
    np.testing.assert_allclose(prdc.clone_nearest(v), jnp.square(action - steps.action[10:15]).mean(-1), rtol=1e-3)


def test_prdc_may_take_an_action_that_was_logged_nearby_but_none_that_was_logged_far_away():
    """Two states 0.05 apart, the good action (0.8) logged at the first alone; 0.3 only 0.6 away from both."""
    obs = jnp.array([[0.0, 0.0, 0.0], [0.05, 0.0, 0.0], [0.6, 0.0, 0.0]])
    action = jnp.array([[0.8, 0.8], [-0.8, -0.8], [0.3, 0.3]])
    flat = jnp.zeros(3)
    steps = Transition(obs, action, flat, obs, action, flat, flat, flat + 1)
    dataset = Dataset(steps, jnp.full(3, 2))
    pull = lambda a: -jax.grad(lambda a: prdc.clone_nearest(Seen(obs[1:2], a, dataset, 2.0)).sum())(jnp.array([a]))[0]
    assert float(pull([0.6, 0.6])[0]) > 0.19, "towards 0.8, the neighbour's"
    assert float(pull([0.3, 0.3])[0]) > 0.49, "towards 0.8: 0.3 was logged too far away"
    assert float(pull([-0.5, -0.5])[0]) < -0.29, "towards -0.8, the state's own"


def test_prdc_by_hand():
    """One state, one action dimension: distances 4 (s - s_i)^2 + (a - a_i)^2 by hand."""
    obs = jnp.array([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]])
    action = jnp.array([[0.0, 0.0], [0.5, 0.5], [0.9, 0.9]])
    flat = jnp.zeros(3)
    steps = Transition(obs, action, flat, obs, action, flat, flat, flat + 1)
    v = Seen(jnp.zeros((1, 3)), jnp.array([[0.6, 0.6]]), Dataset(steps, jnp.full(3, 2)), 2.0)
    # 0 + 0.72, 0.04 + 0.02, 0.16 + 0.18: the second; (0.6 - 0.5)^2 per dimension
    np.testing.assert_allclose(prdc.clone_nearest(v), [0.01], rtol=1e-5)


def plain_riql(**changes):
    """RIQL's numbers where it is IQL: the critics' minimum, squares, targets without bounds."""
    limits = {"quantile": 0.0, "target_low": -1e9, "target_high": 1e9, "actor_decay_updates": 1e6}
    return riql.Hyper(**limits | changes)


def test_riql_without_its_three_changes_is_iql():
    """Two critics' mean of halved squares in units of d is sigma^2 / 4 of IQL's loss: Adam's epsilon alone sees it."""
    names = ("value", "actor", "critic")
    parent = train(iql.iql(SPEC, **SMALL), iql.Hyper(), batches(), names)
    algo = riql.riql(SPEC, critics=2, deterministic=False, **SMALL)
    assert_same(train(algo, plain_riql(sigma=0.1), batches(), names), parent, rtol=1e-2, atol=1e-5)
    assert_differ(train(algo, plain_riql(quantile=0.5), batches(), names), parent)


def test_riql_s_critic_loss_has_the_slopes_of_its_equation():
    """x / d inside d = 1 / sigma^2, the sign beyond."""
    slope = jax.vmap(jax.grad(lambda gap: riql.scaled_huber(riql.Hyper(sigma=0.5), gap[None])))
    np.testing.assert_allclose(slope(jnp.array([-9.0, -4.5, -3.0, 1.0, 3.9, 50.0])), [-1, -1, -0.75, 0.25, 0.975, 1])
    by_hand = [riql.scaled_huber(riql.Hyper(sigma=3.0), jnp.array([[gap], [0.0]]))[0] for gap in (0.05, -2.0)]
    np.testing.assert_allclose(by_hand, [0.05**2 * 9 / 4, (2 - 1 / 18) / 2], rtol=1e-6)


def test_riql_s_critics_stand_together_by_a_quantile():
    q = jnp.array([[3.0, 1.0], [1.0, 1.0], [2.0, 7.0], [8.0, 2.0], [5.0, 2.0]])
    together = lambda level: riql.CHOICES.together(riql.Hyper(quantile=level), q)
    np.testing.assert_allclose(together(0.0), [1, 1])
    np.testing.assert_allclose(together(0.5), [3, 2])
    np.testing.assert_allclose(together(0.1), [1.4, 1.0], rtol=1e-6)


def test_riql_s_targets_are_bounded():
    bounded = riql.CHOICES.bound(riql.Hyper(), jnp.array([-3e3, 5.0, 3e3]))
    np.testing.assert_allclose(bounded, [-100, 5, 1000])


def test_riql_s_actor_clones_by_weighted_squares():
    """One step's actor gradient is that of w |pi(s) - a|^2 with IQL's weight."""
    algo, hyper, batch = riql.riql(SPEC, **SMALL), riql.Hyper(), next(batches())
    state = algo.init(jax.random.key(0), hyper)
    frozen = dataclasses.replace(hyper, value_lr=0.0)
    new, metrics = jax.jit(algo.update)(jax.random.key(1), frozen, state, batch)
    q = values.q(SPEC, width=16, members=5).apply(state.target["critic"], batch.obs, batch.action)
    gap = jnp.quantile(q, 0.25, axis=0) - values.v(SPEC, width=16).apply(state.params["value"], batch.obs)
    action = algo.policy(hyper, state).act(jax.random.key(0), first_steps(batch.obs), ())[0]
    loss = jnp.minimum(jnp.exp(3 * gap), 100) * jnp.square(action - batch.action).sum(-1)
    np.testing.assert_allclose(metrics["actor"]["loss"], loss.mean(), rtol=1e-5)
    assert algo.policy(hyper, state).log_prob is None
    assert_differ(new.params["actor"], state.params["actor"])


def test_the_huber_estimate_of_a_heavy_tailed_mean_is_nearer_than_the_average():
    """Student's t with 1.5 degrees of freedom, 64 samples, 200 trials; a sign test at the level 0.01."""
    samples = np.random.default_rng(0).standard_t(1.5, (200, 64)).astype(np.float32)
    loss = lambda centre, x: riql.scaled_huber(riql.Hyper(sigma=1.0), (centre - x)[None]).mean()

    def fitted(x):
        step = lambda i, centre: centre - 0.5 * jax.grad(loss)(centre, x)
        return jax.lax.fori_loop(0, 200, step, jnp.median(x))

    wins = int((np.abs(jax.jit(jax.vmap(fitted))(samples)) < np.abs(samples.mean(1))).sum())
    assert wins > 117, "116.5 wins of 200 have a chance of 0.01 where both are equally good"


@pytest.mark.parametrize("kind", corruption.KINDS)
def test_corruption_changes_its_share_of_one_field_within_its_range(kind):
    steps = steps_of(3, rows=1_000)
    data = Dataset(steps, jnp.arange(1_000) // 10 * 10 + 9)
    got = variants.changed(data, f"{kind}:0.3")
    assert_same(got, variants.changed(data, f"{kind}:0.3"), rtol=0, atol=0)
    field = kind.removeprefix("corrupt_").replace("dynamics", "next_obs")
    for name in steps._fields[:-1]:
        if name not in (field, "next_action" if field == "action" else field):
            assert (getattr(got.steps, name) == getattr(steps, name)).all(), name
    was, now = (np.asarray(getattr(x, field)).reshape(1_000, -1) for x in (steps, got.steps))
    assert (was != now).any(-1).sum() == 300
    reach = 30.0 if kind == "corrupt_reward" else was.std(0) * (1 + 1e-5)
    size = np.abs(now - was)
    assert (size <= reach).all() and (size.max(0) > (0.6 if field == "action" else 0.9) * reach).all()
    following = np.minimum(np.arange(1_000) + 1, np.asarray(data.last))
    if field == "action":
        assert (np.abs(now) <= 1).all() and (np.asarray(got.steps.next_action) == now[following]).all()


def test_discrete_actions_are_not_moved():
    steps = steps_of(0)._replace(action=jnp.zeros(60, jnp.int32))
    with pytest.raises(InputError, match="discrete"):
        variants.changed(Dataset(steps, jnp.full(60, 59)), "corrupt_action:0.3")


def a2pr_parts(clone_weight=1.0, detach=True, value=0.0):
    """(loss of A2PR's cloning term as a function of the actor's action, its inputs): Q is the sum of the action, V and
    the autoencoder's output are set by hand."""
    v = Network(lambda key: (), lambda params, obs: jnp.full(len(obs), value))
    encode = lambda params, obs, action: (action, jnp.full(action.shape, -jnp.inf))
    vae = Autoencoder(None, encode, lambda params, obs, code: 0.5 * code)
    term = a2pr.guided(v, vae, detach)
    state = Learned({"value": (), "vae": ()}, {}, {}, 0)
    q_fn = lambda obs, action, members=None: action.sum(-1)[None]

    def loss(action, logged):
        batch = steps_of(0, rows=len(action))._replace(action=logged)
        numbers = a2pr.Hyper(clone_weight=clone_weight)
        around = {"batch": batch, "state": state, "key": jax.random.key(0), "hyper": numbers}
        return term(View(obs=batch.obs, action=action, q_fn=q_fn, **around))

    return loss


def test_a2pr_clones_the_better_of_the_logged_and_the_rebuilt_action():
    """The autoencoder halves the action: 0.6 -> 0.3, against a logged 0.1, 0.5 and -0.5."""
    loss, action = a2pr_parts(), jnp.full((3, 2), 0.6)
    logged = jnp.array([[0.1, 0.1], [0.5, 0.5], [-0.5, -0.5]])
    np.testing.assert_allclose(loss(action, logged), [0.09, 0.01, 0.09], rtol=1e-5)
    np.testing.assert_allclose(a2pr_parts(clone_weight=0.4)(action, logged), [0.036, 0.004, 0.036], rtol=1e-5)


def test_a2pr_clones_nothing_where_both_are_worse_than_the_state():
    action, logged = jnp.full((2, 2), -0.6), jnp.array([[-0.1, -0.1], [0.2, 0.2]])
    slope = jax.grad(lambda action: a2pr_parts()(action, logged).sum())(action)
    np.testing.assert_allclose(slope, [[0.0, 0.0], [-0.8, -0.8]], rtol=1e-5)  # 2 (-0.6 - 0.2) / 2
    slope = jax.grad(lambda action: a2pr_parts(value=5.0)(action, logged).sum())(action)
    np.testing.assert_array_equal(slope, 0.0)


def test_a2pr_may_pass_a_gradient_through_the_cloned_action():
    """(a - a / 2)^2 / 2 in each dimension: slope a - a / 2 where the target is a constant, half of that where not."""
    action, logged = jnp.full((1, 2), 0.6), jnp.full((1, 2), -0.5)
    slopes = [jax.grad(lambda a, d=d: a2pr_parts(detach=d)(a, logged).sum())(action) for d in (True, False)]
    np.testing.assert_allclose(slopes[0], 0.3, rtol=1e-5)
    np.testing.assert_allclose(slopes[1], 0.15, rtol=1e-5)


def test_a2pr_s_value_fits_the_smaller_of_two_targets_and_its_autoencoder_counts_good_actions_only():
    algo, hyper, batch = a2pr.a2pr(SPEC, vae_width=16, **SMALL), a2pr.Hyper(smooth_noise=0.0), next(batches())
    hyper = dataclasses.replace(hyper, critic_lr=0.0, actor_lr=0.0, value_lr=0.0)
    state = algo.init(jax.random.key(0), hyper)
    moved = jax.tree.map(lambda x: 1.3 * x, state.params["critic"])
    state = state._replace(target={**state.target, "critic": moved})
    metrics = jax.jit(algo.update)(jax.random.key(1), hyper, state, batch)[1]
    q, v = values.q(SPEC, width=16), values.v(SPEC, width=16).apply(state.params["value"], batch.obs)
    action = algo.policy(hyper, state).act(jax.random.key(0), first_steps(batch.next_obs), ())[0]
    ahead = jnp.minimum(*(q.apply(p, batch.next_obs, action).min(0) for p in (moved, state.params["critic"])))
    target = batch.reward + 0.99 * (1 - batch.terminated) * ahead
    np.testing.assert_allclose(metrics["value"]["loss"], jnp.square(v - target).mean(), rtol=1e-4)
    better = q.apply(state.params["critic"], batch.obs, batch.action)[0] > v
    np.testing.assert_allclose(metrics["vae"]["kept"], better.mean())


def test_a_code_s_divergence_is_that_of_two_gaussians():
    vae = action_vae(SPEC, width=8)
    fixed = vae._replace(encode=lambda *x: (jnp.array([[1.0, 0.0]]), jnp.log(jnp.array([[1.0, 2.0]]))))
    params = vae.init(jax.random.key(0))
    fixed = fixed._replace(decode=lambda params, obs, code: code)
    code, divergence = fixed.rebuild(params, jax.random.key(1), None, None)
    np.testing.assert_allclose(divergence, [[0.5, 1.5 - np.log(2)]], rtol=1e-6)
    noise = jax.random.normal(jax.random.key(1), (1, 2))
    np.testing.assert_allclose(code, jnp.array([[1.0, 0.0]]) + jnp.array([[1.0, 2.0]]) * noise, rtol=1e-6)
