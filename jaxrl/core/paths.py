"""Where things lie on disk: the project's own files, built data, caches. Nothing is made by importing this."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def shared(folder: str) -> Path:
    """A folder of the project ("benchmarks/suites", "datasets/recipes"): in the checkout, else inside the wheel."""
    checkout = PACKAGE.parent / folder
    return checkout if checkout.is_dir() else PACKAGE / "_share" / folder


def cache() -> Path:
    """Folder for what can be made again: `JAXRL_CACHE`, else `~/.cache/jaxrl`."""
    return Path(os.environ.get("JAXRL_CACHE") or Path.home() / ".cache" / "jaxrl")


def built() -> Path:
    """Root of the datasets built here: `JAXRL_DATA`, else `datasets/built` of a checkout, else the cache."""
    if os.environ.get("JAXRL_DATA"):
        return Path(os.environ["JAXRL_DATA"])
    checkout = PACKAGE.parent / "datasets"
    return checkout / "built" if (checkout / "build.py").is_file() else cache() / "datasets"


def dataset_roots() -> list[Path]:
    """Where Minari datasets are looked for, in order: Minari's own path, built data, external data if set."""
    minari = os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets"
    roots = [Path(minari), built()]
    if os.environ.get("JAXRL_EXTERNAL_DATA"):
        roots.append(Path(os.environ["JAXRL_EXTERNAL_DATA"]) / "minari")
    return roots
