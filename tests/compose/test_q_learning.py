"""The skeleton of action values by hand numbers: windows, targets, choices, random actions, copies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.online import c51, dqn, pqn, qr_dqn
from jaxrl.compose import q_terms
from jaxrl.compose.q_learning import Recipe, annealed, collapsed, q_learning
from jaxrl.core.types import Spec, Transition, first_steps
from jaxrl.networks import critics
from jaxrl.networks.basic import Network

SPEC = Spec("made up", 3, 3, 10, discrete=True)


def windows(reward, terminated, truncated):
    reward, terminated, truncated = (jnp.asarray(x, jnp.float32) for x in (reward, terminated, truncated))
    obs = jnp.arange(reward.size, dtype=jnp.float32).reshape(*reward.shape, 1)
    action = jnp.arange(reward.size).reshape(reward.shape)
    return Transition(obs, action, reward, obs + 0.5, action, terminated, truncated, 1 + obs[..., 0])


def test_windows_become_one_step_each():
    """Of three steps: none ends; the second terminates; the first is cut."""
    zero = [0.0, 0, 0]
    got = collapsed(windows([[1.0, 2, 4]] * 3, [zero, [0, 1, 0], zero], [zero, zero, [1, 0, 0]]), 0.5)
    np.testing.assert_allclose(got.reward, [3.0, 2.0, 1.0])
    np.testing.assert_allclose(got.factor, [0.125, 0.0, 0.5])
    np.testing.assert_allclose(got.next_obs[:, 0], [2.5, 4.5, 6.5], err_msg="the successor of the last step counted")
    np.testing.assert_allclose(got.obs[:, 0], [0, 3, 6])
    np.testing.assert_array_equal(got.action, [0, 3, 6])
    np.testing.assert_allclose(got.weight, [1, 4, 7], err_msg="the first row's")


def test_a_plain_batch_is_windows_of_one():
    one = windows([[1.0], [2.0]], [[0], [1]], [[1], [0]])
    plain, single = collapsed(jax.tree.map(lambda x: x[:, 0], one), 0.9), collapsed(one, 0.9)
    for a, b in zip(plain, single, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(plain.factor, [0.9, 0.0])


def table_network(spec, *, width, depth):
    """Values that are the parameters themselves, the row being the observation's first number."""
    return Network(lambda key: jnp.zeros((4, 3)), lambda params, obs: params[obs[..., 0].astype(jnp.int32)])


@pytest.mark.parametrize(("slow_choice", "wanted"), [(True, 8.0), (False, 2.0)])
def test_who_chooses_the_next_action(slow_choice, wanted):
    """The copy says (5, 8, 2), the trained network prefers the third: targets 0 + 8, or 0 + 2."""
    algo = q_learning(SPEC, Recipe(network=table_network, slow_choice=slow_choice))
    hyper = dqn.Hyper(discount=1.0)
    state = algo.init(jax.random.key(0), hyper)
    slow, fast = (
        jnp.zeros((4, 3)).at[1].set(jnp.array([5.0, 8, 2])),
        jnp.zeros((4, 3)).at[1].set(jnp.array([0.0, 0, 1])),
    )
    state = state._replace(params={"critic": fast}, target={"critic": slow})
    zero, obs = jnp.zeros(1), jnp.zeros((1, 3))
    batch = Transition(obs, jnp.array([0]), zero, obs + 1, jnp.array([0]), zero, zero, jnp.ones(1))
    _, metrics = algo.update(jax.random.key(0), hyper, state, batch)
    assert float(metrics["priority"][0]) == wanted
    assert float(metrics["critic"]["loss"]) == 0.5 * wanted**2 and "priority" not in metrics["critic"]


def test_the_copy_stays_until_its_turn():
    algo = dqn.dqn(SPEC, width=4, copy_every=3)
    hyper = dqn.Hyper(critic_lr=0.1)
    first = state = algo.init(jax.random.key(0), hyper)
    batch = jax.tree.map(lambda x: x[:, 0], windows([[1.0], [2.0]], [[0], [1]], [[0], [0]]))
    batch = batch._replace(obs=jnp.ones((2, 3)), next_obs=jnp.ones((2, 3)), action=jnp.array([0, 1]))
    for call in range(1, 7):
        state, _ = jax.jit(algo.update)(jax.random.key(call), hyper, state, batch)
        newest = state.params if call % 3 == 0 else first.params
        first = state if call % 3 == 0 else first
        for a, b in zip(jax.tree.leaves(state.target), jax.tree.leaves(newest), strict=True):
            np.testing.assert_array_equal(a, b)


def test_random_actions_fade():
    hyper = dqn.Hyper(explore_from=0.8, explore_to=0.2, explore_updates=100.0)
    assert [float(annealed(hyper, jnp.int32(n))) for n in (0, 50, 100, 900)] == pytest.approx([0.8, 0.5, 0.2, 0.2])


