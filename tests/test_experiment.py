"""The API that people call: make, grid, sweep, Result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl import experiment, registry
from jaxrl.core.check import InputError
from jaxrl.core.types import HostEnv, Phase, Reference, reactive
from jaxrl.data import samplers
from jaxrl.data.dataset import from_arrays
from jaxrl.envs import suites
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.evaluation import host, rollout
from jaxrl.sources.logged import logged
from jaxrl.train.driver import program
from tests import made

SMALL = {"width": 8, "depth": 1, "batch": 8, "updates": 7, "evaluate_every": 3, "episodes": 2}
TASK = made.task()._replace(references=(Reference(-2000.0, 0.0, "metadata", "made up"),))
GRID = {"q_scale": [1.0, 4.0], "actor_lr": [1e-3]}


@pytest.fixture(scope="module")
def swept():
    return jaxrl.sweep("td3_bc", TASK, hypers=jaxrl.grid("td3_bc", **GRID), seeds=2, **SMALL)


def test_scores_are_by_hyper_seed_and_checkpoint(swept):
    assert swept.scores.shape == swept.returns.shape == swept.diverged.shape == (2, 2, 3)
    assert swept.updates.tolist() == [3, 6, 7], "the last checkpoint is the last update"
    assert swept.episode_returns.shape == (2, 2, 3, 2)
    np.testing.assert_allclose(swept.scores, 100 * (swept.episode_returns.mean(-1) + 2000) / 2000, rtol=1e-6)
    assert {value.shape for value in jax.tree.leaves(swept.metrics)} == {(2, 2, 3)}
    assert set(swept.seconds) == {"compile", "train", "evaluate"} and swept.seconds["train"].shape == (3,)
    assert (swept.seconds["train"] > 0).all() and swept.seconds["compile"][0] > 0 == swept.seconds["compile"][1]
    assert len(np.unique(swept.returns[..., -1])) == 4


def test_a_member_does_not_depend_on_the_others(swept):
    alone = jaxrl.sweep("td3_bc", TASK, seeds=[1], q_scale=4.0, actor_lr=1e-3, **SMALL)
    assert alone.scores.shape == (1, 1, 3)
    np.testing.assert_allclose(alone.episode_returns[0, 0], swept.episode_returns[1, 1], rtol=1e-5, atol=1e-2)
    obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(alone.policy()(obs), swept.policy(1, 1)(obs), atol=1e-5)


def test_members_of_one_seed_meet_the_same_starts_and_seeds_differ(swept):
    assert not np.allclose(swept.policy(0, 0)(np.ones(3)), swept.policy(0, 1)(np.ones(3)))
    again = jaxrl.sweep("td3_bc", TASK, hypers=jaxrl.grid("td3_bc", **GRID), seeds=2, **SMALL)
    np.testing.assert_array_equal(again.episode_returns, swept.episode_returns)
    assert again.seconds["compile"].sum() == 0, "the same card on the same shapes is compiled once"


def test_grid_runs_the_last_name_fastest():
    records = jaxrl.grid("td3_bc", q_scale=[1.0, 2.5], polyak=[0.1, 0.2])
    pairs = np.stack([records.q_scale, records.polyak], 1)
    np.testing.assert_allclose(pairs, [[1, 0.1], [1, 0.2], [2.5, 0.1], [2.5, 0.2]], rtol=1e-6)
    with pytest.raises(InputError, match="'q_scal'; did you mean 'q_scale'"):
        jaxrl.grid("td3_bc", q_scal=[1.0])


def test_policy_acts_in_the_environments_units_on_one_or_many_observations(swept):
    policy = swept.policy(hyper=1, seed=0)
    obs = 100 * np.random.default_rng(0).normal(size=(6, 3))
    actions = policy(obs)
    assert actions.shape == (6, 1) and np.abs(actions).max() <= 2.0
    assert np.abs(actions).max() > 1.0, "the pendulum's torque goes to 2"
    np.testing.assert_allclose(policy(obs[2]), actions[2], rtol=1e-5)
    np.testing.assert_allclose(swept.policy(-1, 0)(obs), actions, rtol=1e-6)
    with pytest.raises(InputError, match=r"observation of shape \(4,\) for Pendulum-v1, which has 3"):
        policy(np.zeros(4))
    with pytest.raises(IndexError):
        swept.policy(seed=2)


def test_policy_repeats_the_evaluations_actions(monkeypatch):
    """Also where observations are standardised: raw observations go in, actions in the environment's units come out."""
    calls = []

    def spy(env, act, seeds, episodes):
        calls.append((env, act))
        return host.Outcome(np.zeros((len(seeds), episodes)), np.ones((len(seeds), episodes)), 1.0)

    monkeypatch.setattr(host, "rollouts", spy)
    task = made.task(seed=3)._replace(env=adapter.host("Pendulum-v1"))
    result = jaxrl.sweep("td3_bc", task, seeds=2, **SMALL)
    env, act = calls[-1]
    obs = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    played = np.asarray(act.act(np.asarray(env.observe(obs)).reshape(2, 2, 3), np.zeros((2, 2)), act.start())[0])
    expected = 2.0 * played.reshape(4, 1)
    ours = np.concatenate([result.policy(seed=0)(obs[:2]), result.policy(seed=1)(obs[2:])])
    assert result.task.scaler is not None and len(calls) == 3
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_discrete_policies_give_classes():
    result = jaxrl.sweep("bc", made.task("CartPole-v1"), **{**SMALL, "updates": 2, "evaluate_every": 2})
    actions = result.policy()(np.random.default_rng(0).normal(size=(5, 4)))
    assert actions.shape == (5,) and actions.dtype == np.int32 and set(actions.tolist()) <= {0, 1}
    assert result.scores.shape == (1, 1, 1) and (result.scores == result.returns).all(), "no reference, so returns"
    assert (result.returns >= 1).all()


