"""`jaxrl export`."""

import argparse
from pathlib import Path

from jaxrl.core.check import InputError


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of `export`."""
    text = "id of a run or its beginning, see `jaxrl runs list`, or its folder"
    command.add_argument("id", metavar="RUN", help=text)
    command.add_argument("--root", metavar="ROOT", default="results", help="where ids are looked for (default results)")
    text = "jax: for jax.export.deserialize, on any platform; onnx: for ONNX runtimes (needs the extra onnx)"
    command.add_argument("--format", choices=["jax", "onnx"], required=True, help=text)
    count = {"type": position, "default": 0, "metavar": "N"}
    command.add_argument("--hyper", **count, help="which of the run's hyperparameter records, from 0 (default 0)")
    command.add_argument("--seed", **count, help="which of the run's seeds, from 0 (default 0)")
    command.add_argument("--out", metavar="FILE", help="default: export/policy-HYPER-SEED.FORMAT in the run's folder")


def position(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 0")
    return int(text)


def run(arguments) -> int:
    """`jaxrl export`."""
    from jaxrl import export, store

    name, root = arguments.id, Path(arguments.root)
    if not (Path(name) / store.FILE).is_file() and not root.is_dir():
        raise InputError(f"run {name!r} is no folder of a run, and there is no folder {root}; give --root")
    folder = store.locate(name, root)
    found = export.write(folder, arguments.format, hyper=arguments.hyper, seed=arguments.seed, out=arguments.out)
    print(f"written: {', '.join(map(str, found.files))}; its actions differ by {found.difference:.0e} at most")
    return 0
