"""ALP-GMM (arXiv:1910.07224): practise where the absolute learning progress is high.

A Gaussian mixture over (task, progress) is fitted to the last round of episodes; progress is the change of return
since the nearest task that was tried before.

Departures: of equally near tasks the latest counts, since tasks that are clipped to a corner of the box coincide, and
compared with the first of them they would seem to progress for ever; returns come scaled to [0, 1].
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.core.types import Teacher
from jaxrl.losses import gaussian_mixture
from jaxrl.losses.gaussian_mixture import Mixture


class State(NamedTuple):
    """tasks: [M, D] and returns: [M] so far, `count` of them; mixture: over (task, progress); fitted: 0 before."""

    tasks: Array
    returns: Array
    count: Array
    mixture: Mixture
    fitted: Array


def uniform(dimensions: int) -> Teacher:
    """Tasks drawn evenly from the unit box, whatever happens: the baseline."""
    draw = lambda key, state, count: jax.random.uniform(key, (count, dimensions))
    return Teacher(lambda key: (), draw, lambda key, state, tasks, returns: state)


def alp_gmm(
    dimensions: int, *, memory: int = 20_000, most: int = 10, random: float = 0.2, iterations: int = 100
) -> Teacher:
    """The teacher: a mixture of 2 to `most` Gaussians after every round, chosen by the Akaike criterion.

    Tasks are points of the unit box of that many dimensions, returns are to be scaled to [0, 1]. A round is what one
    `propose` gives (250 tasks in the paper), reported in the order in which the episodes ended. memory: episodes kept
    for the search of neighbours, the oldest overwritten; random: share of tasks drawn evenly. InputError where
    `random` is no share, or for no dimension.
    """
    if dimensions < 1 or not 0 <= random <= 1:
        raise InputError(f"alp_gmm needs a dimension and a share of random tasks, not {dimensions} and {random}")

    def init(key):
        size = dimensions + 1
        flat = Mixture(
            jnp.ones(most) / most, jnp.full((most, size), 0.5), jnp.broadcast_to(jnp.eye(size), (most, size, size))
        )
        return State(jnp.zeros((memory, dimensions)), jnp.zeros(memory), jnp.int32(0), flat, jnp.float32(0))

    def propose(key, state, count):
        even, choose, which, normal = jax.random.split(key, 4)
        tasks = jax.random.uniform(even, (count, dimensions))
        progress = jnp.where(state.mixture.weight > 0, jnp.maximum(state.mixture.mean[:, -1], 1e-6), 0)
        pick = jax.random.categorical(which, jnp.log(progress), shape=(count,))
        noise = jax.random.normal(normal, (count, dimensions + 1, 1))
        drawn = state.mixture.mean[pick] + (state.mixture.factor[pick] @ noise)[..., 0]
        chosen = (jax.random.uniform(choose, (count, 1)) >= random) & (state.fitted > 0)
        return jnp.where(chosen, jnp.clip(drawn[:, :-1], 0, 1), tasks)

    def observe(key, state, tasks, returns):
        def insert(state, episode):
            task, gain = episode
            away = jnp.square(state.tasks - task[None]).sum(axis=1)
            away = jnp.where(jnp.arange(memory) < state.count, away, jnp.inf)
            age = (state.count - 1 - jnp.arange(memory)) % memory
            nearest = jnp.where(away == away.min(), age, memory).argmin()
            progress = jnp.where(state.count > 5, jnp.abs(gain - state.returns[nearest]), 0.0)
            at = state.count % memory
            kept = state.tasks.at[at].set(task), state.returns.at[at].set(gain), state.count + 1
            return State(*kept, state.mixture, state.fitted), progress

        state, progress = jax.lax.scan(insert, state, (tasks, returns))
        points = jnp.concatenate([tasks, progress[:, None]], axis=1)
        mixture = gaussian_mixture.best(key, points, 2, most, iterations)
        return state._replace(mixture=mixture, fitted=jnp.float32(1))

    return Teacher(init, propose, observe)


def teach(key, teacher: Teacher, start: Any, practise: Callable, rounds: int, count: int) -> tuple[Any, Any]:
    """(student, teacher's state) after a number of rounds of `count` tasks.

    practise: (key, student, tasks [count, D]) -> (student, returns [count] in [0, 1]), in the tasks' order.
    """
    begin, go = jax.random.split(key)

    def one(carry, key):
        student, state = carry
        propose, work, learn = jax.random.split(key, 3)
        tasks = teacher.propose(propose, state, count)
        student, returns = practise(work, student, tasks)
        return (student, teacher.observe(learn, state, tasks, returns)), None

    return jax.lax.scan(one, (start, teacher.init(begin)), jax.random.split(go, rounds))[0]


def climber(cubes: int) -> tuple[Float[Array, "C C"], Callable]:
    """(competences, practise) of the paper's toy student, on the first two dimensions of a task.

    The unit square is cut into cubes x cubes; a visit to an unlocked one adds 1 to its competence, up to 100. The
    first is unlocked, another once a neighbour with one or both indices less by one has 75. The return is
    competence / 100.
    """

    def visit(skill, task):
        row, column = jnp.clip((task[:2] * cubes).astype(jnp.int32), 0, cubes - 1)
        edge = jnp.pad(skill, ((1, 0), (1, 0)))
        before = jnp.stack([edge[row, column], edge[row + 1, column], edge[row, column + 1]])
        unlocked = (before >= 75).any() | (row + column == 0)
        skill = skill.at[row, column].add(jnp.where(unlocked, 1.0, 0.0)).clip(max=100)
        return skill, skill[row, column] / 100

    return jnp.zeros((cubes, cubes)), lambda key, skill, tasks: jax.lax.scan(visit, skill, tasks)


CARD = Procedure(
    "alp_gmm",
    "teacher",
    (alp_gmm, uniform, teach, climber),
    Paper(
        "arXiv:1910.07224",
        "Teacher Algorithms for Curriculum Learning of Deep RL in Continuously Parameterized Environments",
        "Portelas, Rémy and Colas, Cédric and Hofmann, Katja and Oudeyer, Pierre-Yves",
        2019,
    ),
)
