"""Run studies of evaluation protocols and write a table for each.

    python -m benchmarks.protocols [NAMES...] [--seeds 5]

Each other module of this folder has `study(seeds) -> Study`; its table is benchmarks/tables/protocols/NAME.md.
"""

from pathlib import Path

import jax

import benchmarks.protocols
from benchmarks import folder
from benchmarks.protocols.study import Study

TABLES = Path(__file__).resolve().parents[1] / "tables" / "protocols"


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


def write(name: str, found: Study, command: str, seconds: float) -> None:
    """The page of a study, also printed."""
    TABLES.mkdir(parents=True, exist_ok=True)
    page = markdown(found, command, seconds)
    (TABLES / f"{name}.md").write_text(page, encoding="utf-8")
    print(page, flush=True)


if __name__ == "__main__":
    folder.run(benchmarks.protocols, {"study"}, "study", write, __doc__.splitlines()[0])
