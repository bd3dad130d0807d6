"""SynthER against TD3+BC on real steps: with all of the data, with little of it; and whether rows obey the dynamics.

In the small maze a tenth of the data, 3,000 steps, is still all that TD3+BC needs (98 of 100 points, as with the
whole), so the gain from little data is looked for in a fiftieth of it, and in a tenth of the large maze's.

Smooth dynamics ask for a better model: on the pendulum the loss to real data was 21 +- 1.3 points where made next
observations were off by 0.023 standard deviations (6,000 updates, 8 seeds), and 5 +- 1.5 where by 0.013 (20,000
updates, 5 seeds).
"""

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl.algorithms.generative import synther
from jaxrl.core.tree import take
from jaxrl.core.types import Task, Transition
from jaxrl.data import rows
from jaxrl.envs.control import State

SMALL_MAZE = "embedded/pointmaze-umaze-medium-replay-v0"
LARGE_MAZE = "embedded/pointmaze-large-medium-replay-v0"
LITTLE = f"{SMALL_MAZE}+share:0.02"
PENDULUM = "embedded/pendulum-medium-v0"
EXPECTED = {
    SMALL_MAZE: "equal",
    LITTLE: "better",
    f"{LARGE_MAZE}+share:0.1": "better",
    PENDULUM: "equal",
}
TRAINING = {
    "width": 32, "batch": 64, "updates": 8_000, "evaluate_every": 1_000, "episodes": 20, "actor_lr": 1e-3,
    "critic_lr": 1e-3,
}  # fmt: skip
MODEL = {"generator_width": 128, "blocks": 3, "levels": 32}
MAKING = {**MODEL, "generator_updates": 6_000, "generator_lr": 1e-3, "made": 20_000, "chunk": 2_000}
LONGER = {PENDULUM: {"generator_updates": 20_000}}
LAST = 4
ROWS = 2_000


def score(result) -> list[float]:
    """Mean score of each seed over its last evaluations."""
    return result.scores[0, :, -LAST:].mean(-1).tolist()


def drawn(result, seeds: int) -> Transition:
    """Rows of each seed's trained generator as standardised steps, [seeds, ROWS, ...]."""
    spec = result.task.env.spec
    learner = synther.model(spec, updates=1, width=MODEL["generator_width"], blocks=MODEL["blocks"], levels=32)
    codec = rows.whitening(result.task.dataset.steps)

    def one(key, params):
        state = learner.init(key, synther.Hyper())._replace(target=params)
        return rows.decode(codec, learner.sample(key, synther.Hyper(), state, ROWS), spec)

    keys = jax.random.split(jax.random.key(7), seeds)
    return jax.jit(jax.vmap(one))(keys, result.earlier["generator"].target)


def following(name: str, task: Task, obs, action):
    """What truly follows standardised observations [n, D] and actions [n, A] in a raw task's environment; raw."""
    raw = obs * task.scaler.std[None] + task.scaler.mean[None]
    values = jnp.stack([jnp.arctan2(raw[:, 1], raw[:, 0]), raw[:, 2]], -1) if "pendulum" in name else raw
    env = jaxrl.load(name).env

    def step(values, action):
        return env.step(jax.random.key(0), env.params, State(values, jnp.int32(0)), action)[1].obs

    return jax.vmap(step)(values, action)


def dynamics(name: str, result, seeds: int) -> Effect:
    """Mean error of made next observations against the true step, beside how far one step moves at all."""
    steps = drawn(result, seeds)

    def error(obs, action, next_obs):
        truth = result.task.scaler(following(name, result.task, obs, action))
        return float(jnp.abs(next_obs - truth).mean())

    errors = [error(*(x[i] for x in (steps.obs, steps.action, steps.next_obs))) for i in range(seeds)]
    real = take(result.task.dataset.steps, np.random.default_rng(0).integers(0, len(result.task.dataset.last), ROWS))
    assert error(real.obs, real.action, real.next_obs) < 1e-4, "the true step is the data's own"
    moves = [float(jnp.abs(steps.next_obs[i] - steps.obs[i]).mean()) for i in range(seeds)]
    return Effect("synther", "no change", name, "error of made next_obs, in std", errors, moves, higher=False)


def compare(name: str, seeds: int) -> list[Effect]:
    """Scores on made and on real data, and on whole datasets the rows' error."""
    real = score(jaxrl.sweep("td3_bc", name, seeds=seeds, **TRAINING))
    made = jaxrl.sweep("synther", name, seeds=seeds, **TRAINING, **{**MAKING, **LONGER.get(name, {})})
    found = [Effect("synther", "td3_bc", name, "score", score(made), real, expected=EXPECTED[name])]
    return found if "+" in name else [*found, dynamics(name, made, seeds)]


def measure(seeds: int) -> list[Effect]:
    """Networks of 32 units, 8,000 updates; the generator has 6,000 or more and makes 20,000 rows."""
    return [effect for name in EXPECTED for effect in compare(name, seeds)]
