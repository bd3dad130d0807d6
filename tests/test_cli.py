"""The command line: what it prints, and bad input in one line that names the thing, the value and the remedy."""

import json
import re

import h5py
import jax
import numpy as np
import pytest

from jaxrl import diagnosis, jobs, registry
from jaxrl.cli import commands, main
from jaxrl.cli.arguments import parser
from jaxrl.evaluation import scores
from tests import made
from tests.evaluation.sample import row

TASK = "mine/swing-v0"
FEW = ("--updates", "4", "--evaluate-every", "3", "--episodes", "2", "--set", "batch=8", "--set", "width=8")
FEW += ("--set", "depth=1")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Datasets that are fit for use, and some that are not."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        root = made.set_roots(monkeypatch, tmp_path_factory.mktemp("cli"))
        made.write(root, TASK)
        made.write(root, "mine/poles-v0", "CartPole-v1")
        made.write(root, "mine/wide-v0", obs=5)
        cut = made.write(root, "mine/cut-v0") / "data" / "main_data.hdf5"
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        for name, field, value in (("nan", "rewards", np.nan), ("inf", "observations", np.inf)):
            folder = made.write(root, f"mine/{name}-v0")
            with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
                file["episode_1"][field][3] = value
        empty = made.write(root, "mine/empty-v0") / "data" / "metadata.json"
        facts = json.loads(empty.read_text()) | {"total_episodes": 0, "total_steps": 0}
        empty.write_text(json.dumps(facts))
    return root


@pytest.fixture(autouse=True)
def place(sets, tmp_path, monkeypatch):
    """Commands run in an empty folder and see the module's datasets alone."""
    made.set_roots(monkeypatch, sets.parent)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()


