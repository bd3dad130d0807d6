"""Sequence models: windows by hand, causality, padding that does not matter, memory that equals the window."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.sequence import ad, dpt, dt
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Spec, Timestep
from jaxrl.data import hindsight
from jaxrl.data import subsequences as windows
from jaxrl.data.dataset import check, from_arrays
from jaxrl.envs import bandits
from jaxrl.networks import transformer
from jaxrl.sources.contexts import contexts
from jaxrl.sources.subsequences import subsequences
from tests import made

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPECS = {
    "continuous": Spec("made up", 3, 2, 10, False, (-1.0, -1.0), (1.0, 1.0)),
    "discrete": Spec("made up", 3, 2, 10, True),
}
SMALL = {"width": 8, "blocks": 1, "heads": 2}
WINDOW = 4


@functools.cache
def logged(kind="continuous") -> Dataset:
    """Three episodes of five steps."""
    spec = SPECS[kind]
    return from_arrays(made.arrays(3, 5, spec.obs, spec.action, spec.discrete))


def batch_of(kind="continuous", rows=16):
    source = subsequences(logged(kind), rows, window=WINDOW)
    return jax.jit(lambda key: source.next(key, source.init(key), None)[1])(jax.random.key(1))


def test_windows_lie_in_one_episode_and_are_padded_on_the_left():
    places = windows.starting(logged(), jnp.array([0, 3, 6, 14]), WINDOW)
    np.testing.assert_array_equal(places.row, [[0, 1, 2, 3], [3, 3, 3, 4], [6, 7, 8, 9], [14, 14, 14, 14]])
    np.testing.assert_array_equal(places.valid, [[1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]])
    np.testing.assert_array_equal((places.time * places.valid)[1], [0, 0, 3, 4])
    np.testing.assert_array_equal(places.time[2], [1, 2, 3, 4])
    ending = windows.ending(logged(), jnp.array([6, 9]), WINDOW)
    np.testing.assert_array_equal(ending.row, [[5, 5, 5, 6], [6, 7, 8, 9]])
    np.testing.assert_array_equal(ending.valid, [[0, 0, 1, 1], [1, 1, 1, 1]])


def test_returns_to_go_are_sums_to_the_episodes_end():
    reward = np.asarray(logged().steps.reward).reshape(3, 5)
    by_hand = reward[:, ::-1].cumsum(1)[:, ::-1]
    np.testing.assert_allclose(windows.to_go(logged()), by_hand.reshape(-1), rtol=1e-5, atol=1e-6)


def test_weights_of_a_batch_are_those_of_a_mean_over_real_steps():
    batch = batch_of()
    valid, loss = np.asarray(batch.extras["valid"]), np.arange(64.0).reshape(16, 4)
    assert 0 < valid.mean() < 1
    np.testing.assert_allclose(np.mean(np.asarray(batch.weight) * loss), loss[valid > 0].mean(), rtol=1e-6)


@pytest.mark.parametrize("weights", [transformer.softmax_weights, transformer.rectified_weights])
def test_attention_by_hand(weights):
    module = transformer.Attention(1, weights)
    x = np.asarray(jax.random.normal(jax.random.key(0), (3, 4)))
    params = module.init(jax.random.key(1), x, jnp.tril(jnp.ones((3, 3), bool)))["params"]
    got = module.apply({"params": params}, x, jnp.tril(jnp.ones((3, 3), bool)))
    query, key, value = np.split(x @ np.asarray(params["Dense_0"]["kernel"]), 3, -1)
    rows = []
    for i in range(3):
        scores = query[i] @ key[: i + 1].T / 2.0
        soft = np.exp(scores) / np.exp(scores).sum()
        share = soft if weights is transformer.softmax_weights else np.maximum(scores, 0) / (i + 1)
        rows.append(share @ value[: i + 1])
    np.testing.assert_allclose(got, np.stack(rows) @ np.asarray(params["Dense_1"]["kernel"]), rtol=1e-5, atol=1e-6)


@functools.cache
def net(kind):
    network = transformer.steps(SPECS[kind], **SMALL)
    return jax.jit(network.apply), jax.jit(network.init)(jax.random.key(0))


def output(kind, batch, **changes):
    """What the network says of a batch, some of whose parts are changed."""
    apply, params = net(kind)
    parts = {"number": batch.extras["to_go"], "obs": batch.obs, "action": batch.action, **batch.extras, **changes}
    return apply(params, *(parts[name] for name in ("number", "obs", "action", "time", "valid")))


@pytest.mark.parametrize("kind", SPECS)
def test_what_comes_after_an_observation_does_not_change_its_action(kind):
    """The acceptance check of the specification: a_t depends on nothing after s_t, and on everything before."""
    batch = batch_of(kind)
    whole = np.flatnonzero(np.asarray(batch.extras["valid"]).all(1))
    base = output(kind, batch)
    other = 1 - batch.action[:, 1] if SPECS[kind].discrete else -batch.action[:, 1]
    later = output(
        kind,
        batch,
        number=batch.extras["to_go"].at[:, 2:].add(1.0),
        obs=batch.obs.at[:, 2:].add(1.0),
        action=batch.action.at[:, 1].set(other),
    )
    np.testing.assert_array_equal(base[:, :2], later[:, :2])
    assert (np.abs(base - later)[whole, 2:] > 1e-6).any(-1).all()
    for change in ({"number": batch.extras["to_go"].at[:, 1].add(1.0)}, {"obs": batch.obs.at[:, 0].add(1.0)}):
        assert (np.abs(base - output(kind, batch, **change))[whole, 1] > 1e-6).any(-1).all()


@pytest.mark.parametrize("kind", SPECS)
def test_what_is_padded_changes_nothing(kind):
    batch = batch_of(kind)
    padded = batch.extras["valid"] == 0
    noise = 5.0 * padded
    base = output(kind, batch)
    changed = output(kind, batch, obs=batch.obs + noise[..., None], number=batch.extras["to_go"] + 1e3 * noise)
    real = np.asarray(~padded)
    np.testing.assert_allclose(np.asarray(base)[real], np.asarray(changed)[real], rtol=1e-5, atol=1e-6)

    algo = dt.learner(SPECS[kind], window=WINDOW, **SMALL)
    state = jax.jit(algo.init)(jax.random.key(0), dt.Hyper())
    update = jax.jit(algo.update)
    losses = [
        update(jax.random.key(1), dt.Hyper(), state, one)[1]["actor"]["loss"]
        for one in (batch, batch._replace(obs=batch.obs + noise[..., None]))
    ]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-6)


@pytest.mark.parametrize("kind", SPECS)
def test_the_policy_sees_what_the_learner_saw(kind):
    """Fed an episode, the policy's memory and actions are those of the window that ends at each step."""
    spec, hyper = SPECS[kind], dt.Hyper(target_return=2.0, return_scale=0.5)
    algo = dt.learner(spec, window=WINDOW, **SMALL)
    state = jax.jit(algo.init)(jax.random.key(0), hyper)
    policy = algo.policy(hyper, state)
    act = jax.jit(policy.act)
    apply = jax.jit(transformer.steps(spec, **SMALL).apply)
    obs = jax.random.normal(jax.random.key(3), (2, 6, spec.obs))
    reward = jnp.concatenate([jnp.zeros((2, 1)), jax.random.normal(jax.random.key(4), (2, 5))], 1)
    to_go = 2.0 - jnp.cumsum(reward, 1)
    memory, actions = policy.start(), []
    for t in range(6):
        before = memory
        action, memory = act(jax.random.key(t), Timestep(obs[:, t], reward[:, t], 0.0, 0.0), memory)
        actions.append(action)
        first = max(t - WINDOW + 1, 0)
        past = jnp.stack(actions, 1)[:, first:]
        time = jnp.broadcast_to(jnp.arange(first, t + 1), (2, t + 1 - first))
        parts = 0.5 * to_go[:, first : t + 1], obs[:, first : t + 1], past, time, jnp.ones_like(time)
        logits = apply(state.params["actor"], *parts)[:, -1]
        expected = logits.argmax(-1) if spec.discrete else jnp.tanh(logits)
        np.testing.assert_allclose(action, expected, rtol=1e-5, atol=1e-6)
    alone = Timestep(obs[0, 5], reward[0, 5], 0.0, 0.0)
    action, _ = act(jax.random.key(0), alone, jax.tree.map(lambda x: x[0], before))
    np.testing.assert_allclose(action, actions[-1][0], rtol=1e-5, atol=1e-6)


