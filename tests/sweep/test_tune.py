"""`jaxrl tune`: rungs that train on from where trials stand, populations that copy each other, and what is written."""

import csv
import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl import bench, experiment, registry, suites, tune
from jaxrl.cli.arguments import Parser
from jaxrl.cli.tune import add_tune
from jaxrl.compose.population import population_based
from jaxrl.core.check import InputError
from jaxrl.tune import Entry, evolution, ground, plans, proposals, space
from tests import made

TASK = made.task()
SMALL = {"width": 8, "depth": 1, "batch": 8}


@pytest.fixture(autouse=True, scope="module")
def optuna():
    """What most of these tests need."""
    return pytest.importorskip("optuna", reason="needs the extra `tune`")


def plan(out, *axes, **options):
    """A small search of behaviour cloning."""
    chosen = {"card": "bc", "trials": 4, "budget": 6, "eta": 2, "episodes": 1, "sampler": "random", "fixed": SMALL}
    chosen |= options
    card = chosen.pop("card")
    return tune.plan(card, "made/up-v0", space=axes or ["actor_lr=1e-4:1e-1:log"], out=out, **chosen)


def quiet(*_):
    """Says nothing."""


def run(asked):
    return tune.run(asked, TASK, quiet)


def rows(out):
    """What is in `trials.csv`."""
    return list(csv.DictReader((out / "trials.csv").read_text().splitlines()))


@pytest.fixture
def calls(monkeypatch):
    """(members, updates) of each compiled call."""
    made_calls = []

    def counted(training, who, task, checkpoints, resume=None):
        made_calls.append((who.size, checkpoints[-1] - (resume.update if resume else 0)))
        return experiment.trained(training, who, task, checkpoints, resume)

    monkeypatch.setattr(ground, "trained", counted)
    return made_calls


def test_a_rung_is_one_call_that_trains_on_and_no_more_than_planned(tmp_path, calls):
    asked = plan(tmp_path, seeds=2, trials=2)
    found = run(asked)
    assert calls == [(4, 3), (2, 3)] and asked.updates == [3, 6]
    assert sum(members * updates for members, updates in calls) == asked.total == 18
    last = [one for one in found.entries if one.rung == 1]
    first = sorted((one for one in found.entries if one.rung == 0), key=lambda one: -one.rank)
    assert {one.trial for one in last} == {one.trial for one in first[:1]}, "the better half goes on"
    hypers = jaxrl.points("bc", [one.values for one in last])
    whole = jaxrl.sweep("bc", TASK, hypers=hypers, seeds=asked.seeds, updates=6, evaluate_every=6, episodes=1, **SMALL)
    np.testing.assert_allclose([one.value for one in last], whole.scores[..., -1].mean(1), rtol=1e-5)
    assert found.best.value == max(one.value for one in last) and found.best.updates == 6


def grounds(folder, identity=0):
    card = registry.card("bc")
    rest = {name: value for name, value in SMALL.items() if name != "batch"}
    return ground.Ground(card, TASK, experiment.settings(card, rest, 8), 1, folder, {"identity": identity})


