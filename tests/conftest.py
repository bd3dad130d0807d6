"""Settings of every test: strict JAX, warnings as errors (pyproject.toml), a compilation cache kept between runs."""

import os
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Before JAX, Matplotlib and MuJoCo are imported, and for the processes that tests start.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAXRL_CACHE", str(ROOT / ".cache"))
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MUJOCO_GL", "disabled")

import jax
import pytest

from jaxrl.core.card import Card

STRICT = {
    "jax_numpy_rank_promotion": "raise",
    "jax_legacy_prng_key": "error",
    "jax_compilation_cache_dir": str(Path(os.environ["JAXRL_CACHE"]) / "xla-tests"),
    "jax_persistent_cache_min_compile_time_secs": 0.1,
    "jax_persistent_cache_min_entry_size_bytes": 0,
}
for name, value in STRICT.items():
    jax.config.update(name, value)

LATE = "left out: the time in JAXRL_TEST_DEADLINE or JAXRL_TEST_LIMIT has passed"


@pytest.fixture(autouse=True)
def strict_jax():
    """Settings that a test, or what it calls, changed are put back for the next."""
    yield
    for name, value in STRICT.items():
        if getattr(jax.config, name) != value:
            jax.config.update(name, value)


@pytest.fixture(scope="module", autouse=True)
def forgotten_programs():
    """Compiled programs of a file are dropped after it: they add up to gigabytes over all files."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def external_data() -> Path:
    """Folder of data that is not in the repository; the test is skipped where there is none."""
    folder = os.environ.get("JAXRL_EXTERNAL_DATA")
    if not folder:
        pytest.skip("needs external data: set JAXRL_EXTERNAL_DATA to its folder")
    if not Path(folder).is_dir():
        pytest.fail(f"JAXRL_EXTERNAL_DATA is {folder!r}, which is not a folder; correct or unset it")
    return Path(folder)


def pytest_collection_modifyitems(config, items):
    """Under pytest-xdist a worker gets whole files or, where tests run for every card, all of a card's tests in a file.

    So what a file or a card compiles is compiled once. Slow tests come in the order of what they are worth where time
    is short: those that show learning, the rest, what every card promises, and MuJoCo's, which compile for minutes.
    """
    order = ("learning", "", "contract", "mujoco")
    worth = lambda item: next((order.index(part) for part in item.path.parts if part in order), 1)
    items.sort(key=lambda item: worth(item) if item.get_closest_marker("slow") else -1)
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            item.add_marker(pytest.mark.xdist_group(group(item)))


def group(item) -> str:
    """Name of the tests that belong together: the file's, with the card's where the test has one."""
    parameters = getattr(item, "callspec", None)
    values = list(parameters.params.values()) if parameters else []
    nested = [part for value in values if type(value) is tuple for part in value]
    cards = [value.name for value in [*values, *nested] if isinstance(value, Card)]
    return "-".join([item.path.relative_to(ROOT).as_posix(), *cards[:1]])


def pytest_runtest_setup(item):
    """Slow tests are left out once the time in JAXRL_TEST_DEADLINE (seconds since 1970) has passed.

    So is every test after JAXRL_TEST_LIMIT: on a slow machine a run that says what it left out is worth more than one
    that is cut off.
    """
    after = lambda name: time.time() > float(os.environ.get(name) or "inf")
    if (item.get_closest_marker("slow") and after("JAXRL_TEST_DEADLINE")) or after("JAXRL_TEST_LIMIT"):
        pytest.skip(LATE)


def pytest_terminal_summary(terminalreporter):
    """A line that says how many tests the time did not allow."""
    late = [one.nodeid for one in terminalreporter.stats.get("skipped", []) if LATE in str(one.longrepr)]
    if late:
        terminalreporter.write_line(f"NOT RUN for want of time: {len(late)} tests ({', '.join(late)})")