def test_exploring_is_as_random_as_it_says_and_knows_its_density():
    algo = dqn.dqn(SPEC, width=8)
    hyper = dqn.Hyper(explore_from=0.6)
    state = algo.init(jax.random.key(0), hyper)
    obs = jnp.broadcast_to(jnp.array([1.0, -2.0, 0.5]), (6000, 3))
    best = int(algo.policy(hyper, state).act(jax.random.key(0), first_steps(obs[:1]), ())[0][0])
    explore = algo.explore(hyper, state)
    action, _ = explore.act(jax.random.key(1), first_steps(obs), ())
    share = np.bincount(np.asarray(action), minlength=3) / 6000
    chance = np.exp(np.asarray(explore.log_prob(obs[:3], jnp.arange(3))))
    np.testing.assert_allclose(chance, np.where(np.arange(3) == best, 0.6, 0.2), rtol=1e-5)
    np.testing.assert_allclose(share, chance, atol=0.03)
    assert action.dtype == jnp.int32


def test_projected_targets_by_hand():
    """Atoms -1, 0, 1. Reward 0.5, factor 0.5: the atoms land on 0, 0.5, 1. After a termination all lies at 0.5."""
    logits = jnp.log(jnp.array([[0.2, 0.4, 0.4], [0.2, 0.4, 0.4]]))
    got = q_terms.projected(c51.Hyper(low=-1.0, high=1.0), jnp.array([0.5, 0.5]), jnp.array([0.5, 0.0]), logits)
    np.testing.assert_allclose(got, [[0.0, 0.4, 0.6], [0.0, 0.5, 0.5]], atol=1e-6)


def test_expected_values_and_divergence_of_distributions():
    hyper = c51.Hyper(low=-2.0, high=2.0)
    logits = jnp.log(jnp.array([[0.5, 0.0, 0.25, 0.25, 0.0]]) + 1e-30)
    assert float(q_terms.expected(hyper, logits)[0]) == pytest.approx(-0.75, abs=1e-5)
    same, other = jax.nn.softmax(logits), jnp.array([[0.0, 0.0, 0.5, 0.5, 0.0]])
    assert float(q_terms.divergence(hyper, logits, same)[0]) == pytest.approx(0.0, abs=1e-5)
    assert float(q_terms.divergence(hyper, logits, other)[0]) == pytest.approx(np.log(2), rel=1e-4)


def test_conservatism_is_zero_without_a_choice_and_log_of_the_choices_for_equal_values():
    hyper = type("H", (), {"conservatism": 2.0})()
    action = jnp.array([0, 0])
    np.testing.assert_allclose(q_terms.conservative(hyper, jnp.ones((2, 1, 3)), action), 0.0, atol=1e-6)
    np.testing.assert_allclose(q_terms.conservative(hyper, jnp.ones((2, 4, 3)), action), 2 * 3 * np.log(4), rtol=1e-5)


def test_advantages_of_the_dueling_network_have_mean_zero():
    """So the mean over actions is the state value, and shifting all advantages changes nothing."""
    for depth in (1, 2, 3):
        net = critics.dueling(SPEC, width=8, depth=depth)
        params = net.init(jax.random.key(depth))
        obs = jax.random.normal(jax.random.key(9), (5, 3))
        table = net.apply(params, obs)
        flat = {**params, "advantage": jax.tree.map(jnp.zeros_like, params["advantage"])}
        np.testing.assert_allclose(table.mean(-1), net.apply(flat, obs)[:, 0], atol=1e-6)
        assert float(table.std(-1).max()) > 1e-3 and table.shape == (5, 3)
        last = params["advantage"]["Dense_1"]
        moved = {**params["advantage"], "Dense_1": {**last, "bias": last["bias"] + 7.0}}
        np.testing.assert_allclose(net.apply({**params, "advantage": moved}, obs), table, atol=1e-5)


@pytest.mark.parametrize(("make", "shape"), [(c51.c51, (2, 5, 3, 51)), (qr_dqn.qr_dqn, (2, 5, 3, 200))])
def test_distributional_cards_have_an_axis_of_returns(make, shape):
    net = critics.distributions(SPEC, width=4, depth=1, count=shape[-1])
    assert net.apply(net.init(jax.random.key(0)), jnp.zeros((2, 5, 3))).shape == shape
    state = make(SPEC, width=4, depth=1).init(jax.random.key(0), c51.Hyper())
    assert state.params["critic"]["Dense_1"]["bias"].shape == (3 * shape[-1],)


def test_layer_norm_stands_before_every_activation_of_pqn():
    params = pqn.pqn(SPEC, width=4, depth=2).init(jax.random.key(0), pqn.Hyper()).params["critic"]
    assert set(params) == {"Dense_0", "Dense_1", "Dense_2", "LayerNorm_0", "LayerNorm_1"}
