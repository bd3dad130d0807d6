"""Policies as files: each acts as the trained one does, in a process that has never seen this package."""

import argparse
import functools
import json
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl import experiment, export, registry, store
from jaxrl.acting import Actor
from jaxrl.cli import export as command
from jaxrl.core.check import InputError
from jaxrl.core.types import Env, HostEnv, Scaler, Spec, Task
from jaxrl.export import onnx, serialized
from jaxrl.export.files import PLAIN, STATEFUL
from jaxrl.export.flat import flatten
from tests import made

SMALL = {"width": 8, "depth": 1, "batch": 8, "updates": 3, "evaluate_every": 3, "episodes": 1}
SPEC = Spec("Some-v0", 4, 2, 50, low=(-2.0, 0.0), high=(2.0, 3.0))
CLASSES = Spec("Some-v0", 4, 3, 50, discrete=True)
COMMON = [
    *(("td3_bc", SPEC), ("bc", SPEC), ("iql", SPEC), ("cql", SPEC), ("sac", SPEC), ("rebrac", SPEC), ("ppo", SPEC)),
    *(("dqn", CLASSES), ("cql_discrete", CLASSES)),
]
CARDS = [*COMMON, ("hilp", SPEC), ("crossq", SPEC), ("c51", CLASSES)]
LIBRARY = "the extra onnx is not installed"
OWN = "assert not {'jaxrl', 'flax', 'optax'} & {name.split('.')[0] for name in sys.modules}"
COMPARE = f"""
import sys, json, numpy as np
for name in json.loads(sys.argv[1]):
    act, (obs, wanted) = load(name), (np.load(f'{{name}}.{{what}}.npy') for what in ('obs', 'action'))
    for rows in (slice(None), slice(1))[: 1 + (name == 'td3_bc')]:
        found = np.asarray(act(obs[rows]))
        assert found.dtype == wanted.dtype and found.shape == wanted[rows].shape, (name, found.dtype, found.shape)
        np.testing.assert_allclose(found, wanted[rows], atol=1e-5)
{OWN}
print('acted')
"""
JAX = "from jax import export\nload = lambda name: export.deserialize(bytearray(open(name + '.jax', 'rb').read())).call"
ONNX = """
from {library} import {session} as session
def load(name):
    loaded = session(name + '.onnx')
    return lambda obs: loaded.run(None, {{'obs': obs}})[0]
"""
RUNTIMES = {"onnxruntime": "InferenceSession", "onnx.reference": "ReferenceEvaluator"}


@functools.cache
def drawn(name: str, spec: Spec) -> Actor:
    """A policy of a card with parameters from a hat, on standardised observations."""
    card = registry.card(name)
    structure = {key: SMALL[key] for key in ("width", "depth") if key in card.structure()}
    algorithm = experiment.phases(card, Env(spec, (), None, None), 8, structure, {})[-1].learner
    draw = np.random.default_rng(0)

    def leaf(path, shape):
        values = draw.normal(size=shape.shape) / 2
        return jnp.asarray(np.square(values) + 0.5 if "var" in str(path[-1]) else values, shape.dtype)

    state = jax.tree_util.tree_map_with_path(leaf, jax.eval_shape(algorithm.init, jax.random.key(0), card.hyper()))
    scaler = Scaler(jnp.arange(spec.obs) / 4, 0.5 + jnp.arange(spec.obs) / 8)
    return Actor(algorithm, card.hyper(), state, Task("some/task-v0", HostEnv(spec, None), scaler=scaler))


def observations(count: int, size: int) -> np.ndarray:
    return 2 * np.random.default_rng(0).normal(size=(count, size)).astype(np.float32)


def expect(folder, name: str, actor) -> None:
    """Put down what the policy is shown and what it should do."""
    obs = observations(6, actor._spec.obs)
    np.save(folder / f"{name}.obs.npy", obs)
    np.save(folder / f"{name}.action.npy", actor(obs))


