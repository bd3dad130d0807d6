"""Learners of action values: each variant at its neutral setting is its parent, and DQN and PQN written out."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.online import c51, double_dqn, dqn, dueling_dqn, pqn, prioritised_dqn, qr_dqn
from jaxrl.compose import q_terms
from jaxrl.compose.q_learning import q_learning
from jaxrl.core.types import Spec, Transition
from jaxrl.losses.value import atoms
from jaxrl.networks import critics
from jaxrl.registry import card

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = Spec("made up", 3, 4, 10, discrete=True)
SMALL = {"width": 16, "depth": 2}


def batch_of(seed, *shape):
    """Random steps with leading axes `shape`; some terminate, some are cut."""
    keys = jax.random.split(jax.random.key(seed), 5)
    draw = lambda i, *axes: jax.random.normal(keys[i], (*shape, *axes))
    flags = [(jax.random.uniform(k, shape) < 0.25).astype(jnp.float32) for k in keys[3:]]
    action = jax.random.randint(keys[2], shape, 0, SPEC.action, jnp.int32)
    return Transition(draw(0, 3), action, draw(2), draw(1, 3), action, flags[0], flags[1], jnp.ones(shape))


def train(algo, hyper, updates=4, shape=(8,), change=lambda batch: batch):
    state = algo.init(jax.random.key(0), hyper)
    update = jax.jit(algo.update)
    for i in range(updates):
        state, _ = update(jax.random.key(10 + i), hyper, state, change(batch_of(i, *shape)))
    return state


def assert_same(a, b, **tolerance):
    tolerance = {"rtol": 2e-6, "atol": 1e-8, **tolerance}
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)


def differ(a, b):
    return any(bool((x != y).any()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_double_is_plain_while_the_copy_is_the_network():
    """With a copy at every update the two choose alike; with one every third they do not."""
    plain, double = (train(make(SPEC, copy_every=1, **SMALL), dqn.Hyper()) for make in (dqn.dqn, double_dqn.double_dqn))
    assert_same(plain.params, double.params)
    hyper = dqn.Hyper(critic_lr=0.1)
    plain, double = (train(make(SPEC, copy_every=3, **SMALL), hyper) for make in (dqn.dqn, double_dqn.double_dqn))
    assert differ(plain.params, double.params)


def test_dueling_and_prioritised_are_double_but_for_the_network_and_the_draws():
    plain = q_learning(SPEC, dueling_dqn.RECIPE._replace(network=critics.table), copy_every=2, **SMALL)
    double = train(double_dqn.double_dqn(SPEC, copy_every=2, **SMALL), dqn.Hyper())
    assert_same(train(plain, dqn.Hyper()), double)
    assert_same(train(prioritised_dqn.prioritised_dqn(SPEC, copy_every=2, **SMALL), dqn.Hyper()), double)


@pytest.mark.parametrize("make", [dqn.dqn, double_dqn.double_dqn, c51.c51, qr_dqn.qr_dqn], ids=lambda f: f.__name__)
def test_windows_of_one_are_single_steps(make):
    hyper = card(make.__name__).hyper()
    one = train(make(SPEC, copy_every=2, **SMALL), hyper, change=lambda b: jax.tree.map(lambda x: x[:, None], b))
    assert_same(one, train(make(SPEC, copy_every=2, **SMALL), hyper))


def test_three_steps_are_one_where_the_episode_ends_at_once():
    over = lambda batch: batch._replace(terminated=jnp.ones(8))
    repeat = lambda batch: jax.tree.map(lambda x: jnp.stack([x] * 3, 1), over(batch))
    algo = dqn.dqn(SPEC, **SMALL)
    assert_same(train(algo, dqn.Hyper(), change=repeat), train(algo, dqn.Hyper(), change=over))
    assert differ(train(algo, dqn.Hyper(), shape=(8, 3)).params, train(algo, dqn.Hyper()).params)


def test_qr_dqn_with_one_quantile_is_dqn_at_half_the_loss():
    recipe = dqn.RECIPE._replace(loss=lambda h, q, target: 0.5 * q_terms.clipped_error(h, q, target))
    parent = train(q_learning(SPEC, recipe, copy_every=2, **SMALL), dqn.Hyper(error_clip=1.0))
    child = train(
        qr_dqn.qr_dqn(SPEC, quantiles=1, copy_every=2, **SMALL), qr_dqn.Hyper(critic_lr=dqn.Hyper().critic_lr)
    )
    assert_same(child.params, parent.params)


def test_the_mean_of_a_projected_target_is_the_target_of_the_means():
    """As long as all of it lies between the ends."""
    hyper = c51.Hyper(low=-20.0, high=30.0)
    logits = jax.random.normal(jax.random.key(0), (9, 51)) * 3
    reward, factor = jnp.linspace(-1, 1, 9), jnp.linspace(0, 0.9, 9)
    got = (q_terms.projected(hyper, reward, factor, logits) * atoms(hyper.low, hyper.high, 51)[None]).sum(-1)
    np.testing.assert_allclose(
        got, q_terms.backed_up(hyper, reward, factor, q_terms.expected(hyper, logits)), atol=2e-4
    )


def dense(layer, x):
    return x @ layer["kernel"] + layer["bias"][None]


def mlp(params, x):
    for i in range(2):
        x = jax.nn.relu(dense(params[f"Dense_{i}"], x))
    return dense(params["Dense_2"], x)


@pytest.mark.parametrize("double", [False, True])
def test_dqn_is_its_straight_line_form(double):
    """Five updates with a copy every second, three-step targets, clipped errors and Adam, written out."""
    hyper = dqn.Hyper(critic_lr=1e-2, error_clip=0.7, discount=0.9)
    make = double_dqn.double_dqn if double else dqn.dqn
    got = train(make(SPEC, copy_every=2, **SMALL), hyper, updates=5, shape=(8, 3))
    online = target = make(SPEC, **SMALL).init(jax.random.key(0), hyper).params["critic"]
    moments = [jax.tree.map(jnp.zeros_like, online)] * 2
    for count in range(1, 6):
        batch = batch_of(count - 1, 8, 3)
        wanted = []
        for row in range(8):
            total, power = 0.0, 1.0
            for step in range(3):
                total, power = total + power * float(batch.reward[row, step]), 0.9 * power
                if batch.terminated[row, step] or batch.truncated[row, step]:
                    break
            next_obs = batch.next_obs[row, step][None]
            ahead = mlp(target, next_obs)[0]
            chosen = int((mlp(online, next_obs)[0] if double else ahead).argmax())
            wanted.append(total + power * float(ahead[chosen]) * (1 - float(batch.terminated[row, step])))

        def loss(params, batch=batch, wanted=tuple(wanted)):
            error = mlp(params, batch.obs[:, 0])[jnp.arange(8), batch.action[:, 0]] - jnp.array(wanted)
            size = jnp.abs(error)
            return jnp.where(size < 0.7, 0.5 * error**2, 0.7 * (size - 0.35)).mean()

        grads = jax.grad(loss)(online)
        moments = [
            jax.tree.map(lambda m, g, b=b, p=p: b * m + (1 - b) * g**p, m, grads)
            for m, b, p in zip(moments, (0.9, 0.999), (1, 2), strict=True)
        ]
        fix = 1 - 0.9**count, 1 - 0.999**count
        step = lambda p, m, v, fix=fix: p - 1e-2 * (m / fix[0]) / (jnp.sqrt(v / fix[1]) + 1e-8)
        online = jax.tree.map(step, online, *moments)
        target = online if count % 2 == 0 else target
    assert_same(got.params["critic"], online, rtol=1e-4, atol=1e-6)
    assert_same(got.target["critic"], target, rtol=1e-4, atol=1e-6)


def normed(params, x):
    for i in range(2):
        x = dense(params[f"Dense_{i}"], x)
        x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)
        x = jax.nn.relu(x * params[f"LayerNorm_{i}"]["scale"][None] + params[f"LayerNorm_{i}"]["bias"][None])
    return dense(params["Dense_2"], x)


def walked(seed, length=6, envs=2):
    """A rollout: what follows a step is the next one's start, but where the episode is over."""
    batch = batch_of(seed, length, envs)
    over = jnp.maximum(batch.terminated, batch.truncated)[:-1, :, None]
    ahead = jnp.where(over > 0, batch.next_obs[:-1], batch.obs[1:])
    return batch._replace(next_obs=jnp.concatenate([ahead, batch.next_obs[-1:]]))


