"""Suites: the project's read, bad ones are refused in one line, settings win in order, published bands travel along."""

import re
from itertools import product

import numpy as np
import pytest

from jaxrl import registry, suites
from jaxrl.core.check import InputError
from jaxrl.data.local import ID
from jaxrl.evaluation import published
from jaxrl.evaluation.published.comparison import FINETUNED
from tests.evaluation.sample import row

GOOD = """
title = "Small"
tasks = ["a/x-v0", "a/y-v0"]
cards = ["bc", "td3_bc"]
updates = 10
seeds = 2
checkpoints = 2
episodes = 3
override = [
    { card = "td3_*", q_scale = 3.0 },
    { task = "*/y-v0", card = "td3_bc", q_scale = 4.0, width = 16 },
]

[common]
width = 64
q_scale = 1.0
batch = 32

[card.td3_bc]
q_scale = 2.0
critic_lr = 1e-3
"""


def options_of(name: str) -> dict[tuple[str, str], dict]:
    """{(card, task): chosen options} of a suite."""
    return {(job.card, job.task): job.options for job in suites.jobs(suites.read(name))}


@pytest.fixture
def written(tmp_path):
    """A function that writes a suite's text and gives its path."""

    def write(text: str) -> str:
        file = tmp_path / "small.toml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


def test_suites_are_those_that_the_makefile_promises():
    domains = [f"d4rl-{domain}" for domain in ("adroit", "antmaze", "kitchen", "mujoco", "pointmaze")]
    shapes = ("offline-variants", "robust", "generative", "model-based", "offline-to-online")
    sizes = [f"{shape}{size}" for shape in shapes for size in ("", "-full")]
    own = ["external", "quick", "online-quick", "online-mujoco", "in-context", "trained"]
    assert suites.names() == sorted([*domains, *sizes, *own])


@pytest.mark.parametrize("name", suites.names())
def test_every_suite_reads(name):
    suite = suites.read(name)
    jobs = suites.jobs(suite)
    pairs = {(job.card, job.task) for job in jobs}
    left_out = [pair for pair in product(suite.cards, suite.tasks) if pair not in pairs]
    assert len(jobs) == len(pairs) == len(suite.tasks) * len(suite.cards) - len(left_out) > 0
    assert bool(left_out) == bool(suite.without) and all(job.updates > 0 for job in jobs)
    assert all(registry.card(card).name == card for card in suite.cards)
    assert all(ID.fullmatch(task.split("+")[0]) for task in suite.tasks) or name.startswith("online")
    assert suites.remarks(name) == list(suite.notes)
    assert all(note and "\n" not in note and note == note.strip() for note in suite.notes)


@pytest.mark.parametrize("name", [name for name in suites.names() if name.startswith("d4rl-")])
def test_official_ids_are_minaris(name):
    suite = suites.read(name)
    assert set(suite.tasks) <= {one.minari_id for one in published.relations()}
    assert (suite.seeds, suite.updates) == (5, 1_000_000)
    assert "not" in suite.notes[0] and "published" in suite.notes[0]


def test_official_suites_leave_no_set_of_their_domain_out():
    tasks = {task for name in suites.names() if name.startswith("d4rl-") for task in suites.read(name).tasks}
    related = {one.minari_id for one in published.relations() if "*" not in one.minari_id}
    assert related - tasks == {"D4RL/minigrid/fourrooms-v0", "D4RL/minigrid/fourrooms-random-v0"}


def test_external_runs_what_the_papers_use():
    suite, chosen = suites.read("external"), options_of("external")
    assert (suite.updates, suite.seeds, suite.episodes, suite.checkpoints) == (100_000, 3, 10, 5)
    assert len(suite.tasks) == 8 and set(suite.cards) == {"bc", "percent_bc", "td3_bc", "rebrac", "iql", "cql"}
    assert {row["batch"] for row in chosen.values()} == {256}
    betas = {task: (row["actor_bc"], row["critic_bc"]) for (card, task), row in chosen.items() if card == "rebrac"}
    assert betas["external/hopper-medium-replay-v0"] == (0.05, 0.5)
    assert betas["external/halfcheetah-random-v0"] == (0.001, 0.1)
    assert betas["external/halfcheetah-medium-replay-v0"] == (0.01, 0.001)
    assert betas.keys() == set(suite.tasks)