def test_dropout_keeps_the_mean_and_needs_a_key():
    x = jnp.ones(20_000)
    drop = transformer.Dropper(0.25, jax.random.key(0))
    once, again = drop(x), drop(x)
    assert float((once == 0).mean()) == pytest.approx(0.25, abs=0.01)
    assert float(once.mean()) == pytest.approx(1.0, abs=0.02) and bool((once != again).any())
    assert bool((transformer.Dropper(0.25, None)(x) == x).all())


def test_the_step_size_warms_up():
    hyper = dt.Hyper(actor_lr=1.0, warmup_updates=4.0)
    np.testing.assert_allclose([dt.rate(hyper, n) for n in range(6)], [0.25, 0.5, 0.75, 1, 1, 1])


def test_a_window_of_no_steps_is_refused():
    with pytest.raises(InputError, match="window is 0"):
        subsequences(logged(), 4, window=0)


def bandit_data():
    return bandits.histories(jax.random.key(0), bandits.bandits(3, 6), bandits.spiked(3), 5)


def test_histories_are_labelled_with_the_best_arm_and_hold_one_bandit_an_episode():
    env = bandits.bandits(3, 6)
    data = check(bandit_data())
    seen = jax.jit(lambda key: bandits.played(key, env, bandits.spiked(3), 5))(jax.random.key(0))
    label = np.asarray(data.steps.extras["label"]).reshape(5, 6)
    assert (label == label[:, :1]).all() and len(np.unique(label[:, 0])) > 1
    regret, action = np.asarray(seen.regret), np.asarray(seen.action)
    assert (regret[action == label] == 0).all() and (regret[action != label] > 0).all()
    np.testing.assert_array_equal(action.reshape(-1), data.steps.action)


