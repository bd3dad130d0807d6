"""Choosing policies from data alone: estimates against known values, the record of a choice, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl.core import hyper
from jaxrl.core.check import InputError
from jaxrl.core.types import Algorithm, Dataset, Env, Policy, Spec, Task, Transition, reactive
from jaxrl.experiment.result import Result
from jaxrl.protocols import offline_selection

SPEC = Spec("line", 1, 1, 30)
DISCOUNT, RIDGE = 0.9, 1e-6
GAINS = (-1.5, -0.9, -0.4, 0.0, 0.3)


@hyper.hyper
class Gain:
    gain: float = 0.0


def along(obs, action):
    """(next, reward): a point is pushed on a line and wants to be at 0.5."""
    following = 0.8 * obs + 0.4 * action
    return following, -((following - 0.5) ** 2).sum(-1)


def data(episodes=200, length=30) -> Dataset:
    """Random pushes."""
    draw = np.random.default_rng(0)
    obs, rows = draw.uniform(-1, 1, (episodes, 1)).astype(np.float32), []
    for _ in range(length):
        action = draw.uniform(-1, 1, (episodes, 1)).astype(np.float32)
        following, reward = along(obs, action)
        rows.append((obs, action, reward, following))
        obs = following
    obs, action, reward, following = (np.stack(x, 1).reshape(episodes * length, -1) for x in zip(*rows, strict=True))
    flat, zero = reward[:, 0], np.zeros(episodes * length, np.float32)
    steps = Transition(obs, action, flat, following, action, zero, zero, zero + 1)
    last = np.repeat(np.arange(episodes) * length + length - 1, length)
    return Dataset(jax.tree.map(jnp.asarray, steps), jnp.asarray(last))


def pushing(gain) -> Policy:
    return reactive(lambda key, obs: jnp.clip(gain * obs + 0.2, -1, 1))


def values(dataset: Dataset) -> list[float]:
    """True discounted values of the policies from the data's first states."""
    out = []
    first = np.asarray(dataset.steps.obs)[::30]
    for gain in GAINS:
        obs, total = first, 0.0
        for time in range(30):
            obs, reward = along(obs, np.clip(gain * obs + 0.2, -1, 1))
            total += DISCOUNT**time * reward.mean()
        out.append(float(total))
    return out


def made(policy=pushing, dataset=None, scores=None, lost=()) -> Result:
    """A sweep of two seeds that only reads its policies' gain, with scores as they are given, [H, 2]."""
    algorithm = Algorithm(None, None, lambda numbers, state: policy(numbers.gain + state["shift"]), None)
    out = object.__new__(Result)
    out.card = jaxrl.registry.card("bc")
    out.task = Task("made/line-v0", Env(SPEC, (), None, None), dataset)
    out.hypers, out.seeds = hyper.stack(*(Gain(gain=gain) for gain in GAINS)), [0, 1]
    out._algorithm, out._state = algorithm, {"shift": jnp.tile(jnp.array([0.0, 0.05]), len(GAINS))}
    scores = np.arange(10.0).reshape(5, 2) if scores is None else scores
    out.episode_returns = scores[:, :, None, None]
    out.diverged = np.zeros((5, 2, 1), bool)
    for place in lost:
        out.diverged[place] = True
    return out


def test_fitted_values_are_the_true_ones():
    dataset = data()
    estimator = offline_selection.fitted(SPEC, discount=DISCOUNT, features=60, ridge=RIDGE, rows=2000)
    one = lambda gain: estimator(jax.random.key(0), dataset, pushing(gain))
    found = np.asarray(jax.jit(jax.vmap(one))(jnp.array(GAINS)))
    np.testing.assert_allclose(found, values(dataset), rtol=0.05, atol=0.02)
    assert np.argsort(found).tolist() == np.argsort(values(dataset)).tolist()


def test_a_choice_is_recorded_with_its_regret():
    scores = np.array([[0.0, 1.0], [7.0, 2.0], [3.0, 9.0], [4.0, 5.0], [6.0, 8.0]])
    result = made(dataset=data(4), scores=scores, lost=[(2, 1)])
    seen = lambda key, dataset, policy: -jnp.abs(policy.act(key, _at(1.0), ())[0][0] - 0.2 + 0.4)
    found = offline_selection.select(result, estimator=seen)
    assert (found.hyper, found.seed, found.numbers) == (2, 0, {"gain": pytest.approx(-0.4)})
    assert (found.value, found.best, found.worst, found.regret, found.left_out) == (3.0, 8.0, 0.0, 5.0, 1)
    assert found.mean == pytest.approx(36 / 9) and np.isnan(found.estimates[2, 1]) and np.isnan(found.true[2, 1])
    right = lambda key, dataset, policy: policy.act(key, _at(1.0), ())[0][0]
    found = offline_selection.select(made(dataset=data(4)), estimator=right)
    assert found.correlation == pytest.approx(1.0, abs=0.05) and found.regret <= 1.0


def _at(place: float):
    return jax.tree.map(jnp.asarray, offline_selection.first_steps(jnp.full((1,), place)))


def test_what_cannot_be_chosen_from_is_refused():
    with pytest.raises(InputError, match=r"task made/line-v0 has no data; offline selection needs a dataset's id"):
        offline_selection.select(made())
    remembering = lambda gain: Policy(lambda: jnp.zeros(2), lambda key, timestep, memory: (timestep.obs, memory))
    with pytest.raises(InputError, match="policies of bc have memory"):
        offline_selection.select(made(policy=remembering, dataset=data(4)))
    with pytest.raises(InputError, match="not 2 results, one for each program"):
        offline_selection.select([made(), made()])
    every = [(i, j) for i in range(5) for j in range(2)]
    with pytest.raises(InputError, match="none of the 10 runs of bc has both a score and an estimate"):
        zero = lambda key, dataset, policy: jnp.zeros(())
        offline_selection.select(made(dataset=data(4), lost=every), estimator=zero)
    with pytest.raises(InputError, match="features is 0"):
        offline_selection.fitted(SPEC, features=0)


def test_features_of_classes_tell_them_apart():
    spec = Spec("poles", 2, 3, 10, discrete=True)
    describe = offline_selection.random_features(jax.random.key(0), spec, 50)
    found = describe(jnp.zeros((3, 2)), jnp.arange(3))
    assert found.shape == (3, 51) and np.linalg.matrix_rank(np.asarray(found)) == 3
    # Products of two descriptions approach a Gaussian kernel, 1 for the same place.
    wide = offline_selection.random_features(jax.random.key(1), Spec("line", 1, 1, 10), 20_000)
    one = wide(jnp.array([[0.0], [0.5]]), jnp.zeros((2, 1)))[:, 1:]
    np.testing.assert_allclose(one @ one.T, [[1, np.exp(-0.25)], [np.exp(-0.25), 1]], atol=0.03)


@pytest.mark.slow
def test_a_sweep_is_chosen_from_offline():
    result = jaxrl.sweep(
        "td3_bc", "embedded/pendulum-medium-replay-v0", q_scale=[0.05, 500.0], seeds=[5, 6], updates=3000,
        evaluate_every=3000, episodes=20, batch=64, width=64, actor_lr=[1e-3], critic_lr=[1e-3],
    )  # fmt: skip
    found = offline_selection.select(result)
    assert found.true.shape == (2, 2) and found.left_out == 0
    assert found.value > found.mean, "a policy chosen at random is worse"