def fresh_process(folder, loading: str, names: list[str]) -> str:
    """What another process says, which compares the policies in the folder's files with what is expected."""
    line = [sys.executable, "-c", loading + COMPARE, json.dumps(names)]
    # In that folder and without PYTHONPATH, this package cannot be imported from the checkout by accident.
    environment = {"PATH": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout.strip() or done.stderr


@pytest.fixture(scope="module")
def swept():
    hypers = jaxrl.grid("td3_bc", q_scale=[1.0, 4.0])
    return jaxrl.sweep("td3_bc", made.task(), hypers=hypers, seeds=[3, 5], **SMALL)


@pytest.fixture(scope="module")
def run(swept, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return out / "runs" / store.keep(swept, out, suite="tests")


def test_a_stored_member_acts_as_it_did(swept, run):
    obs = observations(5, 3)
    for hyper in (0, 1):
        for seed in (0, 1):
            np.testing.assert_allclose(export.actor(run, hyper, seed)(obs), swept.policy(hyper, seed)(obs), atol=1e-6)


def test_a_run_is_exported_for_jax_and_acts_in_a_fresh_process(swept, run, tmp_path):
    found = export.write(run, "jax", hyper=1, seed=1, out=tmp_path / "deep" / "mine.jax")
    assert found.files == (tmp_path / "deep" / "mine.jax", tmp_path / "deep" / "mine.jax.json")
    assert found.difference < 1e-5
    assert b"jaxrl" not in found.files[0].read_bytes(), "no paths of this machine"
    expect(tmp_path / "deep", "mine", swept.policy(1, 1))
    assert fresh_process(tmp_path / "deep", JAX, ["mine"]) == "acted"
    facts = json.loads(found.files[1].read_text())
    assert (facts["card"], facts["task"], facts["run"], facts["seed"]) == ("td3_bc", "made/up-v0", run.name, 5)
    assert facts["numbers"]["q_scale"] == 4.0 and facts["spec"]["name"] == "Pendulum-v1" and facts["use"] == PLAIN
    assert facts["inputs"] == [{"name": "obs", "dtype": "float32", "shape": ["N", 3]}]
    assert facts["outputs"] == [{"name": "action", "dtype": "float32", "shape": ["N", 1]}]
    assert "jax=" in facts["exported_with"] and {"cpu", "cuda", "tpu"} <= set(facts["platforms"])


def test_a_run_is_exported_for_onnx(swept, run, tmp_path):
    library = pytest.importorskip("onnx", reason=LIBRARY)
    found = export.write(run, "onnx", seed=1, out=tmp_path / "mine.onnx")
    assert found.files == (tmp_path / "mine.onnx",) and found.difference < 1e-5
    model = library.load(found.files[0])
    facts = {one.key: one.value for one in model.metadata_props}
    assert facts["card"] == "td3_bc" and json.loads(facts["numbers"])["q_scale"] == 1.0 and facts["run"] == run.name
    assert [one.dim_param or one.dim_value for one in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 3]
    obs = observations(4, 3)
    np.testing.assert_allclose(onnx.call(found.files[0].read_bytes(), obs), swept.policy(0, 1)(obs), atol=1e-5)


def test_policies_of_many_cards_act_from_jax_programs_in_a_fresh_process(tmp_path):
    for name, spec in COMMON:
        actor = drawn(name, spec)
        (tmp_path / f"{name}.jax").write_bytes(serialized.serialize(serialized.program(actor)))
        expect(tmp_path, name, actor)
    assert fresh_process(tmp_path, JAX, [name for name, _ in COMMON]) == "acted"


def test_a_program_holds_what_acts_and_nothing_else():
    actor = drawn("td3_bc", SPEC)
    data, params = serialized.serialize(serialized.program(actor)), actor._state.params
    held = {part: [np.asarray(leaf).tobytes() in data for leaf in jax.tree.leaves(params[part])] for part in params}
    assert all(held["actor"]) and not any(held["critic"]), "no critics"


@pytest.mark.parametrize("library", RUNTIMES)
def test_policies_of_many_cards_act_from_onnx_in_a_fresh_process(library, tmp_path):
    pytest.importorskip("onnx", reason=LIBRARY)
    pytest.importorskip(library, reason=LIBRARY)
    for name, spec in CARDS:
        actor = drawn(name, spec)
        (tmp_path / f"{name}.onnx").write_bytes(onnx.model(serialized.program(actor), {}).SerializeToString())
        expect(tmp_path, name, actor)
    loading = ONNX.format(library=library, session=RUNTIMES[library])
    assert fresh_process(tmp_path, loading, [name for name, _ in CARDS]) == "acted"


def test_a_policy_with_memory_is_exported_for_jax_step_by_step(run, tmp_path, monkeypatch):
    actor = drawn("dt", SPEC)
    monkeypatch.setattr(export.rebuild, "restored", lambda *_: actor)
    found = export.write(run, "jax", out=tmp_path / "dt.jax")
    program = jax.export.deserialize(bytearray(found.files[0].read_bytes()))
    facts = json.loads(found.files[1].read_text())
    assert facts["use"] == STATEFUL and facts["inputs"][1:4] == [
        {"name": "reward", "dtype": "float32", "shape": ["N"]},
        {"name": "first", "dtype": "bool", "shape": ["N"]},
        {"name": "step", "dtype": "int32", "shape": []},
    ]
    memory = [np.zeros([2, *one.shape[1:]], one.dtype) for one in program.in_avals[4:]]
    first = np.array([True, True])
    for step in range(5):
        obs, reward = observations(step + 2, 4)[-2:], np.full(2, step / 4, np.float32)
        action, *memory = program.call(obs, reward, first, np.int32(step), *memory)
        np.testing.assert_allclose(action, actor(obs, reward, first), atol=1e-5)
        first = np.array([False, step == 2])


def test_a_policy_with_memory_is_refused_for_onnx(run, monkeypatch):
    pytest.importorskip("onnx", reason=LIBRARY)
    monkeypatch.setattr(export.rebuild, "restored", lambda *_: drawn("dt", SPEC))
    with pytest.raises(InputError, match=r"^card td3_bc: its policy has memory, .*; use --format jax$"):
        export.write(run, "onnx")


@pytest.mark.slow
@pytest.mark.parametrize("card", ["dt", "resip"])
def test_the_last_policy_of_a_plan_is_exported(card, tmp_path):
    """Also where the last phase begins with what the phases before it learned."""
    small = {name: value for name, value in SMALL.items() if name in (*registry.card(card).structure(), "batch")}
    result = jaxrl.sweep(card, made.task(), updates=2, evaluate_every=2, episodes=1, **small)
    run = tmp_path / "runs" / store.keep(result, tmp_path, suite="tests")
    obs = observations(4, 3)
    np.testing.assert_allclose(export.actor(run)(obs), result.policy()(obs), atol=1e-5)
    assert export.write(run, "jax").difference < 1e-5


def test_a_policy_that_draws_at_random_takes_the_step_that_its_chance_depends_on():
    actor = drawn("v_gps", SPEC)
    program, obs = serialized.program(actor), observations(3, 4)
    assert program.inputs == ("obs", "reward", "first", "step")
    loaded = jax.export.deserialize(bytearray(serialized.serialize(program)))
    rest = np.zeros(3, np.float32), np.zeros(3, bool)
    for step in range(3):
        np.testing.assert_allclose(loaded.call(obs, *rest, np.int32(step))[0], actor(obs), atol=1e-5)
    with pytest.raises(InputError, match=r"its policy draws at random, .* use --format jax"):
        onnx.model(program, {})


FUNCTIONS = {
    "arithmetic": lambda x: (x + 1) * x / 3 - x**3 + jnp.abs(x) ** 0.5 - (-x) ** 2,
    "functions": lambda x: (
        jnp.exp(x) + jnp.sin(x) + jnp.cos(x) + jnp.floor(x) + jnp.ceil(x) + jnp.sign(x) + jnp.tanh(x)
    ),
    "logarithms": lambda x: jnp.log1p(x**2) + jnp.expm1(x / 8) + jax.nn.softplus(x) + jnp.log(2 + x**2),
    "activations": lambda x: jax.nn.gelu(x) + jax.nn.gelu(x, approximate=False) + jax.nn.silu(x) + jax.nn.elu(x),
    "choices": lambda x: jnp.where((x > 0) & (x <= 1) | ~(x >= -1) | (x == 5) | (x != x), jnp.clip(x, -1, 0.5), 2 * x),
    "statistics": lambda x: (
        x.mean(-1, keepdims=True) + x.max(-1)[:, None] * x.min() - x.std(-1)[:, None] + x.prod(1)[:, None]
    ),
    "softmax": lambda x: jax.nn.softmax(x) * jnp.linspace(0, 1, 6)[None] + jax.nn.logsumexp(x, -1, keepdims=True),
    "shapes": lambda x: jnp.concatenate([x[:, ::2].T.reshape(3, -1), x[:, 3:].T, x.T[1:2]]).T.reshape(-1, 7, 1)[..., 0],
    "products": lambda x: jnp.einsum("nij,kjl->knil", x.reshape(-1, 2, 3), jnp.arange(24.0).reshape(2, 3, 4)).sum(0),
    "rows": lambda x: x.reshape(-1, 3, 2)[:, jnp.array([2, 0])] + jnp.stack([x, -x])[1][:, None, 2:4],
    "batch": lambda x: jnp.broadcast_to(jnp.arange(3.0), (x.shape[0], 3)) + x.sum() / x.shape[0],
    "repeated": lambda x: jnp.broadcast_to(x[None], (2, *x.shape)).reshape(-1, 6).mean(0, keepdims=True) + x,
    "best": lambda x: jnp.stack([x.argmax(-1), x.argmin(-1)], -1),
    "whole": lambda x: x.astype(jnp.int32) * 3 + (x > 0).astype(jnp.int32),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_jax_are_the_same_in_onnx(name):
    pytest.importorskip("onnx", reason=LIBRARY)
    shape = jax.ShapeDtypeStruct(jax.export.symbolic_shape("N, 6"), jnp.float32)
    model = onnx.model(serialized.Program(("obs",), FUNCTIONS[name], (shape,)), {}).SerializeToString()
    for count in (1, 5):
        obs = observations(count, 6)
        wanted = np.asarray(FUNCTIONS[name](obs))
        found = onnx.call(model, obs)
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_what_onnx_export_does_not_know_is_named():
    pytest.importorskip("onnx", reason=LIBRARY)
    shape = jax.ShapeDtypeStruct(jax.export.symbolic_shape("N, 6"), jnp.float32)
    with pytest.raises(InputError, match="uses 'sort', which ONNX export does not know; use --format jax"):
        onnx.model(serialized.Program(("obs",), lambda x: jnp.sort(x), (shape,)), {})


def test_only_what_is_needed_is_left_of_a_function():
    def function(x, y):
        unused = jnp.sin(y)
        return jax.jit(lambda a, b: (a * 2.0, b + unused))(x, y)[0] + jnp.exp(jnp.float32(0)), jnp.float32(3) * 2

    flat = flatten(jax.make_jaxpr(function)(jnp.float32(1), jnp.float32(2)))
    assert [one.name for one in flat.operations] == ["mul", "add"] and flat.reads() == [0]
    assert float(flat.outputs[1]) == 6.0


def test_the_command_writes_into_the_runs_folder(run, monkeypatch, capsys):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    monkeypatch.chdir(run.parents[2])
    assert (
        command.run(
            parser.parse_args([run.name[:-3], "--format", "jax", "--hyper", "1", "--root", run.parents[1].name])
        )
        == 0
    )
    assert (run / "export" / "policy-1-0.jax").is_file() and (run / "export" / "policy-1-0.jax.json").is_file()
    assert capsys.readouterr().out.startswith(f"written: {run.parents[1].name}/runs/")
    monkeypatch.chdir(run)
    with pytest.raises(InputError, match="run 'lost' is no folder of a run, and there is no folder results"):
        command.run(parser.parse_args(["lost", "--format", "jax"]))
    with pytest.raises(SystemExit):
        parser.parse_args(["lost", "--format", "jax", "--seed", "-1"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "pickle"}, "unknown format 'pickle'; known: jax, onnx"),
        ({"form": "jax", "hyper": 2}, "hyper 2 is not in run .*, which has 2; count from 0"),
        ({"form": "jax", "seed": -1}, "seed -1 is not in run .*, which has 2; count from 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(run, options, message):
    with pytest.raises(InputError, match=message):
        export.write(run, **options)


def test_a_file_that_cannot_be_written_leaves_nothing(run, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for out in (tmp_path / "file" / "policy.jax", tmp_path / "folder"):
        with pytest.raises(InputError, match=r"cannot be written .*, or choose another with --out"):
            export.write(run, "jax", out=out)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]


def test_runs_that_cannot_be_exported_are_refused(run, tmp_path, monkeypatch):
    record = json.loads((run / "run.json").read_text())
    bare = tmp_path / "bare"
    bare.mkdir()

    def put(**changes):
        (bare / "run.json").write_text(json.dumps(record | changes))

    put()
    with pytest.raises(InputError, match="was stored without its policies; run it again and keep them"):
        export.write(bare, "jax")
    shutil.copytree(run / "policy", bare / "policy")
    put(diverged=[[{"update": 2, "part": "critic"}, None], [None, None]])
    with pytest.raises(InputError, match=r"hyper 0, seed 0 of run .* diverged by update 2; export another"):
        export.write(bare, "jax")
    put(numbers=[{"temperature": 1.0}] * 2)
    with pytest.raises(InputError, match=r"has other numbers than card td3_bc takes here .*'temperature'"):
        export.write(bare, "jax")
    put(structure=record["structure"] | {"width": 16})
    with pytest.raises(InputError, match="does not fit"):
        export.write(bare, "jax")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'jaxrl-suite\[onnx\]'"):
        export.write(run, "onnx")
