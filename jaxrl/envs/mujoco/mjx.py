"""Gymnasium's MuJoCo tasks in JAX, simulated by MJX from Gymnasium's own model files.

One control step differs from Gymnasium's C MuJoCo by float32's rounding; `benchmarks/fidelity.py` measures it, the
figures are in `benchmarks/tables/fidelity.md`. Over 400 states reached by random actions, positions are within 5e-6 and
velocities within 4e-4 (SI units), terminations the same, but for three:

- HalfCheetah: 7.3e-6 and 4.1e-4 at most. Over 7,200 states of 18 seeds 2.9e-6 and 2.2e-4 in 99 % of them, and 1.3e-4
  and 7.4e-3 at most. Under `jax_enable_x64` it is 8e-8 and 8e-6: light legs, large forces. (Over 2,400 states of six
  seeds Hopper stays within 7e-7 and 7e-4, Walker2d within 1.7e-6 and 2.4e-4.)
- Ant: velocities 4.1e-4 at most, 8.7e-5 in 99 % of the states.
- Humanoid: contact forces in the observation are 0.07 off at most, 0.02 in 99 % of the states; its file asks for the
  solver PGS, which MJX does not have, and gets Newton's method.

Pusher's figures say nothing about pushing: random actions do not reach the object. See `contacts` for what MJX itself
does otherwise.
"""

import contextlib
import copy
import functools
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Env, Spec, Timestep
from jaxrl.envs.mujoco import contacts, models
from jaxrl.envs.mujoco.tasks import FORCES, TASKS, Look, MujocoTask


class Body(NamedTuple):
    """What may differ between simulated bodies, all traced; one more leading axis on every field is a population.

    Constants that MuJoCo derives when it compiles a model (the weights of contacts and limits) stay those of the file.
    """

    mass: Any
    """Bodies [nb], kg; the world's is 0. Inertias change in proportion, as with another density."""
    friction: Any
    """Geometries [geoms, 3]: sliding, spinning, rolling. A contact takes the larger of its two."""
    gravity: Any
    """[3], m/s²."""
    damping: Any
    """Joints [nv]."""
    gain: Any
    """Force of actuators by unit of command [nu], before gears."""


class State(NamedTuple):
    """What a step needs of the last: positions [nq], velocities [nv], the solver's first guess [nv], steps taken.

    lagging: the quantities of `Look` that the next reward reads as they were before its step.
    """

    qpos: Any
    qvel: Any
    warmstart: Any
    time: Any
    lagging: dict[str, Any]


@functools.cache
def environment(name: str, horizon: int | None = None) -> Env:
    """The task of that name, such as "Hopper-v5", in JAX: Gymnasium's observation, reward, end, time limit and reset.

    `params` is a `Body` with the model's own numbers. horizon: steps after which an episode is cut instead of
    Gymnasium's. The same functions at every call, so that compiled programs are reused. InputError for an unknown name,
    a horizon below one, and a model with a feature that MJX lacks.
    """
    task = TASKS[known("MuJoCo task", name, TASKS)]
    task = task._replace(horizon=task.horizon if horizon is None else positive("horizon", horizon))
    host = models.load(task)
    with jax.ensure_compile_time_eval():
        world = World(task, *on_device(name, host))
        params = defaults(host)
    low, high = (tuple(float(x) for x in side) for side in host.actuator_ctrlrange.astype(np.float32).T)
    size = task.observe(np, models.look(models.first(host))).shape[-1]
    spec = Spec(name, size, host.nu, task.horizon, low=low, high=high)
    return Env(spec, params, functools.partial(reset, world), functools.partial(step, world))


@functools.cache
def engine() -> Any:
    """The module `mujoco.mjx`, without the lines that it prints when Warp, which is not used here, is not installed."""
    with contextlib.redirect_stdout(io.StringIO()):
        from mujoco import mjx
    return mjx


@contextlib.contextmanager
def physics() -> Iterator[None]:
    """While MJX is called: it relies on rank promotion, and finds some contacts otherwise than MuJoCo."""
    with jax.numpy_rank_promotion("allow"), contacts.as_in_mujoco(engine()._src.collision_driver):
        yield


class World(NamedTuple):
    """A task with its model and an untouched state, both MJX's."""

    task: MujocoTask
    model: Any
    blank: Any


