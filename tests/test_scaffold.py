"""A new card's file: equal to its parent at the start, keeps the promises of cards, and is refused in one line."""

import importlib.util
import inspect
import subprocess
import sys

import jax
import pytest

from jaxrl import registry, scaffold
from jaxrl.cli import main
from jaxrl.core import paths
from jaxrl.core.check import InputError
from jaxrl.envs import suites
from tests.contract import test_offline as contract

PROMISES = [
    pytest.param(function, id=name.removeprefix("test_"), marks=getattr(function, "pytestmark", ()))
    for name, function in vars(contract).items()
    if name.startswith("test_") and list(inspect.signature(function).parameters) == ["learner"]
]


@pytest.fixture
def root(tmp_path):
    """A package of algorithms without files."""
    for family in ("imitation", "offline"):
        (tmp_path / family).mkdir()
        (tmp_path / family / "__init__.py").touch()
    (tmp_path / "notes").mkdir()
    return tmp_path


def imported(path):
    """The module of a file."""
    spec = importlib.util.spec_from_file_location(f"written_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("parent", registry.cards())
def test_a_child_of_any_card_makes_what_its_parent_makes(root, parent):
    module = imported(scaffold.write("offline/my_idea", parent, root))
    card, above = module.CARD, registry.card(parent)
    assert (
        card.name == "my_idea"
        and card._replace(name=parent, make=above.make, hyper=above.hyper, paper=above.paper) == above
    )
    assert card.numbers() == above.numbers() and card.structure() == above.structure()
    assert issubclass(card.hyper, above.hyper) and card.hyper is not above.hyper
    assert "Departures:" in module.__doc__ and card.paper.id in module.__doc__
    if card.kind == "plan":
        name = "Pendulum-v1" if "continuous" in card.actions else "CartPole-v1"
        ours, theirs = (one.make(suites.environment(name)._replace(params=()), 8) for one in (card, above))
        assert [phase.name for phase in ours] == [phase.name for phase in theirs]
        return
    for kind in card.actions:
        spec = contract.spec_of(kind)
        small = {name: value for name, value in contract.SMALL.items() if name in card.structure()}
        begin = lambda algorithm, hyper: jax.eval_shape(algorithm.init, jax.random.key(0), hyper)
        states = [begin(one.make(spec, **small), one.hyper()) for one in (card, above)]
        assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
        assert jax.tree.leaves(states[0]) == jax.tree.leaves(states[1])


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    """A small instance of a child of td3_bc."""
    root = tmp_path_factory.mktemp("algorithms")
    (root / "offline").mkdir()
    (root / "offline" / "__init__.py").touch()
    return contract.Learner(imported(scaffold.write("offline/my_idea", "td3_bc", root)).CARD, "continuous")


@pytest.mark.parametrize("promise", PROMISES)
def test_a_child_keeps_the_promises_of_cards(learner, promise):
    promise(learner)
    assert learner.card.name == "my_idea"


def test_a_child_learns_what_its_parent_learns(learner):
    above = contract.made("td3_bc", "continuous")
    assert contract.same(learner.after(learner.hyper), above.after(above.hyper))
    assert len(PROMISES) > 8


def test_a_child_can_be_given_numbers_of_its_own(root):
    path = scaffold.write("offline/my_idea", "td3_bc", root)
    line = '"""The parent\'s numbers. Add your own, a line each: `idea_weight: float = 1.0`."""'
    assert line in path.read_text()
    path.write_text(path.read_text().replace(line, f"{line}\n\n    idea_weight: float = 1.0"))
    assert imported(path).CARD.numbers() == {**registry.card("td3_bc").numbers(), "idea_weight": 1.0}


@pytest.mark.parametrize("parent", ["td3_bc", "percent_bc", "iql", "cql_lagrange"])
def test_the_file_needs_no_formatting(root, parent):
    path = scaffold.write("offline/my_idea", parent, root)
    settings = ["--no-cache", "--config", str(paths.PACKAGE.parent / "pyproject.toml"), str(path)]
    for command in (["format", "--check"], ["check", "--ignore", "INP"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, *settings], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("place", "parent", "message"),
    [
        ("my_idea", "td3_bc", "'my_idea' is not of the form FAMILY/NAME"),
        ("offline/MyIdea", "td3_bc", "not of the form FAMILY/NAME in lower case, such as offline/my_idea"),
        ("offline/../my_idea", "td3_bc", "not of the form"),
        ("ofline/my_idea", "td3_bc", "unknown family of algorithms 'ofline'; did you mean 'offline'"),
        ("notes/my_idea", "td3_bc", "unknown family of algorithms 'notes'"),
        ("offline/my_idea", "td3bc", "unknown card 'td3bc'; did you mean 'td3_bc'"),
        ("offline/iql", "td3_bc", "card 'iql' exists already; choose another name"),
        ("offline/class", "td3_bc", "card 'class' would hide a name"),
        ("offline/parent", "td3_bc", "card 'parent' would hide a name"),
    ],
)
def test_bad_names_are_refused_and_nothing_is_written(root, place, parent, message):
    with pytest.raises(InputError, match=message):
        scaffold.write(place, parent, root)
    assert not list(root.glob("*/[a-z]*.py"))


def test_a_file_is_never_written_over(root):
    path = scaffold.write("offline/my_idea", "td3_bc", root)
    path.write_text("mine")
    with pytest.raises(InputError, match="'my_idea' exists already"):
        scaffold.write("offline/my_idea", "iql", root)
    assert path.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(root):
    (root / "offline" / "my_idea.py").symlink_to(root / "nowhere" / "x.py")
    with pytest.raises(InputError, match=r"my_idea\.py cannot be written"):
        scaffold.write("offline/my_idea", "td3_bc", root)


def test_the_command_says_where_the_file_is(root, monkeypatch, capsys):
    monkeypatch.setattr(scaffold.write, "__defaults__", (root,))
    assert main(["new", "offline/my_idea", "--parent", "bc"]) == 0
    assert capsys.readouterr().out == f"written: {root / 'offline' / 'my_idea.py'}; next: make test-fast\n"
    assert main(["new", "offline/my_idea", "--parent", "bc"]) == 2
    assert imported(root / "offline" / "my_idea.py").CARD.make(contract.spec_of("discrete"), width=8)
