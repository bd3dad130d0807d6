"""`import jaxrl` is quick, starts no backend, and leaves heavy libraries for later."""

import json
import subprocess
import sys

from tests.structure.source import ROOT
from tests.structure.test_layers import HEAVY

LIMIT = 3.0
"""Seconds; the aim is 1.5, and test machines are slower and shared."""

PROGRAM = """
import json, sys, time
start = time.perf_counter()
import jaxrl
imported = time.perf_counter() - start
public = [getattr(jaxrl, name) for name in jaxrl.__all__]
used = time.perf_counter() - start
names = sorted({name.split(".")[0] for name in sys.modules})
from jax._src import xla_bridge
print(json.dumps({"imported": imported, "used": used, "modules": names, "backends": sorted(xla_bridge._backends)}))
"""


def measure(program: str = PROGRAM) -> dict:
    """What a fresh interpreter says about the import, and about fetching every public name."""
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_import_is_quick_and_starts_nothing():
    runs = [measure() for _ in range(3)]
    imported, used = (min(run[name] for run in runs) for name in ("imported", "used"))
    print(f"import jaxrl: {imported:.3f} s; with every public name: {used:.2f} s (best of {len(runs)})")
    assert imported < LIMIT and used < 2 * LIMIT
    assert runs[0]["backends"] == []
    assert HEAVY & {*runs[0]["modules"]} == set()


def test_a_started_backend_and_a_heavy_import_would_be_seen():
    run = measure(PROGRAM.replace("import jaxrl\n", "import jaxrl, jax, h5py; jax.devices()\n", 1))
    assert run["backends"] != [] and "h5py" in HEAVY & {*run["modules"]}
