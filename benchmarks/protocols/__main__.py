"""Run studies of evaluation protocols and write a table for each.

    python -m benchmarks.protocols [NAMES...] [--seeds 5]

Each other module of this folder has `study(seeds) -> Study`; its table is benchmarks/tables/protocols/NAME.md.
"""

import argparse
import importlib
import pkgutil
import time
from pathlib import Path

import jax

import benchmarks.protocols
from benchmarks.protocols.study import Study
from jaxrl.core import compilation
from jaxrl.core.check import known

TABLES = Path(__file__).resolve().parents[1] / "tables" / "protocols"


def names() -> list[str]:
    """The studies there are."""
    own = {"study", "__main__"}
    return sorted(info.name for info in pkgutil.iter_modules(benchmarks.protocols.__path__) if info.name not in own)


def markdown(found: Study, command: str, seconds: float) -> str:
    """A study's page."""
    line = lambda cells: "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
    table = line(found.columns) + line(["---"] * len(found.columns)) + "".join(map(line, found.rows))
    verdict = "shown" if found.shown else "not shown"
    how = (
        f"Made by `{command}` in {seconds:.0f} s, jax {jax.__version__}, {jax.devices()[0].device_kind}; never edited."
    )
    parts = [
        f"# {found.title}",
        f"{how} Source: {found.source}.",
        f"**Claim:** {found.claim} **{verdict}**",
        table.strip(),
    ]
    return "\n\n".join([*parts, *([found.text.strip()] if found.text else [])]) + "\n"


def main() -> None:
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=names())
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    compilation.keep()
    TABLES.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        module = importlib.import_module(f"benchmarks.protocols.{known('study', name, names())}")
        start = time.perf_counter()
        found = module.study(arguments.seeds)
        command = f"python -m benchmarks.protocols {name} --seeds {arguments.seeds}"
        page = markdown(found, command, time.perf_counter() - start)
        (TABLES / f"{name}.md").write_text(page, encoding="utf-8")
        print(page, flush=True)


if __name__ == "__main__":
    main()
