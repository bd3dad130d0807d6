"""The command line with all its help."""

import argparse
from collections.abc import Callable

from jaxrl import __version__
from jaxrl.cli import commands, export, measures, report, runs, tune
from jaxrl.core.check import InputError


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are bad input like any other: one line."""

    def error(self, message: str):
        """InputError in place of argparse's usage and exit."""
        raise InputError(f"{message}; see `{self.prog} --help`")


def parser() -> argparse.ArgumentParser:
    """The command line with all its help."""
    root = Parser(
        "jaxrl",
        description="Offline and online reinforcement learning in JAX: data and environments in, tables of scores out.",
        epilog="`jaxrl COMMAND --help` says more. Exit codes: 0 all went well, 1 some of what was asked for could not "
        "be run, 2 bad input, 130 interrupted.",
    )
    root.add_argument("--version", action="version", version=f"jaxrl {__version__}")
    group = root.add_subparsers(required=True, metavar="COMMAND")
    listing = add(group, "list", commands.list_cards, "the cards: family, kinds of action, settings and their defaults")
    listing.add_argument("--json", action="store_true", help="for machines, with suites, datasets and environments")
    for name, text in (("train", "train a card on a task"), ("sweep", "train a card for every combination of numbers")):
        add_training(add(group, name, commands.train, text), lists=name == "sweep")
    add_bench(add(group, "bench", commands.bench, "run a suite and write its leaderboard"))
    table = add(
        group, "table", commands.print_table, "print the leaderboard of a folder's scores.csv, and write it anew"
    )
    table.add_argument("folder", metavar="FOLDER", help="where a scores.csv lies, such as results/quick")
    add_protocol(table)
    table.add_argument("--format", choices=["terminal", "md", "csv", "latex"], default="terminal", help="what to print")
    report.add_report(add(group, "report", None, "write a page of all results in a folder, or its tables or charts"))
    cite = add(group, "cite", commands.cite_cards, "BibTeX of the papers behind cards")
    cite.add_argument("cards", nargs="*", metavar="CARD", help="default: all")
    tune.add_tune(add(group, "tune", None, "search for a card's settings on a task"))
    runs.add_runs(add(group, "runs", None, "list, show and compare finished runs"))
    export.add_arguments(
        add(group, "export", export.run, "write a trained policy as a file that acts without this package")
    )
    add_data(add(group, "data", None, "list, describe, build and import datasets"))
    new = add(group, "new", commands.new_card, "write a card's file that passes the contract tests")
    new.add_argument("name", metavar="FAMILY/NAME", help="such as offline/my_idea")
    new.add_argument("--parent", required=True, metavar="CARD", help="the card to start from, see `jaxrl list`")
    add(group, "doctor", commands.doctor, "what works on this machine, and what to do about the rest")
    return root


def add(group, name: str, run: Callable | None, text: str) -> argparse.ArgumentParser:
    """A command of that name."""
    command = group.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run)
    return command


def whole(text: str) -> int:
    """A count of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return value


def protocol(text: str) -> str:
    """A protocol of choosing checkpoints."""
    from jaxrl.core.check import InputError
    from jaxrl.evaluation import checkpoints

    try:
        checkpoints.choices(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_protocol(command: argparse.ArgumentParser) -> None:
    """The option of what is shown of a run."""
    text = "checkpoints that stand for a run: last, mean:K of the last K, best (an oracle), or both of last and best"
    command.add_argument(
        "--protocol", type=protocol, metavar="NAME", help=text + " (default both in the file, last here)"
    )


def share(text: str) -> float:
    """A number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0")
    return value