def test_going_on_gives_the_bits_of_a_run_that_never_paused(tmp_path):
    who = experiment.members([0, 1], jaxrl.grid("bc", actor_lr=[1e-3, 1e-2]))
    paused, whole = grounds(tmp_path / "a"), grounds(tmp_path / "b")
    paused.go(0, who, 3, say=quiet)
    paused.close()
    again = grounds(tmp_path / "a")
    found = again.go(1, who, 6, np.arange(4), 3, quiet)
    expected = whole.go(0, who, 6, say=quiet)
    np.testing.assert_array_equal(found.returns, expected.returns)
    for ours, theirs in zip(jax.tree.leaves(again.standing), jax.tree.leaves(whole.standing), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    again.close()
    whole.close()


def test_members_that_do_not_fit_at_once_are_trained_in_pieces(tmp_path, monkeypatch):
    who = experiment.members([0, 1], jaxrl.grid("bc", actor_lr=[1e-3, 1e-2]))
    whole, split = grounds(tmp_path / "a"), grounds(tmp_path / "b")
    rows = np.array([3, 0, 1, 1])
    expected = [whole.go(0, who, 3, say=quiet), whole.go(1, who, 6, rows, 3, quiet)]
    monkeypatch.setattr(ground.chunks, "size", lambda *_: 2)
    found = [split.go(0, who, 3, say=quiet), split.go(1, who, 6, rows, 3, quiet)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.returns, theirs.returns, rtol=1e-5)
    whole.close()
    split.close()


def test_who_takes_anothers_place_has_all_of_it(tmp_path):
    """Two members of one seed differ; once the second takes the first one's place and numbers, they are the same."""
    own = grounds(tmp_path)
    before = experiment.members([0], jaxrl.grid("bc", actor_lr=[1e-3, 1e-1]))
    own.go(0, before, 3, say=quiet)
    differ = [x for x in jax.tree.leaves(own.standing) if len(x.shape) and not np.array_equal(x[0], x[1])]
    assert differ, "states of different numbers"
    same = experiment.members([0], jaxrl.grid("bc", actor_lr=[1e-3, 1e-3]))
    found = own.go(1, same, 6, np.array([0, 0]), 3, quiet)
    for leaf in jax.tree.leaves(own.standing):
        assert not leaf.shape or np.array_equal(leaf[0], leaf[1])
    assert found.returns[0] == found.returns[1]
    own.close()


@pytest.mark.slow
def test_what_diverges_is_last_and_reported(tmp_path):
    found = run(plan(tmp_path, "actor_lr=1e-3,1e30", trials=3, eta=3, seed=0))
    assert {(row["rung"], row["value"], row["diverged"], row["part"]) for row in rows(tmp_path)} >= {
        ("0", "", "1", "actor")
    }
    assert found.best.values["actor_lr"] == 1e-3 and found.best.rung == 1
    with pytest.raises(InputError, match=r"every trial diverged, see .*trials.csv; narrow the --space"):
        run(plan(tmp_path / "all", "actor_lr=1e30:1e31", trials=3, eta=3))


@pytest.mark.slow
def test_programs_are_searched_side_by_side(tmp_path, calls):
    found = run(plan(tmp_path, "width=8,16", "actor_lr=1e-3,1e-2", fixed={"depth": 1, "batch": 8}, trials=2, seed=1))
    widths = [one.values["width"] for one in found.entries if one.rung == 0]
    assert set(widths) == {8, 16} and isinstance(widths[0], int)
    assert sum(members for members, updates in calls if updates == 3) == 2 + 1
    assert suites.read(str(found.file)).per_card["bc"]["width"] == found.best.values["width"]


class Stopped(Exception):
    """As a kill would be."""


@pytest.mark.parametrize(
    "options",
    [
        {"trials": 6, "batch": 3, "sampler": "tpe", "eta": 3},
        {"search": "pbt", "rungs": 3, "trials": 3},
    ],
)
def test_a_search_that_was_stopped_goes_on(tmp_path, monkeypatch, calls, options):
    whole = run(plan(tmp_path / "whole", **options))
    planned = calls.copy()
    calls.clear()
    piece = ground.Ground._piece
    for _ in range(2):
        left = iter([True])

        def stopping(*arguments, left=left):
            if not next(left, False):
                raise Stopped
            return piece(*arguments)

        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(ground.Ground, "_piece", stopping)
            run(plan(tmp_path / "cut", **options))
    assert calls == planned[:2]
    found = run(plan(tmp_path / "cut", **options))
    assert calls == planned, "nothing is trained twice"
    assert found.best == whole.best and found.entries == whole.entries
    for name in ("trials.csv", "tuned.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "cut" / "checkpoints").exists()
    with pytest.raises(InputError, match=r"holds another tune: seed is 0 there and 7 here; give the same settings"):
        run(plan(tmp_path / "cut", **options, seed=7))


def test_a_population_exchanges_its_members(tmp_path):
    found = run(plan(tmp_path, search="pbt", rungs=3, trials=3, seed=1))
    by_rung = [[one for one in found.entries if one.rung == rung] for rung in range(3)]
    for before, after in itertools.pairwise(by_rung):
        worst, best = (choose(before, key=lambda one: one.rank).trial for choose in (min, max))
        assert [(one.trial, one.parent) for one in after if one.parent >= 0] == [(worst, best)]
        assert all(one.values == before[one.trial].values for one in after if one.parent < 0)
        assert all(1e-4 <= one.values["actor_lr"] <= 1e-1 for one in after)
    assert [one.updates for one in found.entries[::3]] == [2, 4, 6] and found.best.rung == 2


def jitted(search):
    return search._replace(init=jax.jit(search.init), ask=jax.jit(search.ask), tell=jax.jit(search.tell))


def test_population_based_training_beats_a_fixed_grid():
    """The toy of the paper: two workers who each see one half of the loss only, h0 x0^2 + h1 x1^2."""
    grid, search = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jitted(population_based(2, 2))

    def practise(x, h):
        return x * (1 - 0.1 * h) ** 4

    def loss(x):
        return (x**2).sum(-1)

    state, x, fixed = search.init(jax.random.key(0))._replace(points=grid), jnp.full((2, 2), 0.9), jnp.full((2, 2), 0.9)
    for round in range(20):
        points = search.ask(jax.random.key(round), state)
        assert points.shape == (2, 2) and (points >= 0).all() and (points <= 1).all()
        x, fixed = practise(x[state.parents], points), practise(fixed, grid)
        state = search.tell(state, points, loss(x))
    assert loss(fixed).min() > 0.8, "half of the loss is never seen"
    assert loss(x).min() < 0.1 and state.value <= loss(x).min()


def test_selection_takes_the_ends_and_whoever_diverged():
    search = jitted(population_based(1, 10))
    state = search.init(jax.random.key(0))
    values = jnp.arange(10.0).at[4].set(jnp.inf).at[5].set(jnp.nan)
    told = search.tell(state, state.points, values)
    kept = [0, 1, 2, 3, 6, 7, 8, 9]
    assert told.parents[jnp.array(kept)].tolist() == kept and set(told.parents[4:6].tolist()) <= {0, 1}
    assert told.best == state.points[0] and told.value == 0
    lost = search.tell(state, state.points, jnp.full(10, jnp.inf))
    assert lost.parents.tolist() == list(range(10)), "nobody is there to copy"
    tied = search.tell(state, state.points, jnp.zeros(10))
    assert int((tied.parents != jnp.arange(10)).sum()) == 2
    with pytest.raises(InputError, match=r"a population of 1 with share=0.2 has nobody to copy"):
        population_based(1, 1)


def test_numbers_are_multiplied_in_their_own_units():
    axes = space.parsed(registry.card("td3_bc"), ["q_scale=1:5", "actor_lr=1e-4:1e-2:log", "critic_lr=1e-4,3e-4,1e-3"])
    at = jnp.array([[0.5, 0.5, 0.5]])
    for factor in (0.8, 1.2):
        (moved,) = np.asarray(evolution.changed(axes)(at, jnp.full((1, 3), factor)))
        assert axes[0].at(moved[0]) == pytest.approx(3 * factor)
        assert axes[1].at(moved[1]) == pytest.approx(1e-3 * factor, rel=1e-4)
        assert axes[2].at(moved[2]) == (1e-3 if factor > 1 else 1e-4)


def test_the_command_writes_a_suite_that_bench_runs(tmp_path, monkeypatch, capsys):
    made.write(made.set_roots(monkeypatch, tmp_path), "made/up-v0")
    monkeypatch.chdir(tmp_path)
    command = Parser("tune")
    add_tune(command)
    texts = ["bc", "made/up-v0", "--space", "actor_lr=1e-4:1e-1:log", "--out", "found"]
    texts += ["--trials", "6", "--budget", "3", "--episodes", "1"]
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    arguments = command.parse_args([*texts, *settings])
    assert arguments.run(arguments) == 0
    printed = capsys.readouterr().out
    assert (
        "jaxrl bench found/tuned.toml --out found/bench\n" in printed
        and "(defaults)" in printed
        and "rungs at 1, 3 updates" in printed
    )
    suite = suites.read("found/tuned.toml")
    assert (suite.tasks, suite.cards, suite.updates, suite.seeds) == (("made/up-v0",), ("bc",), 3, 5)
    asked = bench.plan("found/tuned.toml", seeds=1, out="again")
    assert bench.run(asked, quiet) == []
    scores = bench.selected(asked)
    assert len(scores) == 3 and "actor_lr=" in scores[0].settings and "width=8;" in scores[0].settings + ";"


def test_a_sampler_learns_from_earlier_batches():
    """The best rate is known, 1e-2, and one choice loses every time."""
    axes = space.parsed(registry.card("bc"), ["actor_lr=1e-6:1:log", "depth=1,2"])
    entries, off = [], []
    for batch in range(4):
        asked = proposals.propose(axes, "tpe", batch, 8, entries, 1)
        assert asked == proposals.propose(axes, "tpe", batch, 8, entries, 1), "a function of its arguments"
        errors = [abs(np.log10(one["actor_lr"]) + 2) for one in asked]
        values = [None if one["depth"] == 2 else -error for one, error in zip(asked, errors, strict=True)]
        entries += [Entry(8 * batch + i, batch, 0, 9, asked[i], values[i], values[i] is None) for i in range(8)]
        off.append((np.mean(errors), values.count(None)))
    assert off[-1][0] < off[0][0] / 2 and off[-1][1] < off[0][1]
    assert max(one.rank for one in entries) > -0.2


def test_plans():
    assert plans.ladder(9, 3, 3000, None) == [333, 1000, 3000] and plans.ladder(8, 2, 3, None) == [2, 3]
    assert plans.batches(18, 3, None, "tpe") == [9, 9] and plans.batches(18, 3, None, "random") == [18]
    assert plans.batches(7, 3, 3, "tpe") == [4, 3] and plans.batches(4, 3, None, "tpe") == [4]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("actor_l=1e-4:1e-2", r"unknown setting of bc 'actor_l'; did you mean 'actor_lr'\?"),
        ("width=8:16", r"width is no number of bc but part of its program, and has no range; list .* width=256,512"),
        ("actor_lr=1e-2:1e-4", r"lower bound 0.01 is not below 0.0001"),
        ("actor_lr=1e-2:1e-2", r"lower bound 0.01 is not below 0.01"),
        ("actor_lr=0:1e-2:log", r"a logarithm needs bounds above 0, and 0 is not; leave out :log"),
        ("actor_lr=0:1e-2:lin", r"of another form; write NAME=LOW:HIGH"),
        ("actor_lr=0:1e-2:", r"of another form; write NAME=LOW:HIGH"),
        ("actor_lr=:1e-2", r"'' is no number"),
        ("actor_lr=1e-2:nan", r"actor_lr of bc is nan; it must be"),
        ("actor_lr=1e-2", r"list two values or more, none twice"),
        ("width=8,8", r"list two values or more, none twice"),
        ("width=8,8.5", r"width=8.5 must be a finite int"),
        ("actor_lr", r"of another form; write NAME=LOW:HIGH"),
    ],
)
def test_a_bad_space_is_one_line(tmp_path, text, line):
    with pytest.raises(InputError, match=line) as found:
        plan(tmp_path, text)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"trials": 1}, r"1 trials are fewer than eta=2, of which one goes on; give more trials or less eta"),
        ({"eta": 1}, r"eta is 1; it must be at least 2"),
        ({"batch": 1}, r"a batch of 1 is smaller than eta=2"),
        ({"rungs": 9}, r"9 rungs, .* do not fit a budget of 6 updates; at most 3 do"),
        ({"budget": 0}, r"budget is 0; it must be a whole number"),
        ({"sampler": "tp"}, r"unknown sampler 'tp'; did you mean 'tpe'"),
        ({"search": "pbt", "trials": 1}, r"a population of 1 has nobody to copy"),
        ({"search": "pbt", "rungs": 9}, r"9 rungs do not fit a budget of 6 updates"),
        ({"fixed": {"env_steps": 9}}, r"unknown setting of bc 'env_steps'"),
        ({"seed": -1}, r"seed is -1; it must be a whole number from 0"),
        ({"fixed": {"actor_lr": 1.0}}, r"actor_lr is both searched and fixed"),
    ],
)
def test_a_bad_plan_is_one_line(tmp_path, options, line):
    with pytest.raises(InputError, match=line) as found:
        plan(tmp_path, **options)
    assert "\n" not in str(found.value)


def test_populations_share_a_program_and_one_space(tmp_path):
    with pytest.raises(InputError, match="width changes the compiled program, and members of a population copy each"):
        plan(tmp_path, "width=8,16", search="pbt", fixed={})
    with pytest.raises(InputError, match="--space actor_lr is given twice"):
        plan(tmp_path, "actor_lr=1e-4:1e-2", "actor_lr=1,2")
    with pytest.raises(InputError, match="no space is given; write"):
        tune.plan("bc", "made/up-v0", space=[], trials=4, budget=6, out=tmp_path)


def test_a_missing_library_is_one_line_and_populations_need_none(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"needs Optuna; install it with pip install 'jaxrl-suite\[tune\]'"):
        plan(tmp_path)
    assert plan(tmp_path, search="pbt").updates == [1, 2, 3, 4, 5, 6]
