"""MuJoCo's tasks on MJX: beside Gymnasium, with other bodies, compiled once, at the highest precision."""

import copy

import gymnasium
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs import suites
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.envs.mujoco import fidelity, mjx, models
from jaxrl.envs.mujoco.tasks import TASKS

STATES = 200
SMALL = "InvertedPendulum-v5"
CLOSE = {
    "Hopper-v5": (5e-6, 4e-4, 4e-4, 5e-5),
    "Walker2d-v5": (5e-6, 4e-4, 4e-4, 5e-5),
    "HalfCheetah-v5": (1e-4, 2e-3, 2e-3, 1e-3),
    "Swimmer-v5": (5e-6, 5e-5, 5e-5, 5e-5),
    "Reacher-v5": (5e-6, 5e-5, 5e-5, 5e-6),
    "InvertedPendulum-v5": (5e-7, 1e-5, 1e-5, 0),
    "InvertedDoublePendulum-v5": (5e-6, 5e-5, 5e-5, 5e-5),
    "Ant-v5": (5e-5, 5e-3, 5e-3, 5e-4),
    "Pusher-v5": (5e-6, 3e-4, 3e-4, 5e-6),
    "Humanoid-v5": (5e-5, 3e-3, 0.5, 3e-3),
}
"""Largest differences of positions, velocities, observations and rewards after one control step; SI units."""
FAST = (SMALL,)


def task_names():
    return [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in TASKS]


@pytest.mark.parametrize("name", task_names())
def test_a_step_is_gymnasiums(name):
    found = fidelity.differences(name, STATES)
    for field, most in zip(("qpos", "qvel", "obs", "reward"), CLOSE[name], strict=True):
        gap = getattr(found, field)
        assert gap.shape == (STATES,) and gap.max() <= most, f"{field}: {gap.max():.2e}"
    assert found.disagreements == 0
    assert found.ended[:, 0].any() or name not in ("Hopper-v5", "Walker2d-v5", "Humanoid-v5", SMALL)


@pytest.mark.slow
def test_nearly_all_steps_of_half_cheetah_are_as_near_as_those_of_hopper():
    found = fidelity.differences("HalfCheetah-v5", STATES)
    assert np.quantile(found.qpos, 0.99) < 5e-6 and np.quantile(found.qvel, 0.99) < 4e-4


@pytest.mark.slow
def test_what_is_left_is_rounding():
    with jax.enable_x64(True):
        fidelity.many.cache_clear(), mjx.environment.cache_clear()
        found = fidelity.differences("HalfCheetah-v5", STATES)
    fidelity.many.cache_clear(), mjx.environment.cache_clear()
    assert found.qpos.max() < 5e-7 and found.qvel.max() < 5e-5 and found.obs.dtype == np.float64


@pytest.mark.slow
def test_a_changed_body_moves_as_in_mujoco():
    name, draws = "Hopper-v5", np.random.default_rng(0)
    task, own = TASKS[name], models.load(TASKS[name])
    moments = list(fidelity.walk(name, STATES, seed=5))
    spread = lambda array: array * draws.uniform(0.7, 1.4, (STATES, *(1,) * np.ndim(array)))
    gain = own.actuator_gainprm[:, 0]
    fields = own.body_mass, own.geom_friction, own.opt.gravity, own.dof_damping, gain
    bodies = mjx.Body(*(spread(np.asarray(field)) for field in fields))
    data, expected = mujoco.MjData(own), []
    for i, moment in enumerate(moments):
        model, body = copy.copy(own), mjx.Body(*(field[i] for field in bodies))
        model.body_mass[:], model.geom_friction[:] = body.mass, body.friction
        ratio = body.mass[1] / own.body_mass[1]
        model.body_inertia[:], model.body_subtreemass[:] = own.body_inertia * ratio, own.body_subtreemass * ratio
        model.opt.gravity[:], model.dof_damping[:], model.actuator_gainprm[:, 0] = body.gravity, body.damping, body.gain
        mujoco.mj_resetData(model, data)
        data.qpos[:], data.qvel[:], data.qacc_warmstart[:] = moment.state[:3]
        data.ctrl[:] = moment.action
        mujoco.mj_step(model, data, nstep=task.frame_skip)
        expected.append((data.qpos.copy(), data.qvel.copy()))
    start = fidelity.stacked(moments)
    after, _ = fidelity.many(name)(*jax.tree.map(jnp.asarray, (bodies, start.state, start.action)))
    qpos, qvel = (np.stack(side) for side in zip(*expected, strict=True))
    assert np.abs(after.qpos - qpos).max() < 1e-5 and np.abs(after.qvel - qvel).max() < 1e-3
    assert np.abs(start.qvel - qvel).max() > 0.1, "the bodies do differ"


@pytest.mark.slow
def test_three_bodies_in_one_call_are_three_calls():
    env = mjx.environment(SMALL)
    params = env.params._replace(mass=env.params.mass[None] * jnp.array([[1.0], [1.5], [0.5]]))
    bodies = [env.params._replace(mass=mass) for mass in params.mass]
    state, _ = env.reset(jax.random.key(0), env.params)
    action = jnp.array([0.7])
    axes = mjx.Body(0, None, None, None, None)
    together, seen = jax.jit(jax.vmap(env.step, (None, axes, None, None)))(jax.random.key(0), params, state, action)
    single = jax.jit(env.step)
    for i, body in enumerate(bodies):
        alone, shown = single(jax.random.key(0), body, state, action)
        np.testing.assert_allclose(together.qvel[i], alone.qvel, atol=1e-6)
        np.testing.assert_allclose(seen.obs[i], shown.obs, atol=1e-6)
    assert np.abs(np.diff(np.asarray(together.qvel[:, 1]))).min() > 0.01
    assert single._cache_size() == 1