def test_an_environment_in_jax_and_on_the_host_agree():
    """One policy, one start: the graph's return is Gymnasium's."""
    env, start = suites.environment("Pendulum-v1"), np.array([2.5, -0.5])
    act = lambda key, obs: jnp.tanh(-2 * obs[..., 2:3] * obs[..., :1] + obs[..., 1:2])

    def reset(key, params):
        state, timestep = env.reset(key, params)
        obs = jnp.stack([jnp.cos(start[0]), jnp.sin(start[0]), start[1]]).astype(jnp.float32)
        return state._replace(values=jnp.asarray(start, jnp.float32)), timestep._replace(obs=obs)

    ours = jax.jit(lambda key: rollout.evaluate(key, env._replace(reset=reset), reactive(act), 1))(jax.random.key(0))

    def make():
        other = adapter.host("Pendulum-v1").make()
        first = other.reset

        def placed(**options):
            first(**options)
            other.unwrapped.state = start.copy()
            return np.array([np.cos(start[0]), np.sin(start[0]), start[1]], np.float32), {}

        other.reset = placed
        return other

    theirs = host.evaluate(HostEnv(env.spec, make), jax.jit(lambda obs: act(None, obs)), [0], 1)
    assert theirs[0, 0] < -50
    np.testing.assert_allclose(ours, theirs[0], rtol=1e-3)


def test_the_dataset_is_an_argument_and_no_constant():
    data = from_arrays(made.arrays(episodes=500, length=200))
    algorithm = experiment.make("td3_bc", TASK.env.spec, width=8, depth=1)
    training = program(Phase("only", algorithm, lambda data, stock: logged(data, samplers.uniform(8))))
    who = experiment.members([0, 1], experiment.grid("td3_bc", q_scale=[1.0]))
    progress = training.begin.shapes(who.keys, who.hypers, data, {})
    arguments = who.keys, who.hypers, progress, data, jax.ShapeDtypeStruct((), jnp.int32)
    closed = jax.make_jaxpr(training.advance._jit)(*arguments, progress.state)
    held = [*closed.consts, *(const for one in closed.eqns for const in getattr(one.params.get("jaxpr"), "consts", ()))]
    assert max((np.size(const) for const in held), default=0) < 100
    lowered = training.advance.lower(*arguments)
    assert len(jax.tree.leaves(lowered.args_info)) == len(jax.tree.leaves((arguments, progress.state)))
    text = lowered.as_text()
    assert "tensor<100000x3xf32>" in text and len(text) < 1_000_000


def test_a_lost_member_leaves_the_others_alone(swept):
    hypers = jaxrl.grid("td3_bc", q_scale=[1.0], critic_lr=[3e-4, 1e6], actor_lr=[1e-3])
    result = jaxrl.sweep("td3_bc", TASK, hypers=hypers, seeds=2, **{**SMALL, "updates": 60, "evaluate_every": 20})
    assert result.diverged[:, :, -1].tolist() == [[False] * 2, [True] * 2]
    assert np.isfinite(result.returns[0]).all()
    assert all(np.isfinite(value[0]).all() for value in jax.tree.leaves(result.metrics))