@functools.cache
def pqn_after(trace):
    """(first parameters, state, loss) of one full-batch update of PQN."""
    hyper = pqn.Hyper(trace=trace, critic_lr=1e-2, gradient_clip=1e6)
    algo = pqn.pqn(SPEC, passes=1, minibatches=1, **SMALL)
    state = algo.init(jax.random.key(0), hyper)
    new, metrics = algo.update(jax.random.key(1), hyper, state, walked(5))
    return state.params["critic"], new, float(metrics["critic"]["loss"])


def targets(params, batch, trace, discount=0.99, scale=0.1):
    """Q(lambda) going backward: a mixture of the largest next value and of what follows."""
    length, envs = batch.reward.shape
    result = np.zeros((length, envs))
    for env in range(envs):
        for t in reversed(range(length)):
            best = float(normed(params, batch.next_obs[t, env][None]).max())
            cut = batch.truncated[t, env] or batch.terminated[t, env] or t == length - 1
            ahead = best if cut else (1 - trace) * best + trace * result[t + 1, env]
            live = 1 - float(batch.terminated[t, env])
            result[t, env] = scale * float(batch.reward[t, env]) + discount * live * ahead
    return jnp.asarray(result)


@pytest.mark.parametrize("trace", [0.0, 0.65, 1.0])
def test_pqn_is_its_straight_line_form(trace):
    """Targets, loss and the first step of RAdam, which is the plain gradient's. Without a trace: one-step targets."""
    params, new, loss = pqn_after(trace)
    batch = walked(5)
    wanted = targets(params, batch, trace).reshape(-1)
    obs, action = batch.obs.reshape(-1, 3), batch.action.reshape(-1)
    if trace == 0:
        best = normed(params, batch.next_obs.reshape(-1, 3)).max(-1)
        plain = 0.1 * batch.reward.reshape(-1) + 0.99 * (1 - batch.terminated.reshape(-1)) * best
        np.testing.assert_allclose(wanted, plain, rtol=1e-5, atol=1e-6)
    objective = lambda p: 0.5 * jnp.square(normed(p, obs)[jnp.arange(len(action)), action] - wanted).mean()
    assert loss == pytest.approx(float(objective(params)), rel=1e-5)
    grads = jax.grad(objective)(params)
    assert_same(new.params["critic"], jax.tree.map(lambda p, g: p - 1e-2 * g, params, grads), rtol=1e-4, atol=1e-6)


def test_pqn_clips_the_gradient_and_its_step_size_fades():
    batch = walked(5)
    algo = pqn.pqn(SPEC, passes=2, minibatches=3, **SMALL)
    hyper = pqn.Hyper(critic_lr=1e-2, decay_updates=2.0)
    state = algo.init(jax.random.key(0), hyper)
    once, _ = algo.update(jax.random.key(1), hyper, state, batch)
    twice, _ = algo.update(jax.random.key(2), hyper, once, batch)
    last, _ = algo.update(jax.random.key(3), hyper, twice, batch)
    assert differ(once.params, twice.params) and not differ(twice.params, last.params)
    assert int(last.step) == 3 * 6
    clipped = dataclasses.replace(hyper, gradient_clip=1e-3)
    single = pqn.pqn(SPEC, passes=1, minibatches=1, **SMALL)
    short, _ = single.update(jax.random.key(1), clipped, state, batch)
    moved = jax.tree.map(lambda a, b: jnp.square(a - b).sum(), short.params, state.params)
    assert float(sum(jax.tree.leaves(moved))) ** 0.5 == pytest.approx(1e-2 * 1e-3, rel=1e-2)