def add_training(command: argparse.ArgumentParser, lists: bool) -> None:
    """Arguments of `train` and `sweep`."""
    command.add_argument("card", metavar="CARD", help="see `jaxrl list`")
    command.add_argument(
        "task", metavar="TASK", help="id of a Minari dataset (`jaxrl data list`), or an environment for online cards"
    )
    count = {"type": whole, "metavar": "N"}
    command.add_argument("--seeds", **count, default=1, help="how many seeds, in one compiled call (default 1)")
    command.add_argument("--updates", **count, default=100_000, help="gradient updates (default 100000)")
    command.add_argument("--evaluate-every", **count, help="updates between evaluations (default: a tenth of all)")
    command.add_argument("--episodes", **count, default=10, help="episodes of an evaluation (default 10)")
    values = "NAME=VALUE[,VALUE...]" if lists else "NAME=VALUE"
    text = "a setting of the card, see `jaxrl list`; repeatable"
    combined = "; with several values all combinations are run" if lists else ""
    command.add_argument("--set", action="append", default=[], metavar=values, help=text + combined)
    text = "a tracker that follows: tensorboard:DIR, wandb:PROJECT (offline) or mlflow:DIR; repeatable"
    command.add_argument("--track", action="append", default=[], metavar="KIND:PLACE", help=text)
    text = "memory of each device that may be used (default: what is free); members are split into chunks that fit"
    command.add_argument("--memory", type=share, metavar="GIB", help=text)
    place = "folder for scores.csv (added to), leaderboard.md and scores.png (default results/CARD)"
    command.add_argument("--out", metavar="DIR", help=place)
    command.set_defaults(lists=lists)


def add_bench(command: argparse.ArgumentParser) -> None:
    """Arguments of `bench`."""
    from jaxrl.core import paths

    files = sorted(path.stem for path in paths.shared("benchmarks/suites").glob("*.toml"))
    command.epilog = "Finished runs are kept in scores.csv: the same command again runs what is missing."
    text = f"{', '.join(files)}, or the path of a TOML file (default quick)"
    command.add_argument("suite", metavar="SUITE", nargs="?", default="quick", help=text)
    count = {"type": whole, "metavar": "N"}
    command.add_argument("--updates", **count, help="gradient updates, instead of the suite's")
    command.add_argument("--seeds", **count, help="how many seeds, instead of the suite's")
    every = "updates between evaluations, instead of the suite's checkpoints"
    command.add_argument("--evaluate-every", **count, help=every)
    command.add_argument("--episodes", **count, help="episodes of an evaluation, instead of the suite's")
    command.add_argument("--cards", nargs="+", metavar="CARD", help="only these cards")
    command.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="only these tasks: ids of Minari datasets, or environments"
    )
    text = "a setting, for the cards that have it; wins over the suite's; repeatable"
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=text)
    command.add_argument("--out", metavar="DIR", help="folder of the results (default results/SUITE)")
    add_protocol(command)
    command.add_argument("--fresh", action="store_true", help="put an earlier scores.csv aside and run everything")
    command.add_argument(
        "--chunk", **count, help="seeds in a job, a compiled call (default: all of a card's on a task)"
    )
    text = "share the jobs out over the machines of a Ray cluster"
    command.add_argument("--backend", choices=["ray"], help=text)
    text = "the cluster's head, or auto for the one on this machine (default: Ray is started here for this command)"
    command.add_argument("--address", metavar="HOST:PORT", help=text)
    amount = {"type": share, "metavar": "N"}
    command.add_argument("--cpus", **amount, help="CPUs that a job takes of a machine (default 1)")
    text = "GPUs that a job takes of a machine, such as 0.5 (default 1 where the cluster has any, else 0)"
    command.add_argument("--gpus", **amount, help=text)


def add_data(command: argparse.ArgumentParser) -> None:
    """Commands under `data`."""
    kinds = command.add_subparsers(required=True, metavar="WHAT")
    listing = add(kinds, "list", commands.data_list, "all datasets found on this machine")
    listing.add_argument("--json", action="store_true", help="for machines")
    info = add(kinds, "info", commands.data_info, "spaces, returns, references and origin of a dataset")
    info.add_argument("id", metavar="ID", help="see `jaxrl data list`")
    info.add_argument("--json", action="store_true", help="for machines")
    build = add(kinds, "build", commands.data_build, "make datasets from recipes: scripted ones, or by training")
    text = "ids of embedded sets, or `all` of them; or recipes of trained sets, by name, id or the path of a TOML file"
    build.add_argument("ids", nargs="+", metavar="RECIPE", help=text)
    load = add(kinds, "import", commands.data_import, "turn a user's arrays into a Minari dataset")
    text = "observations, actions, rewards, and terminations, truncations or episode_ends; next_observations if known"
    load.add_argument("file", metavar="FILE.npz", help=text)
    text = "the environment that the data come from: of Gymnasium, or of ours (`jaxrl list --json`)"
    load.add_argument("--env", required=True, metavar="ID", help=text)
    load.add_argument("--dataset-id", required=True, metavar="ID", help="such as mine/hopper-v0")
    measures.add_report(kinds)
