"""Orders held out are sorted by what is new in them and never in the data; scores before and after online steps."""

import itertools
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import jaxrl
from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.envs import errands
from jaxrl.protocols import conditions, stitching
from jaxrl.protocols.offline_to_online import offline_then_online


def test_orders_are_sorted_by_what_is_new_in_them():
    found = stitching.held_out()
    assert sorted(set().union(*found)) == sorted(itertools.permutations(range(4), 3))
    assert sum(map(len, found)) == 24
    seen = {(-1, 0), (0, 1), (1, 2), (-1, 1), (1, 3), (3, 2), (-1, 2), (2, 0), (-1, 3)}
    # 0 1 3: from the start to 0, 0 to 1 and 1 to 3 are in the data, each in another order.
    assert found.recombined == ((0, 1, 3), (1, 2, 0))
    for one in found.new:
        assert not {(-1, one[0]), one[:2], one[1:]} <= seen
    with pytest.raises(InputError, match="recombined orders are none"):
        stitching.held_out([(0, 1, 2)])
    with pytest.raises(InputError, match="is none"):
        stitching.held_out([(0, 0, 2)])


@pytest.fixture(scope="module")
def task():
    """A walker that is often astray, so that the sites are passed in all orders."""
    env = stitching.environment(stitching.TRAIN)
    data = conditions.recorded(jax.random.key(0), env, errands.distracted(0.5), 2_000)
    return conditions.task("made/errands-v0", env, data, Reference(0.0, 3.0, "expert", "given"))


def test_data_ask_for_no_held_out_order_and_a_leak_is_seen(task):
    orders, steps = stitching.held_out(), task.dataset.steps
    cells = len(errands.MAP.cells)
    whole = stitching.asked(steps.obs).reshape(-1, 3, 4)
    whole = whole[(whole.sum((1, 2)) == 3)].argmax(-1)
    assert set(map(tuple, whole.tolist())) == set(orders.train)
    for name, order in (("obs", orders.recombined[0]), ("next_obs", orders.new[-1])):
        asked = np.eye(4, dtype=np.float32)[list(order)].reshape(-1)
        leaked = getattr(steps, name).at[33, cells:].set(asked)
        with pytest.raises(InputError, match=f"^{name} of the data asks for 1 of the held-out orders"):
            stitching.sealed(orders, task.dataset._replace(steps=steps._replace(**{name: leaked})))


def test_data_for_hindsight_show_cells_alone(task):
    cells = len(errands.MAP.cells)
    short = stitching.with_next_site(task)
    assert short.dataset.steps.obs.shape[-1] == cells and short.env.spec.obs == 2 * cells
    np.testing.assert_array_equal(short.dataset.steps.next_obs, task.dataset.steps.next_obs[:, :cells])
    assert short.version != task.version


def run(scores, steps, online=True):
    """As much of a Result as is read: scores [H, K, C] at environment steps [C]."""
    card = SimpleNamespace(name="made", gathers=online)
    found = SimpleNamespace(name="made", references=(Reference(0.0, 1.0, "expert", "given"),))
    return SimpleNamespace(card=card, task=found, scores=np.array(scores, float), env_steps=np.array(steps))


def test_regret_by_hand():
    # The warm-up's 1,000 steps count for all checkpoints alike; areas of what is lacking: 0.6 and 0.3 on average.
    result = run([[[20, 60, 80], [100, 100, 100]]], [1_000, 2_000, 4_000])
    found = offline_then_online(result)
    np.testing.assert_array_equal(found.first, [[20, 100]])
    np.testing.assert_array_equal(found.last, [[80, 100]])
    np.testing.assert_allclose(found.regret, [[(0.6 * 1_000 + 0.3 * 2_000) / 3_000, 0]])
    assert found.steps == 3_000
    early = offline_then_online(result, 1_500)
    np.testing.assert_array_equal(early.last, [[60, 100]])
    np.testing.assert_allclose(early.regret, [[0.6, 0]])
    with pytest.raises(InputError, match="before the first checkpoint"):
        offline_then_online(result, 999)
    with pytest.raises(InputError, match="takes no online steps"):
        offline_then_online(run([[[1, 2]]], [0, 0], online=False))


@pytest.mark.slow
def test_a_real_run_starts_where_its_offline_training_ended():
    small = {"width": 16, "batch": 16, "offline_updates": 30, "warmup": 40, "capacity": 1_000, "samples": 2}
    maze = "embedded/pointmaze-medium-medium-replay-v0"
    result = jaxrl.sweep("cal_ql", maze, seeds=2, updates=60, evaluate_every=20, episodes=2, **small)
    assert result.env_steps[0] == 40
    found = offline_then_online(result)
    assert found.steps == 60 and found.first.shape == (1, 2)
    np.testing.assert_array_equal(found.first, result.scores[..., 0])
    lacking = 1 - result.scores / 100
    np.testing.assert_allclose(found.regret, (lacking[..., 1:] + lacking[..., :-1]).mean(-1) / 2)


@pytest.mark.slow
def test_new_pairs_are_harder_and_hindsight_on_wandering_data_solves_them():
    orders = stitching.held_out()
    whole = stitching.task(jax.random.key(0), orders, steps=10_000, stray=0.5, noise=0.1)
    settings = {"seeds": 3, "updates": 3_000, "evaluate_every": 3_000, "episodes": 40, "width": 64, "batch": 128}
    own = {"actor_lr": 1e-3, "standardise": False}
    told = stitching.completed("bc", whole, orders, **settings, **own)
    hindsight = stitching.completed("gc_bc", stitching.with_next_site(whole), orders, ahead=0.9, **settings, **own)
    assert told["train"].mean() > 0.95
    assert told["train"].mean() - told["new"].mean() > 0.25
    assert hindsight["new"].mean() > told["new"].mean() + 0.25