def test_settings_go_to_data_program_and_numbers():
    card = registry.card("iql")
    chosen = experiment.settings(card, {"expectile": 0.9, "width": 16, "standardise": True, "return_range": 10}, 32)
    assert chosen.preparation == {"standardise": True, "return_range": 10.0}
    assert chosen.structure == {"width": 16} and chosen.numbers == {"expectile": 0.9} and chosen.batch == 32
    assert experiment.settings(card, {"width": 64.0}).structure["width"] == 64
    assert experiment.settings(card, {}).batch == card.batch


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expectil": 0.5}, "unknown setting of iql 'expectil'; did you mean 'expectile'"),
        ({"width": 64.5}, "width=64.5 must be a finite int, such as"),
        ({"expectile": "abc"}, "expectile='abc' must be a finite float"),
        ({"expectile": float("nan")}, "must be a finite float"),
        ({"expectile": True}, "must be a finite float"),
        ({"standardise": 1.0}, "standardise=1.0 must be true or false"),
        ({"batch": 0}, "batch is 0; it must be a whole number of at least 1"),
        ({"batch": 81}, "batch of 81 is larger than dataset made/up-v0 with 80 steps; choose a smaller one"),
        ({"updates": 0}, "updates is 0"),
        ({"updates": -5}, "updates is -5"),
        ({"evaluate_every": 0}, "evaluate_every is 0"),
        ({"episodes": 0}, "episodes is 0"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": -1}, "seeds is -1"),
        ({"seeds": 1.5}, "seeds is 1.5"),
        ({"seeds": []}, r"seeds are \[\]; give at least one"),
        ({"seeds": [0, -1]}, "none negative"),
        ({"seeds": [1, 1]}, "none twice"),
    ],
)
def test_bad_input_is_refused_before_any_training(options, message):
    with pytest.raises(InputError, match=message) as caught:
        jaxrl.sweep("iql", TASK, **{"batch": 8, "updates": 2, "episodes": 1, **options})
    assert "\n" not in str(caught.value)


def test_bad_hypers_and_tasks_are_refused():
    with pytest.raises(InputError, match="q_scale given both in hypers and as options"):
        jaxrl.sweep("td3_bc", TASK, hypers=jaxrl.grid("td3_bc"), q_scale=2.0, batch=8)
    with pytest.raises(InputError, match="not of card td3_bc; make them with jaxrl"):
        jaxrl.sweep("td3_bc", TASK, hypers=jaxrl.grid("iql"), batch=8)
    with pytest.raises(InputError, match="learns from data and task made/up-v0 has none"):
        jaxrl.sweep("td3_bc", TASK._replace(dataset=None), batch=8)
    with pytest.raises(InputError, match="'td3_bc' takes continuous actions, but CartPole-v1 has discrete ones"):
        jaxrl.sweep("td3_bc", made.task("CartPole-v1"), batch=8)
    with pytest.raises(InputError, match="'cql_discrete' takes discrete actions, but Pendulum-v1 has continuous"):
        jaxrl.make("cql_discrete", TASK.env.spec)
    with pytest.raises(InputError, match="unknown keyword of td3_bc 'widht'; did you mean 'width'"):
        jaxrl.make("td3_bc", TASK.env.spec, widht=3)
    with pytest.raises(InputError, match="unknown card 'td3bc'; did you mean 'td3_bc'"):
        jaxrl.make("td3bc", TASK.env.spec)


def test_stretches_end_with_the_last_update():
    assert experiment.stretches(10, 5) == [5, 10] and experiment.stretches(10, 4) == [4, 8, 10]
    assert experiment.stretches(5, 100) == [5] and experiment.stretches(100, None) == list(range(10, 101, 10))
    assert experiment.stretches(3, None) == [1, 2, 3]


def test_hypers_of_one_record_are_taken_as_they_are():
    result = jaxrl.sweep("td3_bc", TASK, hypers=registry.card("td3_bc").hyper(q_scale=1.0), seeds=2, **SMALL)
    assert result.scores.shape == (1, 2, 3) and float(result.hypers.q_scale[0]) == 1.0