def refusal(capsys, *arguments) -> str:
    """What the command says on standard error, after checking that it is one line and the exit code is 2."""
    code = main([str(one) for one in arguments])
    heard = capsys.readouterr()
    assert code == 2, heard
    assert heard.err.startswith("jaxrl: ") and heard.err.count("\n") == 1 and "Traceback" not in heard.err
    return heard.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("train td3bc X", ("unknown card 'td3bc'", "did you mean 'td3_bc'?")),
        ("train td3_bc mine/swin-v0", ("dataset 'mine/swin-v0' is not found", "did you mean 'mine/swing-v0'?")),
        ("train td3_bc swing", ("'swing' is malformed", "write it as namespace/name-v0")),
        ("train td3_bc embedded/pendulum-medum-v0", ("'embedded/pendulum-medum-v0'", "'embedded/pendulum-medium-v0'?")),
        ("train td3_bc X --set q_scal=4", ("unknown setting of td3_bc 'q_scal'", "did you mean 'q_scale'?")),
        ("train td3_bc X --set q_scale=abc", ("--set q_scale=abc", "'abc' is neither a finite number nor true")),
        ("train td3_bc X --set q_scale=nan", ("--set q_scale=nan", "finite number")),
        ("train td3_bc X --set batch=inf", ("--set batch=inf", "finite number")),
        ("train td3_bc X --set width=64.5", ("width=64.5", "must be a finite int, such as 256")),
        ("train td3_bc X --set standardise=1", ("standardise=1.0", "must be true or false")),
        ("train td3_bc X --set q_scale=true", ("q_scale=True", "must be a finite float")),
        ("train td3_bc X --set batch=0", ("batch is 0", "whole number of at least 1")),
        ("train td3_bc X --set batch=2.5", ("batch is 2.5", "whole number of at least 1")),
        ("train td3_bc X --set q_scale", ("--set 'q_scale'", "NAME=VALUE")),
        ("train td3_bc X --set q_scale=1,,2", ("--set q_scale=1,,2", "value ''")),
        ("train td3_bc X --set q_scale=1,2", ("--set q_scale lists 2 values", "`jaxrl sweep`")),
        ("train td3_bc X --set q_scale=1 --set q_scale=2", ("--set q_scale is given twice", "keep one")),
        ("sweep td3_bc X --set q_scale=1,2,x", ("--set q_scale=1,2,x", "'x'")),
        ("sweep td3_bc X --set batch=32,64", ("--set batch lists 2 values",)),
        ("sweep td3_bc X --set q_scale=1,true", ("q_scale=True", "must be a finite float")),
        ("train td3_bc mine/swing-v0 --set batch=81", ("batch of 81", "mine/swing-v0 with 80 steps", "smaller")),
        ("train td3_bc mine/poles-v0", ("card 'td3_bc' takes continuous actions", "CartPole-v1", "`jaxrl list`")),
        ("train cql_discrete mine/swing-v0", ("card 'cql_discrete' takes discrete", "Pendulum-v1", "`jaxrl list`")),
        ("train td3_bc mine/wide-v0", ("mine/wide-v0 has 5 observation", "Pendulum-v1 has 3", "right --env")),
        ("train td3_bc mine/cut-v0", ("'mine/cut-v0'", "truncated or corrupted", "delete that folder")),
        ("train td3_bc mine/nan-v0", ("reward of dataset 'mine/nan-v0'", "NaN or infinite in 1 of 80", "index 23")),
        ("train td3_bc mine/inf-v0", ("obs of dataset 'mine/inf-v0'", "NaN or infinite", "drop the episodes")),
        ("train td3_bc mine/empty-v0", ("'mine/empty-v0'", "is empty", "record or import some")),
        ("train td3_bc mine/swing-v0 --out file", ("output folder file cannot be written", "--out")),
        ("train td3_bc mine/swing-v0 --out file/under", ("output folder file/under cannot be written", "--out")),
        ("train td3_bc", ("required: TASK", "see `jaxrl train --help`")),
        ("train td3_bc X --seed 1 --frobnicate", ("--frobnicate", "--help`")),
        ("bench quik", ("unknown suite 'quik'", "did you mean 'quick'?")),
        ("bench nowhere.toml", ("suite file nowhere.toml cannot be read", "quick.toml for the form")),
        ("bench quick --cards iqll", ("unknown card 'iqll'", "did you mean 'iql'?")),
        ("bench quick --set widht=3", ("unknown setting of suite quick 'widht'", "did you mean 'width'?")),
        ("bench quick --set width=1,2", ("--set width lists 2 values", "`jaxrl sweep`")),
        ("bench quick --set width=1.5", ("width=1.5", "must be a finite int")),
        ("bench quick --out file", ("output folder file cannot be written", "--out")),
        ("table nowhere", ("cannot read nowhere/scores.csv", "jaxrl bench")),
        ("table file --format pdf", ("argument --format", "'pdf'", "choose from", "see `jaxrl table --help`")),
        ("cite td3bc", ("unknown card 'td3bc'", "did you mean 'td3_bc'?")),
        ("data info mine/swin-v0", ("'mine/swin-v0'", "did you mean 'mine/swing-v0'?")),
        ("data build embedded/pendulum-medum-v0", ("unknown dataset recipe", "'embedded/pendulum-medium-v0'?")),
        ("data import no.npz --env Pendulum-v1 --dataset-id a/b-v0", ("no.npz cannot be read",)),
        ("data import no.npz --env Pendulun-v1 --dataset-id a/b-v0", ("unknown environment 'Pendulun-v1'", "Pendulum")),
        ("new my_idea --parent td3_bc", ("'my_idea' is not of the form FAMILY/NAME", "offline/my_idea")),
        ("new offline/my_idea", ("required: --parent", "see `jaxrl new --help`")),
        ("trian", ("argument COMMAND", "'trian'", "choose from", "train")),
        ("", ("required: COMMAND", "see `jaxrl --help`")),
    ],
)
def test_bad_input_ends_in_one_line(capsys, tmp_path, arguments, parts):
    said = refusal(capsys, *arguments.split())
    assert all(part in said for part in parts), said
    assert not (tmp_path / "results" / "td3_bc" / "scores.csv").exists()


@pytest.mark.parametrize("option", ["--seeds", "--updates", "--evaluate-every", "--episodes"])
@pytest.mark.parametrize("value", ["0", "-3", "2.5", "many"])
@pytest.mark.parametrize("command", ["train td3_bc X", "sweep td3_bc X", "bench quick"])
def test_counts_are_at_least_one(capsys, command, option, value):
    said = refusal(capsys, *command.split(), f"{option}={value}")
    assert (
        f"argument {option}: {value} is not a whole number of at least 1; see `jaxrl {command.split()[0]} --help`"
        in said
    )


