"""COCOA: bilinear features, anchors and ways into the data by hand, and its reduction to CQL's networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl.algorithms.model_based import cocoa
from jaxrl.compose import dynamics, seen
from jaxrl.core.check import InputError
from jaxrl.core.types import Algorithm, Dynamics, Spec, first_steps, reactive
from jaxrl.data.dataset import from_arrays
from jaxrl.networks import basic
from jaxrl.networks.transduction import Bilinear
from jaxrl.sources import backward
from tests import made
from tests.contract.test_plans import small

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = Spec("made up", 3, 2, 10)


def layers(params, x):
    """A perceptron by hand."""
    names = sorted(params)
    for name in names:
        x = x @ params[name]["kernel"] + params[name]["bias"][None]
        x = jnp.maximum(x, 0) if name != names[-1] else x
    return x


def test_features_are_sums_of_products_of_two_functions():
    module = Bilinear(3, (8, 8), 5, 4)
    x = jax.random.normal(jax.random.key(0), (7, 9))
    params = module.init(jax.random.key(1), x)["params"]
    f = layers(params["difference"], x[:, :3]).reshape(7, 5, 4)
    g = layers(params["anchor"], x[:, 3:6]).reshape(7, 5, 4)
    by_hand = jnp.concatenate([(f * g).sum(-1), x[:, 6:]], -1)
    np.testing.assert_allclose(module.apply({"params": params}, x), by_hand, atol=1e-5)


def test_anchors_at_zero_and_a_constant_second_function_leave_a_plain_perceptron():
    """h(s) = sum_d f(s) then is linear in the last layer of f, so f with it is one perceptron of the state."""
    module = Bilinear(3, (8,), 5, 4)
    params = module.init(jax.random.key(0), jnp.zeros((1, 6)))["params"]
    last = params["anchor"]["Dense_1"]
    constant = {"kernel": jnp.zeros_like(last["kernel"]), "bias": jnp.ones_like(last["bias"])}
    params = {**params, "anchor": {**params["anchor"], "Dense_1": constant}}
    f = params["difference"]
    merged = {name: x.reshape(*x.shape[:-1], 5, 4).sum(-1) for name, x in f["Dense_1"].items()}
    state = jax.random.normal(jax.random.key(1), (7, 3))
    both = jnp.concatenate([state, jnp.zeros((7, 3))], -1)
    plain = layers({"Dense_0": f["Dense_0"], "Dense_1": merged}, state)
    np.testing.assert_allclose(module.apply({"params": params}, both), plain, atol=1e-5)


def test_networks_without_an_embedding_are_what_they_were():
    x = jnp.ones((2, 3))
    plain, same = basic.mlp(3, (8,), 1), basic.mlp(3, (8,), 1, embed=None)
    params = plain.init(jax.random.key(0))
    assert set(params) == {"Dense_0", "Dense_1"}
    np.testing.assert_array_equal(plain.apply(params, x), same.apply(params, x))


def told(shift) -> Dynamics:
    """A model of three members that says the state moves by `shift` [3] plus the action, then by 10, then by 20."""

    def predict(key, hyper, state, obs, action):
        moved = jnp.asarray(shift)[None] + jnp.pad(action, ((0, 0), (0, 1)))
        means = jnp.stack([jnp.pad(moved + extra, ((0, 0), (0, 1))) for extra in (0.0, 10.0, 20.0)])
        zero = jnp.zeros(obs.shape[0])
        return dynamics.imagined_step(obs, action, zero, obs + moved, zero, means, 0 * means)

    return Dynamics(lambda key, hyper: (), lambda key, hyper, state, batch: (state, {}), predict)


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_anchor_is_where_the_elites_mean_leads(horizon):
    """Elites are members 0 and 1 by their errors: each step moves by the shift, the action and 5."""
    model, shift = told([0.1, 0.2, 0.3]), jnp.array([0.1, 0.2, 0.3])
    seeker = basic.Network(
        lambda key: {}, lambda params, obs: jnp.broadcast_to(jnp.array([1.0, -1.0]), (*obs.shape[:-1], 2))
    )
    state = dynamics.Model((), (), jnp.array([1.0, 2.0, 3.0]), ())
    obs = jax.random.normal(jax.random.key(0), (2, 5, 3))
    both = cocoa.apart(model, seeker, None, {"model": state, "anchor": {}}, obs, 2, horizon)
    step = np.asarray(shift) + np.array([np.tanh(1), -np.tanh(1), 0]) + 5
    np.testing.assert_allclose(both[..., 3:], np.asarray(obs) + horizon * step, rtol=1e-5)
    np.testing.assert_allclose(both[..., :3] + both[..., 3:], obs, atol=1e-5)


def test_ways_in_go_back_along_one_logged_action():
    """The told model reversed: from logged states by the held action and its noise, step after step."""
    data = from_arrays(made.arrays(action=2))
    numbers = {"starts": 6, "horizon": 3, "along": 0.8}
    imagine = lambda key, obs, action: told([0.0, 0.0, 0.0]).predict(key, None, None, obs, action)
    obs, action = backward.ways_in(jax.random.key(0), data, imagine, noise=0.0, **numbers)
    obs, action = obs.reshape(3, 6, 3), action.reshape(3, 6, 2)
    np.testing.assert_array_equal(action[0], action[1])
    near = jnp.abs(action[0][:, None] - 0.8 * data.steps.action[None]).sum(-1).min(1)
    assert float(near.max()) < 1e-6, "directions are logged actions"
    np.testing.assert_allclose(obs[1] - obs[0], jnp.pad(action[1], ((0, 0), (0, 1))), atol=1e-5)
    first = obs[0] - jnp.pad(action[0], ((0, 0), (0, 1)))
    assert float(jnp.abs(first[:, None] - data.steps.obs[None]).sum(-1).min(1).max()) < 1e-4, "starts are logged states"
    _, loud = backward.ways_in(jax.random.key(0), data, imagine, noise=0.1, **numbers)
    spread = (loud.reshape(3, 6, 2) - action).std()
    assert 0.03 < float(spread) < 0.15 and float(jnp.abs(loud).max()) <= 1


def test_a_reversed_step_leads_back():
    data = from_arrays(made.arrays())
    turned = backward.exchanged(data)
    np.testing.assert_array_equal(turned.steps.obs, data.steps.next_obs)
    np.testing.assert_array_equal(turned.steps.next_obs, data.steps.obs)
    np.testing.assert_array_equal(turned.steps.action, data.steps.action)


def test_a_learner_that_sees_through_something_acts_on_what_it_sees():
    inner = Algorithm(
        lambda key, hyper: jnp.ones(3), lambda key, hyper, state, batch: (state + 1, {}),
        lambda hyper, state: reactive(lambda key, obs: obs @ state, lambda obs, action: obs.sum(-1)),
        lambda hyper, state: reactive(lambda key, obs: obs[..., 0]),
    )  # fmt: skip
    algo = seen.through(inner, lambda hyper, frozen, obs: frozen * obs, lambda key, hyper: jnp.array(2.0))
    state, _ = algo.update(None, None, algo.init(jax.random.key(0), None), None)
    obs = jnp.arange(6.0).reshape(2, 3)
    act = lambda policy: policy.act(jax.random.key(0), first_steps(obs), ())[0]
    np.testing.assert_array_equal(act(algo.policy(None, state)), 2 * obs @ jnp.full(3, 2.0))
    np.testing.assert_array_equal(act(algo.explore(None, state)), 2 * obs[:, 0])
    np.testing.assert_array_equal(algo.policy(None, state).log_prob(obs, None), 2 * obs.sum(-1))
    assert algo.explore(None, state).log_prob is None and float(state.frozen) == 2


def test_it_begins_with_what_the_phases_before_learned():
    """Of the phases "model" and "anchor"; the reverse model has done its part."""
    card, task = jaxrl.cards()["cocoa"], made.task()
    stages, hyper = card.make(task.env, 8, **small(card)), card.hyper()
    earlier = {phase.name: phase.learner.init(jax.random.key(i), hyper) for i, phase in enumerate(stages[:-1])}
    state = stages[-1].begin(stages[-1].learner.init(jax.random.key(9), hyper), earlier)
    assert list(earlier) == ["model", "reverse", "anchor"] and set(state.frozen) == {"model", "anchor"}
    frozen = jax.tree.leaves(state.frozen)
    learned = jax.tree.leaves({"model": earlier["model"], "anchor": earlier["anchor"].params["anchor"]})
    assert all(a is b for a, b in zip(frozen, learned, strict=True))


def test_more_elites_than_members_are_refused_in_one_line():
    options = {**small(jaxrl.cards()["cocoa"]), "elites": 3}
    with pytest.raises(InputError, match=r"^elites=3 of members=2; choose at most as many elites as members$"):
        jaxrl.sweep("cocoa", made.task(), updates=1, batch=8, **options)
