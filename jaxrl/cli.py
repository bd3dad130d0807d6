"""The command `jaxrl`: list, train, sweep, bench, table, cite, data, new, doctor.

Exit codes: 0 all went well; 1 some of what was asked for could not be run; 2 bad input; 130 interrupted.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from jaxrl import __version__
from jaxrl.core.check import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; bad input ends in one line on standard error and code 2."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except InputError as error:
        print(f"jaxrl: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("jaxrl: interrupted; finished runs are kept, the same command goes on after them", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """The command line with all its help."""
    root = argparse.ArgumentParser("jaxrl", description="Offline and online reinforcement learning in JAX.")
    root.add_argument("--version", action="version", version=f"jaxrl {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    listing = add(commands, "list", list_cards, "the cards: name, family, actions, settings and their defaults")
    listing.add_argument("--json", action="store_true", help="for machines, with suites, tasks and environments")
    for name, text in (("train", "train a card on a task"), ("sweep", "train a card for every combination of numbers")):
        add_training(add(commands, name, train, text), lists=name == "sweep")
    add_bench(add(commands, "bench", bench, "run a suite and write its leaderboard"))
    table = add(commands, "table", print_table, "print the leaderboard of a folder's scores.csv again, and write it anew")
    table.add_argument("folder", help="such as results/quick")
    table.add_argument("--format", choices=["terminal", "md", "csv", "latex"], default="terminal", help="what to print")
    cite = add(commands, "cite", cite_cards, "BibTeX of the papers behind cards")
    cite.add_argument("cards", nargs="*", metavar="CARD", help="default: all")
    add_data(add(commands, "data", None, "list, describe, build and import datasets"))
    new = add(commands, "new", new_card, "write a card's file that passes the contract tests")
    new.add_argument("name", help="FAMILY/NAME, such as offline/my_idea")
    new.add_argument("--parent", required=True, metavar="CARD", help="the card to start from")
    add(commands, "doctor", doctor, "what works on this machine, and what to do about the rest")
    return root


def add(commands, name: str, run, text: str) -> argparse.ArgumentParser:
    """A command of that name."""
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run)
    return command


def add_training(command: argparse.ArgumentParser, lists: bool) -> None:
    command.add_argument("card", metavar="CARD", help="see `jaxrl list`")
    command.add_argument("task", metavar="TASK", help="id of a Minari dataset, see `jaxrl data list`")
    command.add_argument("--seeds", type=int, default=1, help="how many seeds, in one compiled call (default 1)")
    command.add_argument("--updates", type=int, default=100_000, help="gradient updates (default 100000)")
    command.add_argument("--evaluate-every", type=int, help="updates between evaluations (default: a tenth)")
    command.add_argument("--episodes", type=int, default=10, help="episodes of an evaluation (default 10)")
    values = "NAME=VALUE[,VALUE...]" if lists else "NAME=VALUE"
    command.add_argument("--set", action="append", default=[], metavar=values, help="a setting of the card; repeatable")
    command.add_argument("--out", help="folder for scores.csv, leaderboard.md, scores.png (default results/CARD)")
    command.set_defaults(lists=lists)


def add_bench(command: argparse.ArgumentParser) -> None:
    from jaxrl.core import paths

    files = sorted(path.stem for path in paths.shared("benchmarks/suites").glob("*.toml"))
    command.add_argument("suite", metavar="SUITE", nargs="?", default="quick", help=f"{', '.join(files)}, or a TOML file")
    command.add_argument("--updates", type=int, help="instead of the suite's")
    command.add_argument("--seeds", type=int, help="instead of the suite's")
    command.add_argument("--evaluate-every", type=int, help="instead of the suite's checkpoints")
    command.add_argument("--episodes", type=int, help="of an evaluation, instead of the suite's")
    command.add_argument("--cards", nargs="+", metavar="CARD", help="only these cards")
    command.add_argument("--tasks", nargs="+", metavar="TASK", help="only these tasks")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; repeatable")
    command.add_argument("--out", help="folder of the results (default results/SUITE)")
    command.add_argument("--fresh", action="store_true", help="put an earlier scores.csv aside and run everything")


def add_data(command: argparse.ArgumentParser) -> None:
    kinds = command.add_subparsers(required=True, metavar="WHAT")
    listing = add(kinds, "list", data_list, "all datasets found on this machine")
    listing.add_argument("--json", action="store_true", help="for machines")
    info = add(kinds, "info", data_info, "spaces, returns, references and origin of a dataset")
    info.add_argument("id", metavar="ID")
    info.add_argument("--json", action="store_true", help="for machines")
    build = add(kinds, "build", data_build, "make embedded datasets from their recipes")
    build.add_argument("ids", nargs="+", metavar="ID", help="ids, or `all`")
    load = add(kinds, "import", data_import, "turn a user's arrays into a Minari dataset")
    load.add_argument("file", metavar="FILE.npz", help="observations, actions, rewards, terminations, ... (see the README)")
    load.add_argument("--env", required=True, metavar="ID", help="the environment that the data come from")
    load.add_argument("--dataset-id", required=True, metavar="ID", help="such as mine/hopper-v0")


def prepare_jax() -> None:
    """Persistent compilation cache on, unless JAX was told otherwise."""
    import jax

    from jaxrl.core import paths

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(paths.cache() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def number(text: str):
    """true, false or a number; InputError otherwise."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        raise InputError(f"value {text!r} is neither a number nor true or false") from None


