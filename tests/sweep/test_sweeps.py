"""Sweeps at scale: lists of anything, chunks that fit the memory, members that know nothing of each other."""

import jax
import numpy as np
import pytest

import jaxrl
from jaxrl import experiment
from jaxrl.core import hyper as records
from jaxrl.core.check import InputError
from jaxrl.experiment import chunks, programs
from tests import made

TASK = made.task()
SMALL = {"updates": 6, "evaluate_every": 3, "episodes": 1, "batch": 8, "width": 8, "depth": 1}
GIB = 2**30


def run(card="td3_bc", **options):
    return jaxrl.sweep(card, TASK, **{**SMALL, **options})


def parts():
    structure = (("depth", 1), ("width", 8))
    return experiment.trial("td3_bc", TASK.env.spec, structure, (), 8, 1, experiment.functions(TASK.env), None)


def who(seeds):
    return experiment.members(list(range(seeds)), experiment.grid("td3_bc"))


def test_memory_grows_with_members_and_the_data_are_there_once():
    task = made.task(episodes=500, length=200)
    given = programs.given(task)
    few, many = (chunks.needed(parts(), given, who(n)) for n in (2, 16))
    state = parts().training[0].begin.shapes(who(1).keys, who(1).hypers, given, {}).state
    each = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
    data = sum(x.nbytes for x in jax.tree.leaves(task.dataset))
    assert few > data / 2 and each <= (many - few) / 14 < 12 * each < data / 14


def test_chunks_are_announced_and_change_nothing(tmp_path):
    lines, whole = [], run(q_scale=[1.0, 2.5, 5.0], seeds=2)
    given = programs.given(TASK)
    limit = (chunks.needed(parts(), given, who(2)) + 2000) / GIB
    split = run(q_scale=[1.0, 2.5, 5.0], seeds=2, memory=limit, say=lines.append)
    assert len(lines) == 1 and "this sweep needs" in lines[0] and "chunks of" in lines[0]
    assert int(lines[0].split(" chunks")[0].split()[-1]) > 1
    np.testing.assert_allclose(split.returns, whole.returns, rtol=1e-4)
    assert split.returns.shape == (3, 2, 2) and split.seeds == whole.seeds
    obs = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(split.policy(2, 1)(obs), whole.policy(2, 1)(obs), rtol=1e-4)


def test_a_member_that_does_not_fit_is_bad_input():
    with pytest.raises(
        InputError, match=r"one member of this sweep needs .* GiB .* 1e-05 GiB for it; choose a smaller"
    ):
        run(memory=1e-5)


def test_what_is_compiled_to_be_measured_is_what_trains():
    experiment.trial.cache_clear()
    seconds = run(standardise=False).seconds["compile"]
    made = parts()
    assert [len(one._programs) for one in (made.training[0].begin, made.training[0].advance)] == [1, 1]
    assert seconds[0] >= made.training_seconds > 0 == seconds[1]


@pytest.mark.slow
def test_lists_of_numbers_are_a_grid_and_lists_of_others_are_programs():
    one, two = run(q_scale=[1.0, 5.0], width=[8, 16], seeds=2)
    assert one.settings.structure["width"] == 8 and two.settings.structure["width"] == 16
    assert one.returns.shape == two.returns.shape == (2, 2, 2)
    assert [h.q_scale for h in records.unstack(two.hypers)] == [1.0, 5.0]
    alone = run(q_scale=[1.0, 5.0], seeds=2)
    np.testing.assert_array_equal(one.returns, alone.returns)


def test_a_number_beside_a_list_is_common_to_all():
    result = run(q_scale=[1.0, 5.0], actor_lr=1e-2)
    assert [(h.q_scale, round(h.actor_lr, 6)) for h in records.unstack(result.hypers)] == [(1.0, 0.01), (5.0, 0.01)]


def test_points_and_draws():
    listed = jaxrl.points("td3_bc", [{"q_scale": 1.0}, {"actor_lr": 1e-2}])
    assert [round(h.q_scale, 3) for h in records.unstack(listed)] == [1.0, 2.5]
    drawn = jaxrl.draws("td3_bc", 200, jax.random.key(0), q_scale=(1.0, 4.0), actor_lr=(1e-5, 1e-1))
    q, rate = np.asarray(drawn.q_scale), np.asarray(drawn.actor_lr)
    assert q.min() >= 1 and q.max() <= 4 and abs(q.mean() - 2.5) < 0.2
    assert abs(np.log10(rate).mean() + 3) < 0.3, "rates over several decades are drawn in the logarithm"
    again = jaxrl.draws("td3_bc", 200, jax.random.key(0), q_scale=(1.0, 4.0), actor_lr=(1e-5, 1e-1))
    np.testing.assert_array_equal(again.q_scale, drawn.q_scale)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda: jaxrl.grid("td3_bc", width=[8, 16]),
            r"width is no number of td3_bc but part of its program; .*width=\[",
        ),
        (lambda: jaxrl.grid("td3_bc", q_scal=[1.0]), r"unknown hyperparameter 'q_scal'.*q_scale"),
        (lambda: jaxrl.points("td3_bc", []), "an empty list of points for td3_bc; give at least one"),
        (
            lambda: jaxrl.draws("td3_bc", 2, jax.random.key(0), q_scale=(2.0, 1.0)),
            r"the range of q_scale is \(2.0, 1.0\)",
        ),
        (lambda: run(width=[]), "an empty list of values for width; give at least one"),
        (lambda: run(q_scale=[]), "hyperparameter 'q_scale' has an empty list"),
        (lambda: run(q_scale=[1.0], hypers=jaxrl.grid("td3_bc")), "q_scale given both in hypers and as a list"),
        (lambda: run(memory=0.0), "memory=0.0 must be above 0"),
    ],
)
def test_bad_input_is_one_line(call, line):
    with pytest.raises(InputError, match=line) as found:
        call()
    assert "\n" not in str(found.value)


def test_a_member_that_breaks_is_frozen_and_named_and_leaves_the_others_as_they_were():
    sound = run(hypers=jaxrl.grid("td3_bc", critic_lr=[3e-4, 1e-3]), seeds=2)
    broken = run(hypers=jaxrl.grid("td3_bc", critic_lr=[3e-4, 1e30]), seeds=2)
    np.testing.assert_array_equal(broken.episode_returns[0], sound.episode_returns[0])
    for ours, theirs in zip(jax.tree.leaves(broken.metrics), jax.tree.leaves(sound.metrics), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
    assert (broken.diverged_at[0] == -1).all() and (broken.diverged_at[1] == 2).all()
    assert broken.diverged_part.tolist() == [["", ""], ["critic", "critic"]]
    assert broken.diverged[1].all() and not broken.diverged[0].any()


@pytest.mark.slow
def test_a_broken_phase_of_a_plan_is_blamed():
    options = {"model_updates": 4, "starts": 4, "every": 2, "kept": 1, "horizon": 1, "model_width": 8, "model_depth": 1}
    sizes = {"members": 2, "elites": 1, **options}
    result = run("mopo", hypers=jaxrl.grid("mopo", model_lr=[1e-3, float("inf")]), **sizes)
    assert result.diverged_at.tolist() == [[-1], [0]]
    assert result.diverged_part[1, 0].startswith("model.") and not result.diverged[0].any() and result.diverged[1].all()
