"""Imports point downwards only, libraries stay at home, and heavy ones are imported by the functions that use them."""

import pytest

from tests.structure.source import Module, check_none, imports, modules

LAYERS = (
    ("core",),
    ("networks", "losses", "returns"),
    ("data", "envs"),
    ("forge",),
    ("compose", "sources", "tasks"),
    ("algorithms", "train", "evaluation", "ope", "measures"),
    ("registry", "acting", "cluster"),
    ("experiment", "scaffold", "diagnosis"),
    ("suites", "ladder", "store"),
    ("trackers",),
    ("jobs",),
    ("remote",),
    ("bench", "export", "tune", "protocols", "report"),
    ("cli",),
    ("__main__",),
)
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}

NARROW = {
    "compose": {"core", "networks", "losses", "returns"},
    "sources": {"core", "data", "envs"},
    "train": {"core", "data", "envs"},
    "evaluation": {"core", "data", "envs"},
    "measures": {"core", "data", "envs", "losses"},
    "ope": {"core", "networks", "losses", "returns", "data", "envs", "compose"},
}
"""Units that may see less than everything below them."""

HOMES = {
    "flax": {"networks"},
    "optax": {"compose", "algorithms"},
    "orbax": {"train"},
    "minari": {"data"},
    "h5py": {"data"},
    "pyarrow": {"data"},
    "gymnasium": {"data", "envs", "evaluation", "forge"},
    "gymnasium_robotics": {"envs"},
    "mujoco": {"envs"},
    "brax": {"envs"},
    "matplotlib": {"evaluation"},
    "altair": {"report"},
    "vl_convert": {"report"},
    "tensorboardX": {"trackers"},
    "wandb": {"trackers"},
    "mlflow": {"trackers"},
    "onnx": {"export"},
    "ray": {"cluster"},
    "optuna": {"tune"},
    "tyro": {"cli"},
}
"""Library -> units that may import it; `diagnosis` may import any, to say whether it works."""

HEAVY = HOMES.keys() - {"flax", "optax", "tyro"} | {"pandas"}
"""Libraries that cost a second or more, or that a user may lack."""


def upward(module: Module) -> list[str]:
    """Imports of our own that do not point downwards."""
    found = []
    for one in imports(module):
        parts = one.target.split(".")
        if parts[0] == "":
            found.append(f"{module.path} imports {one.target} relatively; write the full name")
        if parts[0] != "jaxrl" or module.unit == "__init__":
            continue
        unit = parts[1] if len(parts) > 1 else "jaxrl"
        if unit not in LEVEL:
            allowed = unit == "__version__"
        elif unit == module.unit:
            allowed = True
        else:
            allowed = LEVEL[unit] < LEVEL[module.unit] and unit in NARROW.get(module.unit, LEVEL)
        if not allowed:
            found.append(f"{module.path} imports {unit}")
    return found


def homeless(module: Module) -> list[str]:
    """Imports of libraries outside their home."""
    libraries = {one.target.split(".")[0] for one in imports(module)} & HOMES.keys()
    return [
        f"{module.path} imports {library}, whose home is {' and '.join(sorted(HOMES[library]))}"
        for library in sorted(libraries)
        if module.unit not in HOMES[library] | {"diagnosis"}
    ]


def heavy(module: Module) -> set[str]:
    """Heavy libraries that are imported together with the module."""
    return {one.target.split(".")[0] for one in imports(module) if not one.deferred} & HEAVY


def imported_at_once(name: str, others: tuple[Module, ...]) -> list[str]:
    """Paths of modules that import the named one outside a function."""
    return [
        other.path
        for other in others
        for one in imports(other)
        if not one.deferred and (one.target == name or one.target.startswith(f"{name}."))
    ]


def hasty(module: Module, others: tuple[Module, ...]) -> list[str]:
    """Heavy imports at module level, unless every importer of the module itself waits (a subclass needs its base)."""
    importers = imported_at_once(module.name, others)
    waits = any(one.target.startswith(module.name) and one.deferred for other in others for one in imports(other))
    if not heavy(module) or (waits and not importers):
        return []
    return [f"{module.path} imports {library} at module level" for library in sorted(heavy(module))]


def parents(module: Module) -> set[str]:
    """Other algorithm files that an algorithm file imports, by path."""
    files = {other.name: other.path for other in modules() if other.unit == "algorithms"}
    targets = {one.target for one in imports(module)}
    seen = {files[name] for name in files for target in targets if target == name or target.startswith(f"{name}.")}
    return {path for path in seen if not path.endswith("__init__.py")} - {module.path}


def ancestry(path: str) -> list[str]:
    """A file, its parent, its parent's parent."""
    above = next(iter(parents(next(one for one in modules() if one.path == path))), None)
    return [path, *(ancestry(above) if above else [])]


def test_package_was_found():
    assert len(modules()) > 20 and {"core", "data", "algorithms"} <= {module.unit for module in modules()}


def test_every_folder_has_a_layer():
    unknown = {module.unit for module in modules()} - LEVEL.keys() - {"__init__"}
    check_none(f"{unit} has no layer: give it one in LAYERS" for unit in sorted(unknown))


def test_imports_point_downwards():
    check_none(line for module in modules() if module.unit in LEVEL for line in upward(module))


def test_libraries_stay_at_home():
    check_none(line for module in modules() for line in homeless(module))


def test_heavy_libraries_wait_for_their_use():
    check_none(line for module in modules() for line in hasty(module, modules()))


def test_no_star_imports():
    check_none(module.path for module in modules() for one in imports(module) if one.target.endswith(".*"))


def test_algorithms_have_one_parent_in_short_chains():
    files = [module for module in modules() if module.unit == "algorithms"]
    check_none(f"{one.path} has parents {sorted(parents(one))}; at most one" for one in files if len(parents(one)) > 1)
    check_none(" imports ".join(ancestry(one.path)) + "; at most four" for one in files if len(ancestry(one.path)) > 4)


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("algorithms/offline/foo.py", "from jaxrl.train import fit", "algorithms/offline/foo.py imports train"),
        ("algorithms/offline/foo.py", "from jaxrl import registry", "algorithms/offline/foo.py imports registry"),
        ("data/foo.py", "def f():\n    import jaxrl.envs.maze", "data/foo.py imports envs"),
        ("train/foo.py", "from jaxrl.sources.logged import logged", "train/foo.py imports sources"),
        ("tasks.py", "import jaxrl", "tasks.py imports jaxrl"),
    ],
)
def test_upward_imports_are_seen(path, line, complaint):
    assert upward(Module(path, line)) == [complaint]


def test_other_breaches_are_seen():
    assert homeless(Module("losses/foo.py", "def f():\n    import flax.linen as nn")) == [
        "losses/foo.py imports flax, whose home is networks"
    ]
    foo = Module("data/foo.py", "try:\n    from minari import x\nexcept ImportError:\n    pass")
    assert hasty(foo, (foo,)) == ["data/foo.py imports minari at module level"]
    later = Module("data/bar.py", "def f():\n    from jaxrl.data.foo import x")
    assert hasty(foo, (foo, later)) == []
    at_once = Module("data/baz.py", "from jaxrl.data.foo import x")
    assert hasty(foo, (foo, later, at_once)) == ["data/foo.py imports minari at module level"]
    assert hasty(Module("data/foo.py", "def f():\n    import minari"), ()) == []