@pytest.mark.parametrize(
    ("name", "card", "task", "expected"),
    [
        ("d4rl-mujoco", "rebrac", "mujoco/walker2d/expert-v0", {"actor_bc": 0.01, "critic_bc": 0.5}),
        ("d4rl-mujoco", "rebrac", "mujoco/hopper/simple-v0", {"actor_bc": 0.01, "critic_bc": 0.01}),
        ("d4rl-mujoco", "sac_n", "mujoco/hopper/medium-v0", {"critics": 500}),
        ("d4rl-mujoco", "sac_n", "mujoco/hopper/expert-v0", {"critics": 200}),
        ("d4rl-mujoco", "edac", "mujoco/hopper/expert-v0", {"critics": 50, "diversity": 1.0}),
        ("d4rl-antmaze", "rebrac", "D4RL/antmaze/umaze-v1", {"discount": 0.999, "critic_lr": 5e-5, "critic_bc": 0.002}),
        ("d4rl-antmaze", "iql", "D4RL/antmaze/large-play-v1", {"expectile": 0.9, "inverse_temperature": 10.0}),
        ("d4rl-antmaze", "cql_lagrange", "D4RL/antmaze/umaze-v1", {"gap": 0.8, "max_backup": True, "depth": 5}),
        ("d4rl-pointmaze", "cql_lagrange", "D4RL/pointmaze/umaze-v2", {"gap": 5.0, "conservatism": 10.0}),
        ("d4rl-adroit", "edac", "D4RL/pen/human-v2", {"critics": 20, "diversity": 1000.0}),
        ("d4rl-adroit", "edac", "D4RL/door/human-v2", {"critics": 50, "diversity": 200.0}),
        ("d4rl-adroit", "rebrac", "D4RL/hammer/cloned-v2", {"actor_bc": 0.1, "critic_bc": 0.5, "batch": 256}),
        ("d4rl-kitchen", "iql", "D4RL/kitchen/mixed-v2", {"inverse_temperature": 0.5, "return_range": 0.0}),
    ],
)
def test_spot_values_of_papers(name, card, task, expected):
    assert expected.items() <= options_of(name)[card, task].items()


def test_antmaze_rewards_are_used_as_stored():
    touched = {"reward_scale", "reward_shift"} & set().union(*options_of("d4rl-antmaze").values())
    ranges = {row["return_range"] for (card, _), row in options_of("d4rl-antmaze").items() if card == "iql"}
    assert not touched and ranges == {0.0}


def test_later_settings_win(written):
    suite = suites.read(written(GOOD))
    assert suites.options(suite, "bc", "a/x-v0", {}) == {"width": 64, "batch": 32}
    per_card = suite._replace(overrides=())
    assert suites.options(per_card, "td3_bc", "a/x-v0", {})["q_scale"] == 2.0
    assert suites.options(per_card._replace(per_card={}), "td3_bc", "a/x-v0", {})["q_scale"] == 1.0
    chosen = [suites.options(suite, "td3_bc", task, {})["q_scale"] for task in suite.tasks]
    assert chosen == [3.0, 4.0]
    extra = suites.jobs(suite, {"q_scale": 5.0, "width": 8})
    assert [job.options.get("q_scale") for job in extra] == [None, 5.0, None, 5.0]
    assert {job.options["width"] for job in extra} == {8}