def on_device(name: str, model: Any) -> tuple[Any, Any]:
    """(mjx.Model, mjx.Data) of an `MjModel`; InputError that names a feature which MJX lacks.

    MJX has no PGS, the solver of Humanoid's file: Newton's method takes its place, which minimises the same cost.
    """
    import mujoco

    model = copy.copy(model)
    if model.opt.solver == mujoco.mjtSolver.mjSOL_PGS:
        model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    try:
        with physics():
            return engine().put_model(model, impl="jax"), engine().make_data(model, impl="jax")
    except NotImplementedError as error:
        feature = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"task {name!r} has in its model {feature!r}, which MJX does not support; step it with C MuJoCo through "
            "jaxrl.envs.adapters.gymnasium.host, or take that out of the model file"
        ) from error


def defaults(model: Any) -> Body:
    """Numbers of an `MjModel` itself."""
    gain = model.actuator_gainprm[:, 0]
    fields = model.body_mass, model.geom_friction, model.opt.gravity, model.dof_damping, gain
    return Body(*(jnp.asarray(field, float) for field in fields))


def embodied(model: Any, body: Body) -> Any:
    """The mjx.Model with the body's numbers."""
    own = model.body_mass
    ratio = jnp.where(own > 0, body.mass / jnp.where(own > 0, own, 1), 1)
    return model.replace(
        body_mass=body.mass,
        body_inertia=model.body_inertia * ratio[:, None],
        geom_friction=body.friction,
        dof_damping=body.damping,
        actuator_gainprm=jnp.asarray(model.actuator_gainprm).at[:, 0].set(body.gain),
        opt=model.opt.replace(gravity=body.gravity),
    )


def reset(world: World, key, params: Body) -> tuple[State, Timestep]:
    """First state and what is seen of it."""
    task = world.task
    with jax.default_matmul_precision("highest"):
        qpos, qvel = task.start(key, jnp.asarray(world.model.qpos0), jnp.zeros_like(world.blank.qvel))
        data = world.blank.replace(qpos=qpos, qvel=qvel)
        if task.needs:
            with physics():
                data = engine().forward(embodied(world.model, params), data)
        read = {name: None if name == FORCES else quantity(data, name) for name in task.needs}
        if FORCES in read:
            read[FORCES] = jnp.zeros_like(data.cvel)
        state = State(qpos, qvel, world.blank.qacc_warmstart, jnp.int32(0), {name: read[name] for name in task.lags})
        zero = jnp.float32(0)
        return state, Timestep(as_float(task.observe(jnp, Look(qpos, qvel, **read))), zero, zero, zero)


def step(world: World, key, params: Body, state: State, action) -> tuple[State, Timestep]:
    """One control step under an action [A] in [-1, 1], which the range of the actuators is scaled to; no randomness."""
    task = world.task
    with jax.default_matmul_precision("highest"):
        command = commands(world.model.actuator_ctrlrange, action)
        moved, read = simulate(world, embodied(world.model, params), state, command)
        before, after = Look(state.qpos, state.qvel, **state.lagging), Look(*moved[:2], **read)
        reward = task.reward(jnp, before, after, command, masses=params.mass)
        time = state.time + 1
        flags = as_float(task.terminated(jnp, after)), as_float(time >= task.horizon)
        state = State(*moved, time, {name: read[name] for name in task.lags})
        return state, Timestep(as_float(task.observe(jnp, after)), as_float(reward), *flags)


def commands(ranges, action):
    """Actions [A] in [-1, 1], clipped to it, in units of the actuators, whose ranges are [A, 2]."""
    low, high = jnp.asarray(ranges).T
    return (low + high) / 2 + (high - low) / 2 * jnp.clip(action, -1, 1)


def simulate(world: World, model: Any, state: State, command) -> tuple[tuple[Any, Any, Any], dict[str, Any]]:
    """((qpos, qvel, warm start), what the task needs to read) after the control step's simulation steps."""
    task = world.task

    def substep(moved, _):
        qpos, qvel, warmstart = moved
        data = world.blank.replace(qpos=qpos, qvel=qvel, qacc_warmstart=warmstart, ctrl=command)
        data = engine().step(model, data)
        data = with_forces(model, data) if FORCES in task.needs else data
        return (data.qpos, data.qvel, data.qacc_warmstart), {name: quantity(data, name) for name in task.needs}

    with physics():
        moved, reads = jax.lax.scan(substep, (state.qpos, state.qvel, state.warmstart), length=task.frame_skip)
    return moved, {name: read[-1] for name, read in reads.items()}


def with_forces(model: Any, data: Any) -> Any:
    """The mjx.Data with contact forces on bodies."""
    return engine().rne_postconstraint(model, data)


def quantity(data: Any, name: str) -> Any:
    """A field of mjx.Data by its name in MuJoCo."""
    return getattr(data._impl, name) if hasattr(data._impl, name) else getattr(data, name)


def as_float(value):
    """float32 of any array."""
    return jnp.asarray(value, jnp.float32)
