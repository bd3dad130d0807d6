"""Off-policy actor-critics for continuous actions: reductions of one to another, and their straight-line forms."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.offline import sac_n, td3_bc
from jaxrl.algorithms.online import crossq, ddpg, mdpo_off_policy, redq, sac, td3
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import View, actor_critic
from jaxrl.compose.learn import part_key
from jaxrl.compose.repeat import repeat
from jaxrl.core.check import InputError
from jaxrl.networks import batch_norm
from tests.contract.made_up import batch_of, close, same, spec_of
from tests.equivalence.test_reductions import adam, assert_near, mlp, q_values, zeros

SPEC = spec_of("continuous")
SMALL = {"width": 16, "depth": 2}


def train(algo, hyper, updates=4, rows=8, state=None):
    """The state after updates on batches of their own."""
    state = jax.jit(algo.init)(jax.random.key(0), hyper) if state is None else state
    update = jax.jit(algo.update)
    for i in range(updates):
        state, _ = update(jax.random.key(10 + i), hyper, state, batch_of(SPEC, seed=i, rows=rows))
    return state


def assert_same(a, b, parts=("actor", "critic")):
    for name in parts:
        assert close(a.params[name], b.params[name], rtol=2e-6, atol=1e-8), name


@pytest.mark.slow
def test_redq_with_two_critics_both_counted_and_one_update_is_sac():
    """But for the actor, which follows the mean of the critics and not the smaller."""
    one = redq.redq(SPEC, critics=2, subset=2, repeat=1, **SMALL)
    recipe = sac.RECIPE._replace(actor=(terms.maximise_mean_q, terms.entropy_cost))
    mean = sac.soft_actor_critic(SPEC, recipe, critics=2, **SMALL)
    assert_same(train(one, redq.Hyper()), train(mean, sac.Hyper()), ("actor", "critic", "temperature"))
    single = redq.redq(SPEC, critics=1, subset=1, repeat=1, **SMALL)
    assert_same(train(single, redq.Hyper()), train(sac.sac(SPEC, critics=1, **SMALL), sac.Hyper()))
    frozen = sac.Hyper(actor_lr=0.0)
    assert_same(train(one, frozen), train(sac.sac(SPEC, **SMALL), frozen))
    other = redq.redq(SPEC, critics=4, subset=2, repeat=1, **SMALL)
    more = redq.redq(SPEC, critics=4, subset=4, repeat=1, **SMALL)
    assert not same(train(other, redq.Hyper()).params, train(more, redq.Hyper()).params)


def test_redqs_targets_are_of_a_subset_that_changes_and_is_fair():
    """Critics that say their own number: the smallest of two of five, as often as chance has it."""
    algo = redq.redq(SPEC, critics=5, repeat=1, width=4, depth=1)
    state = algo.init(jax.random.key(0), redq.Hyper())

    def smallest(key):
        said = lambda obs, action, members: jnp.broadcast_to(members[:, None] * 1.0, (len(members), 3))
        return terms.smallest_of(View(q_fn=said, state=state, key=key), subset=2)

    seen = jax.vmap(smallest)(jax.random.split(jax.random.key(1), 4000))
    assert bool((seen == seen[:, :1]).all()), "one subset for the whole batch"
    share = np.bincount(np.asarray(seen[:, 0]).astype(int), minlength=5) / 4000
    np.testing.assert_allclose(share, [0.4, 0.3, 0.2, 0.1, 0.0], atol=0.03)


@pytest.mark.slow
def test_redqs_actor_moves_once_in_a_call_and_its_targets_with_every_update():
    hyper = redq.Hyper()
    algo = redq.redq(SPEC, critics=3, repeat=4, **SMALL)
    once = redq.redq(SPEC, critics=3, repeat=1, **SMALL)
    start = jax.jit(algo.init)(jax.random.key(0), hyper)
    batch, update = batch_of(SPEC, rows=16), jax.jit(once.update)
    after, metrics = jax.jit(algo.update)(jax.random.key(5), hyper, start, batch)
    assert int(after.step) == 4 and all(bool(jnp.isfinite(x)) for x in jax.tree.leaves(metrics))
    # Adam's first step is the step size whatever the gradient.
    moved = jnp.abs(after.params["actor"]["Dense_0"]["kernel"] - start.params["actor"]["Dense_0"]["kernel"])
    assert float(moved.max()) == pytest.approx(3e-4, rel=1e-3)
    still, state = redq.Hyper(actor_lr=0.0, temperature_lr=0.0), start
    for i in range(4):
        part = jax.tree.map(lambda x, i=i: x[4 * i : 4 * i + 4], batch)
        state, _ = update(jax.random.fold_in(jax.random.key(5), i), still, state, part)
    assert close(after.target["critic"], state.target["critic"], rtol=2e-6, atol=1e-8)


@pytest.mark.slow
def test_repeating_once_is_nothing_and_more_is_as_many_calls():
    hyper = td3.Hyper()
    algo = td3.td3(SPEC, **SMALL)
    assert repeat(algo, 1) is algo
    batch, key, update = batch_of(SPEC, rows=12), jax.random.key(3), jax.jit(algo.update)
    state = jax.jit(algo.init)(jax.random.key(0), hyper)
    many, metrics = jax.jit(repeat(algo, 3).update)(key, hyper, state, batch)
    losses = []
    for i in range(3):
        part = jax.tree.map(lambda x, i=i: x[4 * i : 4 * i + 4], batch)
        state, seen = update(jax.random.fold_in(key, i), hyper, state, part)
        losses.append(seen)
    assert close(many.params, state.params, rtol=1e-4, atol=1e-7) and int(many.step) == 3
    critic = np.mean([one["critic"]["loss"] for one in losses])
    assert float(metrics["critic"]["loss"]) == pytest.approx(critic, rel=1e-5)
    assert float(metrics["actor"]["loss"]) == pytest.approx(float(losses[1]["actor"]["loss"]), rel=1e-5)
    with pytest.raises(InputError, match="12 does not divide into 5"):
        repeat(algo, 5).update(key, hyper, state, batch)
    with pytest.raises(InputError, match="repeat is 0"):
        repeat(algo, 0)


def test_repeating_keeps_every_rows_priority():
    told = td3.td3(SPEC, **SMALL)._replace(update=lambda k, h, s, b: (s, {"priority": b.reward, "n": b.reward.sum()}))
    batch = batch_of(SPEC, rows=12)
    _, metrics = repeat(told, 3).update(jax.random.key(0), td3.Hyper(), jnp.zeros(()), batch)
    assert same(metrics["priority"], batch.reward) and metrics["n"].shape == ()


@pytest.mark.slow
def test_ddpg_is_td3_with_one_critic_no_smoothing_and_no_delay():
    parent = train(ddpg.ddpg(SPEC, **SMALL), ddpg.Hyper())
    plain = td3.Hyper(smooth_noise=0.0)
    assert_same(train(td3.td3(SPEC, critics=1, delay=1, **SMALL), plain), parent)
    assert not same(train(td3.td3(SPEC, critics=1, delay=1, **SMALL), td3.Hyper()).params, parent.params)
    assert not same(train(td3.td3(SPEC, critics=1, delay=2, **SMALL), plain).params, parent.params)


def test_td3_bc_without_cloning_at_a_fixed_unit_is_td3():
    recipe = td3_bc.RECIPE._replace(actor=td3.RECIPE.actor)
    assert_same(train(actor_critic(SPEC, recipe, **SMALL), td3_bc.Hyper()), train(td3.td3(SPEC, **SMALL), td3.Hyper()))


@pytest.mark.slow
def test_sac_n_is_sac_with_n_critics_and_its_own_start():
    state = sac_n.sac_n(SPEC, critics=4, **SMALL).init(jax.random.key(0), sac_n.Hyper())
    ours = train(sac_n.sac_n(SPEC, critics=4, **SMALL), sac_n.Hyper(), state=state)
    assert_same(train(sac.sac(SPEC, critics=4, **SMALL), sac.Hyper(), state=state), ours)


@pytest.mark.slow
@pytest.mark.parametrize("copy_every", [1, 3, 1000])
def test_mdpo_at_its_limit_is_sac_at_a_fixed_temperature_whatever_the_old_policy(copy_every):
    limit = mdpo_off_policy.Hyper(nearness=0.2, entropy_weight=0.2)
    fixed = sac.Hyper(temperature_lr=0.0)
    ours = mdpo_off_policy.mdpo_off_policy(SPEC, copy_every=copy_every, **SMALL)
    theirs = sac.sac(SPEC, **SMALL)
    start = theirs.init(jax.random.key(0), fixed)
    start = start._replace(params={**start.params, "temperature": jnp.log(0.2)})
    old = ours.init(jax.random.key(9), limit).params["actor"]
    mine = ours.init(jax.random.key(0), limit)
    mine = mine._replace(target={**mine.target, "actor": old})
    for name in ("actor", "critic"):
        assert same(mine.params[name], start.params[name])
    assert_same(train(ours, limit, state=mine), train(theirs, fixed, state=start))
    away = mdpo_off_policy.Hyper()
    assert not same(train(ours, away, state=mine).params["actor"], train(theirs, fixed, state=start).params["actor"])


def test_mdpos_old_policy_is_renewed_every_so_many_updates():
    algo = mdpo_off_policy.mdpo_off_policy(SPEC, copy_every=3, **SMALL)
    hyper = mdpo_off_policy.Hyper()
    states = [train(algo, hyper, updates=n) for n in range(7)]
    old, now = ([s.target["actor"] for s in states], [s.params["actor"] for s in states])
    assert same(old[2], now[0]) and same(old[3], now[3]) and same(old[5], now[3]) and same(old[6], now[6])


def test_mdpos_actor_loss_by_hand_numbers():
    """log pi = 2 and -1, log pi_old = 1 and 3, 1/t = 1, lambda = 0.25: 2 - 0.75 and -1 - 2.25."""
    hyper = SimpleNamespace(nearness=1.0, entropy_weight=0.25)
    old = lambda obs, action: jnp.array([1.0, 3.0])
    v = View(log_prob=jnp.array([2.0, -1.0]), old_density=old, hyper=hyper)
    np.testing.assert_allclose(terms.stay_near_old(v), [1.25, -3.25])
    np.testing.assert_allclose(terms.set_entropy_bonus(v), [-0.5, 0.25])


def squashed(params, key, obs):
    mean, log_std = jnp.split(mlp(params, obs), 2, -1)
    log_std = jnp.clip(log_std, -5, 2)
    z = jax.random.normal(key, mean.shape)
    raw = mean + jnp.exp(log_std) * z
    log_prob = -0.5 * z**2 - log_std - 0.5 * jnp.log(2 * jnp.pi) - jnp.log(1 - jnp.tanh(raw) ** 2)
    return jnp.tanh(raw), log_prob.sum(-1)


def test_sac_is_its_straight_line_form():
    """One update of critics and targets, actor, temperature, written out; the draws are found by their keys."""
    hyper, batch, key = sac.Hyper(), batch_of(SPEC), jax.random.key(7)
    algo = sac.sac(SPEC, **SMALL)
    state = jax.jit(algo.init)(jax.random.key(0), hyper)
    state = state._replace(params={**state.params, "temperature": jnp.float32(-1.0)})
    new, _ = jax.jit(algo.update)(key, hyper, state, batch)
    parts = ("critic", "actor", "temperature")
    k_ahead = jax.random.split(jax.random.split(part_key(key, parts, "critic"), 3)[0])[0]
    ahead, log_ahead = squashed(state.params["actor"], k_ahead, batch.next_obs)
    value = q_values(state.target["critic"], batch.next_obs, ahead).min(0) - jnp.exp(-1.0) * log_ahead
    target = batch.reward + 0.99 * (1 - batch.terminated) * value
    loss = lambda c: jnp.square(q_values(c, batch.obs, batch.action) - target[None]).sum(0).mean()
    critic = state.params["critic"]
    critic, _ = adam(critic, jax.grad(loss)(critic), zeros(critic), 1)

    def actor_loss(params):
        here, log_prob = squashed(params, jax.random.split(part_key(key, parts, "actor"))[0], batch.obs)
        return (jnp.exp(-1.0) * log_prob - q_values(critic, batch.obs, here).min(0)).mean()

    actor = state.params["actor"]
    actor, _ = adam(actor, jax.grad(actor_loss)(actor), zeros(actor), 1)
    _, log_prob = squashed(actor, part_key(key, parts, "temperature"), batch.obs)
    temperature = -1.0 + 3e-4 * jnp.sign(log_prob.mean() - 2)
    assert_near(new.params["critic"], critic)
    assert_near(new.params["actor"], actor)
    np.testing.assert_allclose(new.params["temperature"], temperature, rtol=1e-5)
    assert_near(new.target["critic"], jax.tree.map(lambda t, p: 0.995 * t + 0.005 * p, state.target["critic"], critic))


def normalise(layer, norm, x, mean, variance):
    """Batch normalisation and a dense layer, one after the other, as they are usually written."""
    centred = (x - mean[None]) / jnp.sqrt(variance + 1e-3)[None]
    return (centred * norm["scale"][None] + norm["shift"][None]) @ layer["kernel"] + layer["bias"][None]


def normalised_mlp(params, x, statistics=None):
    """Output, and the mean and variance of every layer's inputs; by the batch's statistics where none are given."""
    weights, seen = params["weights"], {}
    for i in range(3):
        name = f"Dense_{i}"
        x = jax.nn.relu(x) if i else x
        own = {"mean": x.mean(0), "variance": x.var(0)}
        seen[name] = own
        used = statistics[name] if statistics else own
        x = normalise(weights["layers"][name], weights["norms"][name], x, **used)
    return x, seen


@pytest.mark.slow
def test_crossqs_critic_update_is_its_straight_line_form():
    """One batch of present and next pairs, normalised together; averages move by 1 - 0.99; Adam with beta_1 = 1/2."""
    hyper, batch, key = crossq.Hyper(), batch_of(SPEC, rows=16), jax.random.key(7)
    algo = crossq.crossq(SPEC, wider=2, **SMALL)
    state = train(algo, hyper, updates=4, rows=16)
    new, _ = jax.jit(algo.update)(key, hyper, state, batch)
    actor, critic = state.params["actor"], state.params["critic"]
    k_ahead = part_key(key, ("critic", "actor", "temperature"), "critic")
    mean, log_std = jnp.split(normalised_mlp(actor, batch.next_obs, actor["averages"])[0], 2, -1)
    z = jax.random.normal(k_ahead, mean.shape)
    raw = mean + jnp.exp(jnp.clip(log_std, -5, 2)) * z
    ahead = jnp.tanh(raw)
    slope = 2 * (jnp.log(2.0) - raw - jax.nn.softplus(-2 * raw))  # log(1 - tanh²), exact where it is nearly 0
    log_prob = (-0.5 * z**2 - log_std - 0.5 * jnp.log(2 * jnp.pi) - slope).sum(-1)
    pairs = jnp.concatenate(
        [jnp.concatenate([batch.obs, batch.action], -1), jnp.concatenate([batch.next_obs, ahead], -1)]
    )

    def loss(weights):
        q, seen = jax.vmap(lambda w: normalised_mlp({"weights": w}, pairs))(weights)
        now, later = jnp.split(q[..., 0], 2, axis=1)
        value = later.min(0) - jnp.exp(state.params["temperature"]) * log_prob
        target = jax.lax.stop_gradient(batch.reward + 0.99 * (1 - batch.terminated) * value)
        return jnp.square(now - target[None]).sum(0).mean(), seen

    grads, seen = jax.grad(loss, has_aux=True)(critic["weights"])
    moments = state.opt["critic"][0]
    m = jax.tree.map(lambda a, g: 0.5 * a + 0.5 * g, moments.mu, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, moments.nu, grads)
    step = lambda p, a, b: p - 1e-3 * (a / (1 - 0.5**5)) / (jnp.sqrt(b / (1 - 0.999**5)) + 1e-8)
    weights = jax.tree.map(step, critic["weights"], m, v)
    averages = jax.tree.map(lambda a, b: 0.99 * a + 0.01 * b, critic["averages"], seen)
    assert close(new.params["critic"]["averages"], averages, rtol=1e-4, atol=1e-6)
    assert close(new.opt["critic"][0].mu, m, rtol=1e-3, atol=1e-5)
    assert close(new.params["critic"]["weights"], weights, rtol=1e-3, atol=1e-4)
    assert "critic" not in new.target and "actor" not in new.target


def test_normalised_layers_are_what_they_stand_for():
    """Folded into plain layers, by the batch's statistics and by the averages; shape and spread of their outputs."""
    net = batch_norm.normalised(4, (6, 5), 2)
    params = net.init(jax.random.key(0))
    draw = lambda i, like: jax.random.normal(jax.random.key(i), like.shape) * 0.3 + 1
    params = jax.tree.map(lambda x: draw(1, x) ** 2, params)
    x = 3 + 2 * jax.random.normal(jax.random.key(2), (32, 4))
    layers, drift = net.fresh(params, x, 0.0)
    wanted, seen = normalised_mlp(params, x)
    assert close(net.plain.apply(layers, x), wanted, rtol=1e-4, atol=1e-4)
    settled = normalised_mlp(params, x, params["averages"])[0]
    assert close(net.plain.apply(net.settled(params), x), settled, rtol=1e-4, atol=1e-4)
    gaps = jax.tree.map(lambda a, b: jnp.square(a - b).sum(), params["averages"], seen)
    assert float(drift) == pytest.approx(0.5 * sum(map(float, jax.tree.leaves(gaps))), rel=1e-4)


def test_after_the_warm_up_a_batch_is_normalised_as_the_averages_say_within_limits():
    """Correction (arXiv:1702.03275): near the averages both agree; far from them it stops at 3 and 5."""
    average = {"mean": jnp.array([1.0, 0.0, 0.0]), "variance": jnp.array([4.0, 1.0, 1.0])}
    mean, variance = jnp.array([2.0, 100.0, 0.0]), jnp.array([1.0, 1.0, 400.0])
    x = jnp.array([3.0, 103.0, 20.0])
    slope, offset = batch_norm.affine(mean, variance, *batch_norm.correction(mean, variance, average, 1.0))
    np.testing.assert_allclose(x * slope + offset, [1.0, 8.0, 3.0], rtol=1e-3)
    slope, offset = batch_norm.affine(mean, variance, *batch_norm.correction(mean, variance, average, 0.0))
    np.testing.assert_allclose(x * slope + offset, [1.0, 3.0, 1.0], rtol=1e-3)


def test_every_card_names_its_paper_and_its_departures():
    for module in (sac, td3, ddpg, redq, crossq, mdpo_off_policy):
        assert "Departures" in module.__doc__ and module.PAPER.id.removeprefix("arXiv:") in module.__doc__