def test_contexts_are_shuffled_steps_of_the_querys_own_episode():
    data = bandit_data()
    marked = data._replace(steps=data.steps._replace(obs=jnp.arange(30.0)[:, None]))
    source = contexts(marked, 64, window=4)
    _, batch = jax.jit(source.next)(jax.random.key(1), (), None)
    rows, query = np.asarray(batch.obs[..., 0]).astype(int), np.asarray(batch.extras["query"][:, 0]).astype(int)
    assert (rows // 6 == query[:, None] // 6).all() and np.asarray(batch.extras["valid"]).all()
    assert (np.sort(rows, 1)[:, -1] - rows.min(1) == 3).all(), "four in a row"
    assert (np.diff(rows, axis=1) != 1).any() and len(np.unique(rows[:, 0])) > 10
    np.testing.assert_array_equal(batch.extras["label"], np.asarray(data.steps.extras["label"])[query])
    long = contexts(marked, 8, window=9)
    _, padded = jax.jit(long.next)(jax.random.key(1), (), None)
    np.testing.assert_array_equal(padded.extras["valid"].sum(1), [6] * 8)
    assert (np.asarray(padded.extras["valid"])[:, :6] == 1).all(), "what fills up stands at the end"
    with pytest.raises(InputError, match="no extra 'label'"):
        contexts(logged("discrete"), 8)


@functools.cache
def pretrained(rectified=False):
    spec = bandits.bandits(3, 6).spec
    algo = dpt.learner(spec, width=8, blocks=1, window=4, rectified=rectified)
    return algo, jax.jit(algo.init)(jax.random.key(0), dpt.Hyper())


@pytest.mark.parametrize("rectified", [False, True])
def test_the_order_of_a_context_does_not_matter_to_its_last_output(rectified):
    """Of one block, exactly: tokens know no place and see what is before them."""
    tokens = jax.random.normal(jax.random.key(0), (5, 6))
    weights = transformer.rectified_weights if rectified else transformer.softmax_weights
    net = transformer.context(6, 3, width=8, blocks=1, weights=weights)
    params = jax.jit(net.init)(jax.random.key(1))
    apply = jax.jit(net.apply)
    base, mixed = apply(params, tokens), apply(params, tokens[jnp.array([2, 0, 3, 1, 4])])
    np.testing.assert_allclose(base[-1], mixed[-1], rtol=1e-4, atol=1e-5)
    assert np.abs(base[0] - mixed[0]).max() > 1e-4


def test_the_player_of_bandits_sees_the_context_the_learner_saw():
    """Its action's logits are those of the query after the tokens of its last four pulls, in their order."""
    algo, state = pretrained()
    policy = algo.policy(dpt.Hyper(temperature=0.0), state)
    act, spec = jax.jit(policy.act), bandits.bandits(3, 6).spec
    net = jax.jit(transformer.context(2 + 3 + 1, 3, width=8, blocks=1).apply)
    one, memory, tokens, reward = jnp.ones((2, 1)), policy.start(), jnp.zeros((2, 0, 6)), jnp.zeros(2)
    for time in range(7):
        action, memory = act(jax.random.key(time), Timestep(one, reward, 0.0, 0.0), memory)
        known = jnp.pad(tokens[:, -4:], ((0, 0), (0, max(4 - time, 0)), (0, 0)))
        logits = net(state.params["actor"], dpt.asked(one, known))[:, min(time, 4)]
        np.testing.assert_array_equal(action, logits.argmax(-1))
        reward = jax.random.normal(jax.random.key(10 + time), (2,))
        tokens = jnp.concatenate([tokens, dpt.token(spec, one, action, one, reward)[:, None]], 1)
    draw = jax.jit(algo.policy(dpt.Hyper(), state).act)
    first = Timestep(one[0], 0.0, 0.0, 0.0)
    drawn = [int(draw(jax.random.key(i), first, policy.start())[0]) for i in range(20)]
    assert len(set(drawn)) > 1, "at temperature 1 it draws"


def test_the_loss_is_the_mean_over_prefixes_of_the_labels_log_probability():
    algo, state = pretrained()
    source = contexts(bandit_data(), 8, window=4)
    _, batch = jax.jit(source.next)(jax.random.key(1), (), None)
    _, metrics = jax.jit(algo.update)(jax.random.key(0), dpt.Hyper(), state, batch)
    spec = bandits.bandits(3, 6).spec
    net = transformer.context(6, 3, width=8, blocks=1)

    @jax.jit
    def logs(params, batch):
        tokens = dpt.token(spec, batch.obs, batch.action, batch.next_obs, batch.reward)
        return jax.nn.log_softmax(net.apply(params, dpt.asked(batch.extras["query"], tokens)))

    found = np.asarray(logs(state.params["actor"], batch))
    by_hand = np.mean([-found[b, :, int(batch.extras["label"][b])].mean() for b in range(8)])
    assert float(metrics["actor"]["loss"]) == pytest.approx(by_hand, rel=1e-5)


def test_known_players_of_bandits():
    """Each arm once at first for those that count; the better player has less regret than a random one."""
    env = bandits.bandits(3, 60)
    total = lambda seen: float(seen.regret.sum(1).mean())
    play = lambda player: jax.jit(lambda key: bandits.played(key, env, player, 200))(jax.random.key(0))
    random = total(play(bandits.spiked(3)))
    for player in (bandits.upper_bound(3), bandits.empirical(3)):
        seen = play(player)
        assert (np.sort(np.asarray(seen.action)[:, :3], 1) == [0, 1, 2]).all() and total(seen) < 0.3 * random
    assert total(play(bandits.thompson(3))) < 0.3 * random


def test_the_cloned_learner_plays_by_the_logits_that_it_was_taught():
    """Fed an episode, AD's memory is the window of training that ends at each step; at temperature 0: the best."""
    spec, window = bandits.bandits(3, 7).spec, 4
    size = {"width": 8, "blocks": 1, "heads": 2}
    algo = ad.learner(spec, window=window, **size)
    state = jax.jit(algo.init)(jax.random.key(0), ad.Hyper())
    act = jax.jit(algo.policy(ad.Hyper(temperature=0.0), state).act)
    net = jax.jit(transformer.context(spec.obs + spec.action + 2, spec.action, **size).apply)
    obs, reward = jax.random.normal(jax.random.key(1), (2, 7, 1)), jax.random.normal(jax.random.key(2), (2, 7))
    memory, actions = algo.policy(ad.Hyper(), state).start(), jnp.zeros((2, 0), jnp.int32)
    for time in range(7):
        last = reward[:, time - 1] if time else jnp.zeros(2)
        action, memory = act(jax.random.key(time), Timestep(obs[:, time], last, 0.0, 0.0), memory)
        actions = jnp.concatenate([actions, action[:, None]], 1)
        first = max(time - window + 1, 0)
        rows = [x[:, first : time + 1] for x in (obs, actions, reward)]
        clock = jnp.broadcast_to(jnp.arange(first, time + 1), rows[1].shape)
        logits = net(state.params["actor"], *ad.tokens_of(spec, *rows, clock, jnp.ones(clock.shape)))[:, -1]
        np.testing.assert_array_equal(action, logits.argmax(-1))


def test_whole_windows_are_cut_short_by_short_episodes_alone():
    data = logged("discrete")
    for window, valid in ((4, 1.0), (6, 5 / 6)):
        source = subsequences(data, 64, window=window, whole=True)
        _, batch = jax.jit(source.next)(jax.random.key(0), source.init(jax.random.key(0)), None)
        np.testing.assert_allclose(batch.extras["valid"].mean(1), valid, rtol=1e-6)
        assert len(np.unique(batch.extras["time"][:, -1])) == (2 if window == 4 else 1)


def test_the_best_arm_in_hindsight_has_the_highest_mean_of_its_episode():
    data, env = bandit_data(), bandits.bandits(3, 6)
    bare = data._replace(steps=data.steps._replace(extras={}))
    task = hindsight.labelled(made.task("CartPole-v1")._replace(env=env, dataset=bare))
    label = np.asarray(task.dataset.steps.extras["label"]).reshape(5, 6)
    action, reward = (np.asarray(x).reshape(5, 6) for x in (data.steps.action, data.steps.reward))
    for episode in range(5):
        mean = {arm: reward[episode][action[episode] == arm].mean() for arm in np.unique(action[episode])}
        assert (label[episode] == max(mean, key=mean.get)).all()
    assert hindsight.labelled(task) is task
    varied = bare._replace(steps=bare.steps._replace(obs=jnp.arange(30.0)[:, None]))
    assert "label" not in hindsight.labelled(task._replace(dataset=varied)).dataset.steps.extras
