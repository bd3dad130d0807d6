"""Trajectory weights by hand, exact draws, and what the wrappers and variants refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl import registry
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset
from jaxrl.data import mixtures, samplers, variants, weighting
from jaxrl.data.dataset import Arrays, check, episode_ends, episode_returns, from_arrays
from tests import made


def episodes(lengths, returns, first=None) -> Dataset:
    """One dimension of observation, `first` at each episode's start; the return comes with the last step."""
    count = sum(lengths)
    last = np.zeros(count, bool)
    last[np.cumsum(lengths) - 1] = True
    reward, obs = np.zeros(count), np.zeros((count, 1))
    reward[last] = returns
    if first is not None:
        obs[np.cumsum([0, *lengths[:-1]]), 0] = first
    zero = np.zeros(count, bool)
    return from_arrays(Arrays(obs, np.zeros((count, 1), np.float32), reward, obs, zero, last, last))


def test_the_mass_of_long_good_episodes_is_that_of_a_softmax_over_steps():
    data = episodes([100] * 95 + [1000] * 5, [0.0] * 95 + [100.0] * 5)
    weights = weighting.return_weights(data, 0.1)
    share = weights[9500:].sum() / weights.sum()
    assert share == pytest.approx(0.99991, abs=1e-5)
    assert share == pytest.approx(5000 * np.exp(10) / (5000 * np.exp(10) + 9500), rel=1e-9)
    assert weights.mean() == pytest.approx(1)


def test_weights_of_three_episodes_by_hand():
    data = episodes([1, 2, 1], [0.0, 1.0, 2.0])
    each = np.exp(np.array([0, 0.5, 0.5, 1]) / 0.5)
    np.testing.assert_allclose(weighting.return_weights(data, 0.5), each / each.mean(), rtol=1e-9)