def test_online_cards_learn_in_an_environment_alone():
    small = {"envs": 4, "length": 16, "passes": 1, "minibatches": 1, "width": 8, "depth": 1}
    result = jaxrl.sweep("ppo", "CartPole-v1", seeds=2, updates=4, evaluate_every=2, episodes=2, **small)
    assert result.returns.shape == (1, 2, 2) and result.env_steps.tolist() == [128, 256]
    assert result.task.references[0].high == 500 and result.task.dataset is None


@pytest.mark.slow
def test_warm_up_counts_as_environment_steps():
    small = {"warmup": 20, "capacity": 100, "batch": 8, "width": 8, "depth": 1, "per": 2}
    result = jaxrl.sweep("sac", "Pendulum-v1", seeds=1, updates=4, evaluate_every=2, episodes=1, **small)
    assert result.env_steps.tolist() == [24, 28]


@pytest.mark.slow
def test_members_on_the_host_learn_as_they_would_alone():
    """Experience comes from Gymnasium; nothing of a member depends on who else is there."""
    small = {"warmup": 20, "capacity": 100, "batch": 8, "width": 8, "depth": 1, "envs": 2}
    task = made.task()._replace(env=adapter.host("Pendulum-v1"), dataset=None)
    sizes = {"updates": 6, "evaluate_every": 3, "episodes": 2}
    both = jaxrl.sweep("td3", task, seeds=[3, 5], **sizes, **small)
    again = jaxrl.sweep("td3", task, seeds=[3, 5], **sizes, **small)
    np.testing.assert_array_equal(both.returns, again.returns)
    assert both.env_steps.tolist() == [26, 32] and np.isfinite(both.returns).all()
    assert not np.allclose(both.returns[0, 0], both.returns[0, 1])


def test_batches_are_not_for_cards_that_learn_from_rollouts():
    with pytest.raises(InputError, match="card ppo learns from whole rollouts; set envs and length instead of batch=8"):
        jaxrl.sweep("ppo", "CartPole-v1", batch=8)


def test_evaluate_takes_environments_and_names():
    policy = reactive(lambda key, obs: (obs[..., 2] + obs[..., 3] > 0).astype("int32"))
    env = jaxrl.environment("CartPole-v1")
    few, many = (jaxrl.evaluate(policy, env, jax.random.key(0), count) for count in (2, 4))
    np.testing.assert_array_equal(few, many[:2])
    assert many.shape == (4,) and many.min() > 100
    np.testing.assert_array_equal(many, jaxrl.evaluate(policy, "CartPole-v1", jax.random.key(0), 4))
    still = reactive(lambda key, obs: jnp.zeros((*obs.shape[:-1], 1)))
    assert jaxrl.evaluate(still, adapter.host("Pendulum-v1"), jax.random.key(0), 3).shape == (3,)
    with pytest.raises(InputError, match="episodes is 0"):
        jaxrl.evaluate(policy, env, jax.random.key(0), 0)


def test_a_policy_of_another_environment_is_refused():
    result = jaxrl.make("td3", jaxrl.environment("Pendulum-v1").spec, width=8)
    hyper = registry.card("td3").hyper()
    policy = result.policy(hyper, result.init(jax.random.key(0), hyper))
    with pytest.raises(InputError, match="the policy does not take the 4 numbers that CartPole-v1 shows"):
        jaxrl.evaluate(policy, "CartPole-v1", jax.random.key(0), 2)
    two = reactive(lambda key, obs: jnp.zeros((*obs.shape[:-1], 2)))
    with pytest.raises(InputError, match=r"actions have shape \(2,\), but Pendulum-v1 takes \(1,\)"):
        jaxrl.evaluate(two, "Pendulum-v1", jax.random.key(0), 2)


@pytest.mark.parametrize("name", ["envs", "length", "passes", "minibatches"])
def test_counts_of_a_card_are_at_least_one(name):
    with pytest.raises(InputError, match=f"setting {name} is 0; it must be"):
        jaxrl.sweep("ppo", "CartPole-v1", **{name: 0})


def test_a_horizon_of_zero_is_refused():
    env = jaxrl.environment("Pendulum-v1")
    still = reactive(lambda key, obs: jnp.zeros((*obs.shape[:-1], 1)))
    with pytest.raises(InputError, match="horizon of Pendulum-v1 is 0"):
        jaxrl.evaluate(still, env._replace(spec=env.spec._replace(horizon=0)), jax.random.key(0), 2)