def test_identity_is_what_differs_from_the_card():
    assert suites.canonical("td3_bc", {"q_scale": 2.5, "batch": 256, "width": 256, "standardise": True}) == ""
    assert suites.canonical("td3_bc", {"width": 64, "q_scale": 4}) == "q_scale=4;width=64"
    assert suites.canonical("td3_bc", {"q_scale": 4.0, "width": 64.0}) == "q_scale=4;width=64"
    assert suites.canonical("rebrac", {"batch": 256, "norm": False}) == "batch=256;norm=false"
    assert suites.canonical("cql", {"actor_lr": 1e-4, "max_backup": True}) == "actor_lr=0.0001;max_backup=true"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"bc", "td3_bc"', '"bc", "td3bc"', "did you mean 'td3_bc'"),
        ("[card.td3_bc]", "[card.td3bc]", "did you mean 'td3_bc'"),
        ("[card.td3_bc]", "[card.iql]", "unknown card with settings in suite small 'iql'"),
        ("updates = 10", "update = 10", "did you mean 'updates'"),
        ("updates = 10", "", "suite small must have either updates or env_steps"),
        ('title = "Small"', "", "suite small lacks 'title'"),
        ('title = "Small"', "title = 3", "title of suite small is 3; it must be text"),
        ("q_scale = 3.0", "q_scal = 3.0", "did you mean 'q_scale'"),
        ("critic_lr = 1e-3", "critic_rate = 1e-3", "unknown setting of td3_bc 'critic_rate'"),
        ("width = 64", "widht = 64", "did you mean 'width'"),
        ("width = 64", "width = 64.5", "width=64.5"),
        ("width = 64", 'width = "wide"', "setting width of bc is 'wide'"),
        ("batch = 32", "batch = 0", "batch is 0"),
        ("batch = 32", 'batch = "all"', "setting batch of bc is 'all'"),
        ("batch = 32", "batch = inf", "setting batch of bc is inf"),
        ("critic_lr = 1e-3", "critic_lr = true", "critic_lr=True"),
        ('tasks = ["a/x-v0", "a/y-v0"]', 'tasks = "a/x-v0"', "tasks of suite small is 'a/x-v0'; it must be a list"),
        ('"a/x-v0", "a/y-v0"', "", "tasks of suite small are []"),
        ('"a/x-v0", "a/y-v0"', '"a/y-v0", "a/y-v0"', "none twice"),
        ('"a/x-v0", ', "1, ", "an entry of tasks of suite small is 1"),
        ("seeds = 2", "seeds = 0", "seeds of suite small is 0"),
        ("seeds = 2", "seeds = -1", "seeds of suite small is -1"),
        ("seeds = 2", 'seeds = "two"', "seeds of suite small is 'two'"),
        ("seeds = 2", "seeds = true", "seeds of suite small is True"),
        ("episodes = 3", "episodes = 2.5", "episodes of suite small is 2.5"),
        ('task = "*/y-v0"', 'task = "*/z-v0"', "is for no card and task of the suite"),
        ('card = "td3_*"', "card = 3", "card of an override of suite small is 3"),
        ("[common]", 'notes = "careful"\n[common]', "notes of suite small is 'careful'"),
        ("[common]\nwidth = 64\nq_scale = 1.0\nbatch = 32\n", "common = 3", "common of suite small is 3"),
        ("seeds = 2", "seeds = = 2", "cannot be read"),
    ],
)
def test_bad_suites_are_refused_in_one_line(written, old, new, said):
    assert old in GOOD
    with pytest.raises(InputError) as error:
        suites.read(written(GOOD.replace(old, new, 1)))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_unknown_and_missing_suites_are_named(tmp_path):
    with pytest.raises(InputError, match="did you mean 'd4rl-mujoco'"):
        suites.read("d4rl-mujco")
    with pytest.raises(InputError, match="cannot be read"):
        suites.read(str(tmp_path / "none.toml"))
    (tmp_path / "bytes.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(InputError, match="cannot be read"):
        suites.read(str(tmp_path / "bytes.toml"))
    assert suites.remarks("td3_bc") == []


def test_settings_from_outside_must_be_some_cards(written):
    suite = suites.read(written(GOOD))
    suites.check_extra(suite, {"q_scale": 1.0, "batch": 8})
    with pytest.raises(InputError, match="did you mean 'q_scale'"):
        suites.check_extra(suite, {"qscale": 1.0})


def test_bands_are_those_of_the_literature():
    bands = {(band.dataset, band.algorithm): band for band in published.bands()}
    assert len(bands) == len(published.bands()) == 78
    assert all(band.low < band.high for band in bands.values())
    assert all(re.fullmatch(r"(halfcheetah|hopper|walker2d)-medium(-replay|-expert)?-v2", name) for name, _ in bands)
    for band in bands.values():
        kept = [float(text.split()[1]) for text in band.sources.split("; ") if "†" not in text]
        assert band.low <= min(kept) + 0.05 and max(kept) - 0.05 <= band.high, band
    spots = [bands[key][2:4] for key in (("hopper-medium-v2", "IQL"), ("walker2d-medium-expert-v2", "AWAC"))]
    assert spots == [(53.3, 73.8), (68.2, 114.5)]
    cheetah = bands["halfcheetah-medium-v2", "CQL"]
    assert cheetah[2:] == (46.5, 49.6, "C 47.0; U† 63.9; K 49.4; J† 48.6; R 46.9")
    assert cheetah.excluded == ("U", "J") and bands["hopper-medium-v2", "BC"].excluded == ()
    assert {band.algorithm for band in bands.values()} == set(published.CARDS.values()) - {"10%BC", "MOPO"}
    assert published.CARDS.keys() | FINETUNED.keys() <= registry.cards().keys()


def test_relations_name_sizes_and_counterparts():
    rows = {one.minari_id: one for one in published.relations()}
    assert len(rows) == len(published.relations())
    assert rows["mujoco/walker2d/medium-v0"].transitions == 999_613
    assert rows["D4RL/pointmaze/umaze-v2"][1:4] == ("maze2d-umaze-v1", 1_000_000, 13_210)
    assert rows["D4RL/pen/expert-v2"][2:4] == (499_206, 4_958)
    assert published.counterpart("mujoco/hopper/medium-v0") == "hopper-medium-v2"
    assert published.counterpart("mujoco/hopper/simple-v0") == published.counterpart("mujoco/ant/expert-v0") == ""


def test_leaderboard_carries_cautions_and_published_scores(tmp_path):
    bench = pytest.importorskip("jaxrl.bench")
    scores = [row("iql", "mujoco/hopper/medium-v0", seed=seed, suite="d4rl-mujoco") for seed in range(2)]
    table = bench.publish(scores, tmp_path, [suites.remarks("d4rl-mujoco")[0], "walker2d could not be had"])
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert "Minari's mujoco/* sets are new data on v5 bodies, not D4RL v2" in text and "53.3 … 73.8" in text
    assert text.count("IQL authors 66.3") == 1 and text.index("## Notes") < text.index("IQL authors 66.3")
    assert text.index("walker2d could not be had") < text.index(published.HEADING)
    assert len(table.notes) == len(set(table.notes)) and table.notes[0] == suites.remarks("d4rl-mujoco")[0]


ONLINE = """
title = "Online"
tasks = ["CartPole-v1", "Pendulum-v1"]
cards = ["ppo", "sac"]
env_steps = 1_000
seeds = 1
checkpoints = 2
episodes = 2
without = [{ card = "sac", task = "Cart*" }]

[card.ppo]
envs = 4
length = 25

[[override]]
card = "sac"
task = "Pendulum-v1"
warmup = 100
per = 2
env_steps = 500
"""


def test_budgets_of_steps_become_updates(written):
    suite = suites.read(written(ONLINE))
    found = {(job.card, job.task): job.updates for job in suites.jobs(suite)}
    assert found == {("ppo", "CartPole-v1"): 10, ("ppo", "Pendulum-v1"): 10, ("sac", "Pendulum-v1"): 200}
    assert suites.job(suite, "sac", "Pendulum-v1", {"per": 4}).updates == 100
    assert "env_steps" not in suites.job(suite, "sac", "Pendulum-v1").options


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("env_steps = 500", "env_steps = 100", "env_steps=100 of suite small are used up by the 100 warm-up steps of"),
        ("env_steps = 1_000", "updates = 10\nenv_steps = 1_000", "must have either updates or env_steps"),
        ('"ppo", "sac"]', '"ppo", "sac", "bc"]', "card bc learns from data and takes no env_steps"),
        (', task = "Cart*" }', ' }', "it must have a card and a task"),
        ("length = 25", "lenght = 25", "unknown setting of ppo 'lenght'; did you mean 'length'?"),
    ],
)  # fmt: skip
def test_bad_online_suites_are_refused_in_one_line(written, old, new, said):
    assert old in ONLINE
    with pytest.raises(InputError) as error:
        suites.read(written(ONLINE.replace(old, new, 1)))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_number_reads_the_same_before_and_after_a_program_saw_it():
    draw = np.random.default_rng(0)
    for value in [0.000986, 0.0009862, 2.5, 3e-4, *draw.uniform(0, 1, 2000).round(4).tolist()]:
        assert suites.show(float(np.float32(value))) == suites.show(value)
    assert suites.show(4.0) == suites.show(4) == "4" and suites.show(True) == "true" and suites.show(3e-4) == "0.0003"
