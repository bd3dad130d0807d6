"""What sequence models are for, by the measurements of `benchmarks/effects`. Thresholds are measured.

A threshold is the mean difference of five seeds less three standard errors; the tests train the first ones.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.effects import ad, dpt, dt
from jaxrl.algorithms.sequence import dt as card
from jaxrl.core.types import Spec, Timestep
from jaxrl.data.dataset import Arrays, from_arrays
from jaxrl.envs import bandits
from jaxrl.sources.subsequences import subsequences
from jaxrl.train.fit import fit

RISE = 37.5  # 55.2 - 3 x 5.9
BELOW_MARGIN = 0.09  # 0.278 - 3 x 0.062
BELOW_GREEDY = 0.10  # 0.251 - 3 x 0.049
BELOW_CLONE = 4.9  # 5.84 - 3 x 0.31


@pytest.mark.slow
def test_more_is_achieved_where_more_is_asked_for():
    low, middle, high = dt.achieved(range(3))
    assert (high - low).mean() > RISE
    assert low.mean() < middle.mean() < high.mean()


@pytest.mark.slow
def test_dpt_is_near_thompson_sampling_and_not_held_by_bad_starts():
    summed, late = dpt.pretrained([0, 1])
    thompson, _ = dpt.known([0, 1], bandits.thompson(dpt.ARMS, dpt.STD))
    _, greedy = dpt.known([0, 1], bandits.empirical(dpt.ARMS))
    assert np.mean(dpt.MARGIN * thompson - summed) > BELOW_MARGIN
    assert np.mean(greedy - late) > BELOW_GREEDY


@pytest.mark.slow
def test_a_distilled_algorithm_goes_on_learning_in_bandits_it_has_not_met():
    gains = ad.distilled("bc", [0, 1]) - ad.distilled("ad", [0, 1], **ad.NUMBERS)
    assert gains.mean() > BELOW_CLONE


LENGTH = 3
WAYS = {0: -1, 1: 1}
PAID = {0: 0.25, 1: 1.0}
"""Of a line of 2 LENGTH + 1 places: what actions do, and what the last step of either branch pays."""


def branches(episodes: int):
    """From the middle of a line always left, for 0.25 at the end, or always right, for 1."""
    eye = np.eye(2 * LENGTH + 1, dtype=np.float32)
    action = np.repeat(np.arange(episodes) % 2, LENGTH)
    time = np.tile(np.arange(LENGTH), episodes)
    way = np.where(action == 1, 1, -1)
    last = time == LENGTH - 1
    place = LENGTH + way * time
    reward = (last * np.where(action == 1, PAID[1], PAID[0])).astype(np.float32)
    return from_arrays(Arrays(eye[place], action, reward, eye[place + way], last, ~last & False, last))


@pytest.mark.slow
def test_the_return_asked_for_chooses_between_two_demonstrations():
    """The acceptance check of the specification; the first step decides, and is the only hard one."""
    spec = Spec("two branches", 2 * LENGTH + 1, 2, LENGTH, discrete=True)
    algo = card.learner(spec, width=16, blocks=1, window=LENGTH)
    hyper = card.Hyper(actor_lr=3e-3, warmup_updates=20.0, return_scale=1.0, dropout=0.0)
    data = branches(64)
    run = jax.jit(lambda key: fit(key, algo, hyper, subsequences(data, 64, window=LENGTH), 200)[0].state)
    state = run(jax.random.key(0))
    for action, paid in PAID.items():
        policy = algo.policy(card.Hyper(return_scale=1.0, target_return=paid), state)
        act, memory, place, taken = jax.jit(policy.act), policy.start(), LENGTH, []
        for time in range(LENGTH):
            obs = jnp.eye(2 * LENGTH + 1)[place]
            chosen, memory = act(jax.random.key(time), Timestep(obs, jnp.float32(0), 0.0, 0.0), memory)
            taken.append(int(chosen))
            place += WAYS[int(chosen)]
        assert taken == [action] * LENGTH