@pytest.mark.parametrize("scheme", [weighting.return_weights, weighting.advantage_weights])
def test_equal_returns_are_drawn_evenly(scheme):
    data = episodes([3, 5, 4], [7.3, 7.3, 7.3], [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(scheme(data, 0.1), 1)


def test_returns_that_follow_from_the_start_give_no_advantage():
    data = episodes([3, 5, 4], [1.0, 3.0, 5.0], [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(weighting.advantage_weights(data, 0.1), 1)


def test_advantages_do_not_favour_lucky_starts():
    """Half the starts give ten more; skill is worth up to one."""
    draw = np.random.default_rng(0)
    lucky, skill = np.arange(200) % 2, draw.uniform(size=200)
    data = episodes([10] * 200, 10 * lucky + skill, lucky)
    mass = lambda weights: weights.reshape(200, 10).sum(1)[lucky == 1].sum() / weights.sum()
    assert mass(weighting.return_weights(data, 0.1)) > 0.8
    assert abs(mass(weighting.advantage_weights(data, 0.1)) - 0.5) < 0.1


def test_positive_sided_variance():
    assert weighting.positive_sided_variance(np.array([0.0, 0.0, 0.0, 4.0])) == pytest.approx(9 / 4)


@pytest.mark.parametrize("weights", [[1.0], [0.0, 2.0, 1.0, 5.0, 0.0], np.random.default_rng(0).pareto(1, 1000)])
def test_the_table_holds_the_weights_exactly(weights):
    weights = np.asarray(weights)
    keep, other = weighting.alias_table(weights)
    chance = keep.copy()
    np.add.at(chance, other, 1 - keep)
    np.testing.assert_allclose(chance / len(weights), weights / weights.sum(), atol=1e-15, rtol=1e-9)
    assert keep.min() >= 0 and keep.max() <= 1


def test_draws_follow_the_weights_where_sums_in_single_precision_would_not():
    """A thousandth of the mass is spread over a million steps behind two that are drawn nearly always."""
    count = 2**20
    weight = np.full(count, 1e-3 / count)
    weight[:2] = 0.5
    data = episodes([count], [0.0])
    data = weighting.with_table(data._replace(steps=data.steps._replace(weight=jnp.asarray(weight, jnp.float32))))
    data = data._replace(steps=data.steps._replace(reward=jnp.arange(count, dtype=jnp.float32)))
    drawn = np.asarray(jax.jit(samplers.weighted(10**6))(jax.random.key(0), data).reward)
    rare = drawn > 1
    assert rare.sum() == pytest.approx(1000, abs=4 * 1000**0.5)
    assert drawn[rare].mean() == pytest.approx(count / 2, rel=0.08)
    assert (drawn == 0).sum() == pytest.approx((drawn == 1).sum(), abs=4 * 1000)


def test_weights_multiply_those_there_are_and_have_mean_one():
    data = check(from_arrays(made.arrays()))
    base = jnp.where(jnp.arange(80) < 40, 0.0, 2.0)
    data = data._replace(steps=data.steps._replace(weight=base))
    new = check(weighting.reweighted(data, weighting.return_weights(data, 0.1)))
    assert bool((new.steps.weight[:40] == 0).all())


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_none_is_refused_in_one_line(temperature):
    with pytest.raises(InputError, match=r"^setting weight_temperature=.* must be above 0, such as 0.1$"):
        weighting.return_weights(from_arrays(made.arrays()), temperature)


def test_no_weight_at_all_is_refused():
    data = from_arrays(made.arrays())
    with pytest.raises(InputError, match="80 steps add up to 0"):
        weighting.reweighted(data, np.zeros(80))


@pytest.mark.parametrize("wrapper", ["aw", "rw"])
def test_a_wrapped_card_learns_from_weighted_draws(wrapper):
    card = registry.card(f"{wrapper}+bc")
    task = card.prepare(made.task(), weight_temperature=0.01)
    source = card.collect(task.dataset, 400)
    _, batch = source.next(jax.random.key(0), source.init(jax.random.key(1)), None)
    assert batch.extras == {} and bool((batch.weight == 1).all())
    best = int(np.argmax(weighting.return_weights(task.dataset, 0.01)))
    first = np.asarray(batch.obs)[:, None] == np.asarray(task.dataset.steps.obs)
    rows = first.all(-1).argmax(1)
    expected = np.asarray(task.dataset.steps.weight)[best // 20 * 20 :][:20].sum() / 80
    assert (rows // 20 == best // 20).mean() == pytest.approx(expected, abs=0.1) or wrapper == "aw"


def test_even_weights_train_like_the_card_itself_but_for_the_draws():
    plain, wrapped = registry.card("td3_bc"), registry.card("rw+td3_bc")
    assert wrapped.make is plain.make and wrapped.hyper is plain.hyper and wrapped.name == "rw+td3_bc"
    assert wrapped.preparation() == {**plain.preparation(), "weight_temperature": 0.1}
    result = jaxrl.sweep("rw+bc", made.task(), updates=2, episodes=1, batch=8, width=8, weight_temperature=0.5)
    assert np.isfinite(result.returns).all()


@pytest.mark.parametrize("name", ["aw+sac", "rw+mopo", "aw+rw+bc"])
def test_other_cards_are_refused_in_one_line(name):
    with pytest.raises(InputError, match=r"^wrapper [ar]w weights draws of [^\n]*; wrap a[^\n]*$"):
        registry.card(name)


def test_a_mixture_has_its_share_of_good_episodes():
    good, poor = episodes([2] * 40, [1.0] * 40), episodes([2] * 40, [0.0] * 40)
    mixed = check(variants.changed(good, "mixture:0.05", lambda: poor))
    returns = episode_returns(mixed)
    assert len(returns) == 42 and returns.sum() == 2
    assert mixtures.mixture(good, 1.0, None, poor) is good
    with pytest.raises(InputError, match="unknown variant of a dataset 'mixture'"):
        variants.changed(good, "mixture:0.05")


def test_datasets_of_other_shapes_do_not_join():
    with pytest.raises(InputError, match="differ in their observations, actions or extras"):
        mixtures.joined(episodes([2], [0.0]), from_arrays(made.arrays()))


def test_a_dataset_without_a_known_twin_is_refused_in_one_line():
    with pytest.raises(InputError, match="names no behaviour such as expert"):
        jaxrl.load("embedded/pendulum-random-v0+mixture:0.05")


def test_hidden_actions_leave_labels_on_episodes_of_low_return():
    data = episodes([3] * 20, np.arange(20.0))
    hidden = variants.changed(data, "unlabelled:0.9")
    kept = np.asarray(hidden.steps.extras[mixtures.LABELLED])
    ends = episode_ends(hidden)
    assert kept[ends].sum() == 2 and kept.sum() == 6 and kept[ends][10:].sum() == 0
    alone = check(mixtures.labelled_only(hidden))
    np.testing.assert_array_equal(episode_returns(alone), np.flatnonzero(kept[ends]))
    with pytest.raises(InputError, match="lacks the extra 'labelled'"):
        mixtures.labelled_only(data)