@pytest.mark.slow
def test_reset_and_step_compile_once_and_time_is_limited():
    env, traces = mjx.environment(SMALL), []

    def counted(function):
        def inner(*inputs):
            traces.append(function)
            return function(*inputs)

        return jax.jit(inner)

    reset, step = counted(env.reset), counted(env.step)
    for seed in range(3):
        key, body = jax.random.key(seed), jax.tree.map(lambda x, heavier=1 + seed / 10: x * heavier, env.params)
        state, first = reset(key, body)
        assert np.abs(first.obs).max() <= 0.01 and (state.qpos == first.obs[:2]).all()
        assert (float(first.reward), float(first.terminated), float(first.truncated)) == (0, 0, 0)
        ends = []
        for _ in range(3):
            state, seen = step(key, body, state, jnp.zeros(1))
            state = state._replace(time=jnp.maximum(state.time, env.spec.horizon - 2))
            ends.append(float(seen.truncated))
        assert ends == [0, 0, 1]
    assert len(traces) == 2


@pytest.mark.slow
def test_a_fallen_pendulum_ends():
    env = mjx.environment(SMALL)
    state, _ = env.reset(jax.random.key(0), env.params)
    step = jax.jit(env.step)
    _, seen = step(jax.random.key(0), env.params, state._replace(qpos=jnp.array([0.0, 0.3])), jnp.zeros(1))
    assert (float(seen.terminated), float(seen.reward)) == (1, 0)
    _, beyond = step(jax.random.key(0), env.params, state, jnp.full(1, 7.0))
    _, most = step(jax.random.key(0), env.params, state, jnp.ones(1))
    assert (beyond.obs == most.obs).all(), "actions are clipped to [-1, 1]"


def equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


@pytest.mark.parametrize("name", ["Hopper-v5", "InvertedDoublePendulum-v5"])
def test_products_have_the_highest_precision_whatever_the_default(name):
    env = mjx.environment(name)
    shape = jax.eval_shape(env.reset, jax.random.key(0), env.params)[0]
    with jax.default_matmul_precision("bfloat16"):
        programs = [
            jax.make_jaxpr(env.reset)(jax.random.key(0), env.params),
            jax.make_jaxpr(env.step)(jax.random.key(0), env.params, shape, jnp.zeros(env.spec.action)),
        ]
        plain = jax.make_jaxpr(lambda x: x @ x)(jnp.eye(2))
    named = lambda program: [e for e in equations(program.jaxpr) if e.primitive.name == "dot_general"]
    products = [equation for program in programs for equation in named(program)]
    highest = (jax.lax.Precision.HIGHEST,) * 2
    assert len(products) > 20 and all(one.params["precision"] == highest for one in products)
    assert named(plain)[0].params["precision"] != highest


@pytest.mark.parametrize("name", TASKS)
def test_specs_are_gymnasiums(name):
    assert suites.environment(name).spec == adapter.host(name).spec


def test_names_stand_in_the_suite_and_the_host_steps_them_on_a_cpu(monkeypatch):
    assert tuple(TASKS) == suites.MUJOCO and set(TASKS) <= set(suites.names())
    assert suites.environment("Hopper-v5") is suites.environment("Hopper-v5")
    spec = adapter.env_spec("Hopper-v5")
    assert spec == gymnasium.spec("Hopper-v5")
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert adapter.jax_name(spec) is None
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert adapter.jax_name(spec) == "Hopper-v5"
    shorter = copy.deepcopy(spec)
    shorter.max_episode_steps = 10
    assert adapter.jax_name(shorter) is None
    assert adapter.jax_name(gymnasium.spec("Hopper-v4")) is None


@pytest.mark.parametrize(
    ("option", "body", "feature"),
    [
        ('integrator="implicit"', "", "mjINT_IMPLICIT"),
        (
            "",
            '<geom type="cylinder" size="1 1"/><body><freejoint/><geom type="box" size="1 1 1"/></body>',
            "collisions",
        ),
    ],
)
def test_a_model_that_mjx_cannot_simulate_is_refused_in_one_line(option, body, feature):
    xml = f"<mujoco><option {option}/><worldbody><geom type='plane' size='1 1 1'/>{body}</worldbody></mujoco>"
    message = f"task 'Mine-v5' has in its model .*{feature}.*MJX does not support; step it with C MuJoCo"
    with pytest.raises(InputError, match=message) as caught:
        mjx.on_device("Mine-v5", mujoco.MjModel.from_xml_string(xml))
    assert "\n" not in str(caught.value)


def test_unknown_names_and_horizons_are_refused():
    with pytest.raises(InputError, match="did you mean 'Hopper-v5'"):
        mjx.environment("Hoper-v5")
    with pytest.raises(InputError, match="horizon is 0"):
        mjx.environment("Hopper-v5", 0)
    assert mjx.environment("Hopper-v5", 7).spec.horizon == 7


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rlzoo Hopper-v3_sac", "gail log_HalfCheetah-v1_2", "rlzoo Walker2d-v3_sac"])
def test_a_published_policy_earns_what_it_earns_in_gymnasium(external_data, name):
    from benchmarks import fidelity as measured

    policy = {one.name: one for one in measured.policies(external_data)}[name]
    theirs, ours = (play(policy, 16, 120) for play in (measured.in_gymnasium, measured.in_jax))
    assert abs(measured.gap(theirs, ours)) < 3, (theirs.mean(), ours.mean())
    assert theirs.mean() > 150