def assignments(texts: Sequence[str]) -> dict[str, list]:
    """NAME=VALUE[,VALUE...] by name."""
    pairs = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not name or not values:
            raise InputError(f"--set {text!r} is not of the form NAME=VALUE")
        pairs[name] = [number(value) for value in values.split(",")]
    return pairs


def single(pairs: dict[str, list]) -> dict:
    """The one value of each name; InputError for lists."""
    for name, values in pairs.items():
        if len(values) > 1:
            raise InputError(f"--set {name} lists {len(values)} values; lists of numbers are for `jaxrl sweep`")
    return {name: values[0] for name, values in pairs.items()}


def list_cards(arguments) -> int:
    from jaxrl import registry

    entries = {
        name: {
            "family": registry.family(name), "kind": card.kind, "actions": list(card.actions), "batch": card.batch,
            "numbers": card.numbers(), "structure": card.structure(), "preparation": card.preparation(),
            "paper": card.paper._asdict(),
        }
        for name, card in sorted(registry.cards().items())
    }  # fmt: skip
    if arguments.json:
        from jaxrl import forge, suites
        from jaxrl.envs.suites import names

        everything = {"cards": entries, "suites": suites.names(), "datasets": list(forge.recipes()), "environments": names()}
        print(json.dumps(everything, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("card", "family", "actions", "settings (default)", "paper", box=None, pad_edge=False)
    for name, entry in entries.items():
        shown = {**entry["numbers"], **entry["structure"], "batch": entry["batch"]}
        text = " ".join(f"{key}={value:g}" if not isinstance(value, bool) else f"{key}={value}".lower() for key, value in shown.items())
        table.add_row(name, entry["family"], ", ".join(entry["actions"]), text, entry["paper"]["id"])
    Console().print(table)
    return 0


def train(arguments) -> int:
    from pathlib import Path

    from jaxrl import bench as bench_module
    from jaxrl import experiment, registry
    from jaxrl.core.check import known

    prepare_jax()
    card = registry.card(arguments.card)
    pairs = assignments(arguments.set)
    for name in pairs:
        known(f"setting of {card.name}", name, {"batch", *card.numbers(), *card.structure(), *card.preparation()})
    grids = {name: values for name, values in pairs.items() if name in card.numbers()} if arguments.lists else {}
    for name, values in grids.items():
        experiment.settings(card, {name: values[0]})
    rest = single({name: values for name, values in pairs.items() if name not in grids})
    out = bench_module.writable(Path(arguments.out or f"results/{card.name}"))
    with watch() as progress:
        task = bench_module.loaded(arguments.task, print)
        result = experiment.sweep(
            card.name, task, hypers=experiment.grid(card.name, **grids) if grids else None, seeds=arguments.seeds,
            updates=arguments.updates, evaluate_every=arguments.evaluate_every, episodes=arguments.episodes,
            report=lambda one: progress(f"update {one.update:,}: return {one.returns.mean():.1f}"), **rest,
        )  # fmt: skip
    found = bench_module.rows(result, card.name, rest)
    bench_module.scores.append(out / "scores.csv", found)
    show(bench_module.publish(found, out), out)
    return 0


def watch():
    """A context that gives a function to show what is going on: a status line on a terminal, plain lines elsewhere."""
    import contextlib

    from rich.console import Console

    console = Console(stderr=True)

    @contextlib.contextmanager
    def status():
        if not console.is_terminal:
            yield lambda text: None
            return
        with console.status("starting") as line:
            yield lambda text: line.update(text)

    return status()


def bench(arguments) -> int:
    from jaxrl import bench as bench_module

    prepare_jax()
    plan = bench_module.plan(
        arguments.suite, updates=arguments.updates, seeds=arguments.seeds, evaluate_every=arguments.evaluate_every,
        episodes=arguments.episodes, out=arguments.out, extra=single(assignments(arguments.set)),
        cards=arguments.cards, only=arguments.tasks,
    )  # fmt: skip
    if arguments.fresh and plan.file.exists():
        plan.file.replace(plan.file.with_suffix(".csv.old"))
    suite = plan.suite
    print(f"suite {suite.name}: {len(suite.cards)} cards x {len(suite.tasks)} datasets x {plan.seeds} seeds x {plan.updates:,} updates")
    with watch() as progress:
        notes = bench_module.run(plan, say=lambda text: print(text, flush=True), progress=progress)
    found = bench_module.selected(plan) if plan.file.exists() else []
    if not found:
        raise InputError(f"suite {suite.name}: nothing could be run; the lines above say why and what to do")
    show(bench_module.publish(found, plan.out, [*suite.notes, *notes]), plan.out)
    return 1 if notes else 0


def show(table, out) -> None:
    """The leaderboard on the terminal, and where the files are."""
    from rich.console import Console

    from jaxrl.evaluation import tables

    console = Console()
    width = console.width if console.is_terminal else 120
    Console(width=width).print(tables.rich_table(table, width=width))
    print(f"written: {out}/scores.csv, {out}/leaderboard.md, {out}/scores.png")


def print_table(arguments) -> int:
    from pathlib import Path

    from jaxrl import bench as bench_module
    from jaxrl.evaluation import scores, tables

    folder = Path(arguments.folder)
    found = scores.read(folder / "scores.csv")
    table = bench_module.publish(found, bench_module.writable(folder))
    if arguments.format == "terminal":
        show(table, folder)
    else:
        print({"md": tables.markdown, "csv": tables.csv, "latex": tables.latex}[arguments.format](table))
    return 0


def cite_cards(arguments) -> int:
    from jaxrl import registry

    papers = {}
    for name in arguments.cards or sorted(registry.cards()):
        paper = registry.card(name).paper
        papers.setdefault(paper.id, (name, paper))
    print("\n".join(paper.bibtex(name) for name, paper in papers.values()))
    return 0


def data_list(arguments) -> int:
    from jaxrl import forge
    from jaxrl.data import load

    found = load.catalogue()
    there = {row.id for row in found}
    absent = [dataset_id for dataset_id in forge.recipes() if dataset_id not in there]
    if arguments.json:
        print(json.dumps({"datasets": [{**row._asdict(), "root": str(row.root)} for row in found], "not_built": absent}, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("dataset", "episodes", "steps", "environment", "references", "MiB", "note", box=None, pad_edge=False)
    for row in found:
        numbers = f"{row.episodes:,}", f"{row.steps:,}", row.environment, "yes" if row.references else "no"
        table.add_row(row.id, *numbers, f"{row.bytes / 2**20:.1f}", row.note)
    for dataset_id in absent:
        table.add_row(dataset_id, "", "", "", "", "", "built on first use")
    Console().print(table)
    return 0


def data_info(arguments) -> int:
    from jaxrl import forge
    from jaxrl.data import load

    forge.ensure(arguments.id)
    facts = load.describe(arguments.id)
    if arguments.json:
        print(json.dumps(facts, indent=1, default=str))
    else:
        width = max(map(len, facts))
        print("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))
    return 0


def data_build(arguments) -> int:
    from jaxrl import forge
    from jaxrl.core.check import known

    prepare_jax()
    recipes = list(forge.recipes())
    chosen = recipes if arguments.ids == ["all"] else [known("dataset recipe", one, recipes) for one in arguments.ids]
    for dataset_id in chosen:
        forge.build(dataset_id)
    return 0


def data_import(arguments) -> int:
    from jaxrl import tasks

    print(tasks.import_file(arguments.file, arguments.env, arguments.dataset_id))
    return 0


def new_card(arguments) -> int:
    from jaxrl import scaffold

    print(f"written: {scaffold.write(arguments.name, arguments.parent)}; next: make test-fast")
    return 0


def doctor(arguments) -> int:
    from jaxrl import diagnosis

    findings = diagnosis.findings()
    for finding in findings:
        print(f"{'ok  ' if finding.works else 'no  '} {finding.what}: {finding.detail}")
    return 0 if all(finding.works or finding.optional for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