def test_train_writes_scores_and_a_leaderboard(capsys, tmp_path):
    for _ in range(2):
        assert main(["train", "td3_bc", TASK, "--seeds", "2", "--set", "q_scale=4", *FEW]) == 0
    said, folder = capsys.readouterr().out, tmp_path / "results" / "td3_bc"
    assert "td3_bc" in said and "compile" in said and "written: results/td3_bc/scores.csv" in said
    assert "no reference" in said
    rows = scores.read(folder / "scores.csv")
    assert [(one.seed, one.update) for one in rows] == [(0, 3), (0, 4), (1, 3), (1, 4)] * 2
    assert {(one.suite, one.settings) for one in rows} == {("td3_bc", "batch=8;depth=1;q_scale=4;width=8")}
    assert (folder / "leaderboard.md").exists() and (folder / "scores.png").exists()
    assert rows[0].return_mean == pytest.approx(rows[4].return_mean)


def test_sweep_combines_numbers_in_one_folder_with_other_cards(capsys, tmp_path):
    assert main(["sweep", "td3_bc", TASK, "--out", "mix", "--set", "q_scale=1,2.5", *FEW]) == 0
    assert "td3_bc batch=8;depth=1;q_scale=1;width=8" in " ".join(capsys.readouterr().out.split())
    several = [one.replace("width=8", "width=8,4") for one in FEW]
    assert main(["sweep", "bc", TASK, "--out", "mix", *several]) == 0
    found = {(one.suite, one.card, one.settings) for one in scores.read(tmp_path / "mix" / "scores.csv")}
    assert found == {
        ("mix", "td3_bc", "batch=8;depth=1;q_scale=1;width=8"),
        ("mix", "td3_bc", "batch=8;depth=1;width=8"),
        ("mix", "bc", "batch=8;depth=1;width=8"),
        ("mix", "bc", "batch=8;depth=1;width=4"),
    }
    capsys.readouterr()
    assert main(["table", "mix"]) == 0
    said = capsys.readouterr().out
    assert "bc" in said and "q_scale=1" in said


def test_a_line_that_was_cut_off_costs_no_training(capsys, tmp_path):
    file = tmp_path / "results" / "bc" / "scores.csv"
    scores.append(file, [row(suite="bc")])
    file.write_text(file.read_text() + "bc,mine")
    assert main(["train", "bc", TASK, *FEW]) == 0
    assert [one.update for one in scores.read(file)] == [10, 3, 4]


def test_an_interruption_ends_in_one_line(capsys, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "loaded", stop)
    assert main(["train", "bc", TASK]) == 130
    assert capsys.readouterr().err == "jaxrl: interrupted\n"


@pytest.mark.parametrize("form", ["terminal", "md", "csv", "latex"])
def test_table_prints_again(capsys, tmp_path, form):
    scores.append(tmp_path / "old" / "scores.csv", [row(seed=seed, value=10.0 * seed) for seed in range(3)])
    assert main(["table", "old", "--format", form]) == 0
    said = capsys.readouterr().out
    assert "bc" in said and "10.0" in said and (tmp_path / "old" / "leaderboard.md").exists()
    assert {"terminal": "written: old/scores.csv", "md": "| ", "csv": ",", "latex": "\\"}[form] in said


def test_list_for_machines_holds_everything(capsys):
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"cards", "wrappers", "procedures", "suites", "datasets", "environments"} and set(
        found["cards"]
    ) == set(registry.cards())
    assert "quick" in found["suites"] and "embedded/pendulum-medium-v0" in found["datasets"]
    assert "Pendulum-v1" in found["environments"]
    entry = found["cards"]["td3_bc"]
    assert (
        entry["numbers"]["q_scale"] == 2.5 and entry["structure"]["width"] == 256 and entry["actions"] == ["continuous"]
    )
    assert entry["preparation"]["standardise"] is True and entry["paper"]["id"] == "arXiv:2106.06860"


