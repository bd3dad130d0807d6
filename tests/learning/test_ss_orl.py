"""Actions filled in by an inverse model are nearly as good as logged ones.

Thresholds: gains of `benchmarks.effects` less three standard errors, five seeds.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from benchmarks.effects import ss_orl as cases
from jaxrl.compose.inverse import inverse
from jaxrl.core.types import Given, Task
from jaxrl.data import mixtures, transitions
from jaxrl.data.dataset import Arrays, from_arrays
from tests import made

OVER_THE_TENTH = 26.2  # 43.1 - 3 x 5.6
OVER_ALL = -2.5  # 1.7 - 3 x 1.4


def positions_alone(episodes: int = 200, length: int = 20) -> Task:
    """A mass pushed at random on a slack spring, whose speed is not observed: two positions do not tell the push."""
    draw = np.random.default_rng(0)
    push = draw.uniform(-1, 1, (episodes, length))
    place, speed = np.zeros((episodes, length + 1)), draw.normal(size=episodes)
    for time in range(length):
        speed = 0.5 * speed + push[:, time]
        place[:, time + 1] = 0.8 * place[:, time] + speed
    flat = lambda x: x.reshape(-1, 1).astype(np.float32)
    last = np.tile(np.arange(length) == length - 1, episodes)
    zero = np.zeros(last.shape, bool)
    data = from_arrays(Arrays(flat(place[:, :-1]), flat(push), zero, flat(place[:, 1:]), zero, last, last))
    env = made.task().env
    spec = env.spec._replace(obs=1)
    return Task("line", env._replace(spec=spec), data)


def explained(history: int) -> float:
    """Share of the variance of hidden pushes, three or more steps into an episode, that the inverse model explains."""
    card, task = jaxrl.cards()["ss_orl"], positions_alone()
    task = card.prepare(task, hidden=0.5, standardise=False)
    phase = card.make(task.env, 64, history=history, inverse_width=64, inverse_batch=128, inverse_updates=3_000)[0]
    hyper, key = card.hyper(inverse_lr=3e-3, inverse_dropout=0.0), jax.random.key(0)
    given = Given(task.dataset)

    @jax.jit
    def run():
        source = phase.source(given, phase.stock(key, hyper, given, {}))

        def one(state, i):
            _, batch = source.next(jax.random.fold_in(key, i), (), None)
            return phase.learner.update(jax.random.fold_in(key, i), hyper, state, batch)[0], None

        return jax.lax.scan(one, phase.learner.init(key, hyper), jnp.arange(3_000))[0]

    model = inverse(task.env.spec, history, width=64)
    index = jnp.arange(4_000)
    guess = model.predict(run(), transitions.around(task.dataset, index, history))
    rest = np.asarray((mixtures.labels(task.dataset) == 0) & (index % 20 >= 3))
    true = np.asarray(task.dataset.steps.action)[rest]
    return float(1 - np.square(np.asarray(guess)[rest] - true).mean() / true.var())


@pytest.mark.slow
def test_a_history_of_one_step_tells_pushes_that_two_states_do_not():
    assert explained(1) > 0.98
    assert explained(0) < 0.9


@pytest.mark.slow
def test_a_tenth_of_the_actions_is_as_good_as_all_of_them():
    ours = cases.filled_in(cases.MIXTURE, 5)
    assert (ours - cases.labelled_alone(cases.MIXTURE, 5)).mean() > OVER_THE_TENTH
    assert (ours - cases.scores("td3_bc", cases.MIXTURE, 5)).mean() > OVER_ALL