def test_list_is_a_line_a_card_where_nobody_watches(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == sum(map(len, (registry.cards(), registry.wrappers(), registry.procedures()))) + 1
    (line,) = (line for line in lines if line.startswith("td3_bc "))
    assert "q_scale=2.5" in line and "standardise=true" in line and "arXiv:2106.06860" in line


def test_cite_prints_an_entry_a_paper(capsys):
    assert main(["cite"]) == 0
    said = capsys.readouterr().out
    assert len(re.findall(r"^@\w+\{\w+,$", said, re.MULTILINE)) == len(
        {
            c.paper.id
            for c in [
                one for kind in (registry.cards, registry.wrappers, registry.procedures) for one in kind().values()
            ]
        }
    )
    for name, card in registry.cards().items():
        assert card.paper.title in said and card.paper.id.removeprefix("arXiv:") in said
        assert main(["cite", name]) == 0
        one = capsys.readouterr().out
        assert re.match(rf"@(misc|article)\{{{name},\n", one) and one.count("{") == one.count("}")
        assert f"author = {{{card.paper.authors}}}" in one and f"year = {{{card.paper.year}}}" in one


def test_data_list_and_info(capsys):
    assert main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^mine/swing-v0 +4 +80 +Pendulum-v1 +no", said, re.MULTILINE)
    assert re.search(r"^embedded/pendulum-medium-v0 +built on first use", said, re.MULTILINE)
    assert main(["data", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert TASK in {one["id"] for one in found["datasets"]} and "embedded/pendulum-medium-v0" in found["not_built"]
    assert main(["data", "info", TASK]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^environment +Pendulum-v1$", said, re.MULTILINE) and re.search(
        r"^steps +80$", said, re.MULTILINE
    )
    assert main(["data", "info", TASK, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 4


def test_data_import(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "other"))
    data = made.arrays()
    ends = {"terminations": data.terminated, "truncations": data.truncated}
    np.savez(tmp_path / "mine.npz", observations=data.obs, actions=data.action, rewards=data.reward, **ends)
    command = ["data", "import", "mine.npz", "--env", "Pendulum-v1", "--dataset-id", "mine/new-v0"]
    assert main(command) == 0
    assert "78 steps in 4 episodes written as mine/new-v0" in capsys.readouterr().out
    assert "'mine/new-v0' exists already" in refusal(capsys, *command)
    assert "check --env" in refusal(capsys, *command[:4], "CartPole-v1", *command[5:-1], "mine/newer-v0")


def test_doctors_exit_code_is_honest(capsys, monkeypatch):
    finding = diagnosis.Finding
    good, bad, spare = finding("a", True, "fine"), finding("b", False, "broken; mend it"), finding("c", False, "", True)
    for found, code in (([good, spare], 0), ([good, bad, spare], 1), ([good], 0)):
        monkeypatch.setattr(diagnosis, "findings", lambda found=found: found)
        assert main(["doctor"]) == code
        assert len(capsys.readouterr().out.splitlines()) == len(found)


def test_doctor_looks_at_this_machine(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("JAXRL_CACHE", str(tmp_path / "cache"))
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for part in (
        "jax 0.",
        jax.devices()[0].device_kind,
        "Hopper-v5 steps",
        "embedded",
        "JAXRL_EXTERNAL_DATA",
        "robotics",
    ):
        assert part in said
    monkeypatch.setenv("JAXRL_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("JAXRL_EXTERNAL_DATA", str(tmp_path / "nowhere"))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"^no   compilation cache: .*set JAXRL_CACHE", said, re.MULTILINE)
    assert re.search(r"^-    external data: .*correct or unset it", said, re.MULTILINE)


def test_help_is_complete(capsys):
    def commands_of(command):
        for action in command._actions:
            inners = action.choices if isinstance(action.choices, dict) else {}
            assert action.help or inners, (command.prog, action.dest)
            for inner in inners.values():
                assert inner.description
                yield inner
                yield from commands_of(inner)

    root = parser()
    found = {command.prog for command in [root, *commands_of(root)]}
    names = ("list", "train", "sweep", "bench", "table", "cite", "data", "data import", "new", "doctor")
    assert found >= {f"jaxrl {name}" for name in names}
    with pytest.raises(SystemExit) as caught:
        main(["bench", "--help"])
    said = capsys.readouterr().out
    assert caught.value.code == 0 and "d4rl-mujoco" in said and "--fresh" in said and "scores.csv" in said


def test_a_reader_that_goes_away_is_no_error(monkeypatch):
    def gone(arguments):
        raise BrokenPipeError

    monkeypatch.setattr(commands, "list_cards", gone)
    monkeypatch.setattr("os.dup2", lambda *descriptors: None)
    assert main(["list"]) == 0


def test_values_of_settings():
    assert commands.assignments(["a=1,2e3", "b=true", "c=FALSE"]) == {"a": [1.0, 2000.0], "b": [True], "c": [False]}
    assert commands.single({"a": [1.0]}) == {"a": 1.0}
    pairs = {"q_scale": [1.0, 2.0], "width": [8.0]}
    assert commands.checked_options(registry.card("td3_bc"), pairs, True) == {"q_scale": [1.0, 2.0], "width": 8.0}
    assert commands.checked_options(registry.card("td3_bc"), {"q_scale": [1.0]}, False) == {"q_scale": 1.0}
