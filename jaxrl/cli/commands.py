"""What the commands do; each takes the parsed arguments and returns an exit code."""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jaxrl.core.check import InputError, known

PIPE = 120
"""Columns of a leaderboard that goes to a file or a pipe."""


def number(text: str) -> bool | float:
    """true, false or a finite number; InputError otherwise."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value - value != 0:
        raise InputError(f"value {text!r} is neither a finite number nor true or false")
    return value


def assignments(texts: Sequence[str]) -> dict[str, list]:
    """NAME=VALUE[,VALUE...] by name; InputError for another form and for a name given twice."""
    pairs: dict[str, list] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not name or not values:
            raise InputError(f"--set {text!r} is not of the form NAME=VALUE, such as --set q_scale=4")
        if name in pairs:
            raise InputError(f"--set {name} is given twice; keep one of them")
        try:
            pairs[name] = [number(value) for value in values.split(",")]
        except InputError as error:
            raise InputError(f"--set {text}: {error}") from None
    return pairs


def single(pairs: dict[str, list]) -> dict[str, Any]:
    """The one value of each name; InputError for lists."""
    for name, values in pairs.items():
        if len(values) > 1:
            raise InputError(f"--set {name} lists {len(values)} values; lists of numbers are for `jaxrl sweep`")
    return {name: values[0] for name, values in pairs.items()}


def checked_options(card, pairs: dict[str, list], lists: bool) -> dict[str, Any]:
    """Options as `jaxrl.sweep` takes them; InputError for what the card has not or does not take, and for lists where
    there may be none."""
    from jaxrl import suites

    for name, values in pairs.items():
        known(f"setting of {card.name}", name, suites.names_of(card.name))
        for value in values:
            suites.check(card.name, {name: value})
    if not lists or len(pairs.get("batch", [])) > 1:
        single(pairs if not lists else {"batch": pairs["batch"]})
    return {name: values if len(values) > 1 else values[0] for name, values in pairs.items()}


def list_cards(arguments) -> int:
    """`jaxrl list`."""
    from jaxrl import registry
    from jaxrl.suites import show

    entries = {
        name: {
            "family": registry.family(name),
            "kind": card.kind,
            "actions": list(card.actions),
            "batch": card.batch,
            "numbers": card.numbers(),
            "structure": card.structure(),
            "collection": card.collection(),
            "preparation": card.preparation(),
            "paper": card.paper._asdict(),
        }
        for name, card in sorted(registry.cards().items())
    }
    if arguments.json:
        from jaxrl import forge, ladder, suites
        from jaxrl.envs.suites import names

        datasets = [*forge.recipes(), *(one for name in ladder.names() for one in ladder.read(name).ids)]
        others = {"suites": suites.names(), "datasets": datasets, "environments": names()}
        papers = lambda found: {name: one.paper._asdict() for name, one in found.items()}
        more = {"wrappers": papers(registry.wrappers()), "procedures": papers(registry.procedures())}
        print(json.dumps({"cards": entries, **more, **others}, indent=1))
        return 0
    rows = []
    for name, entry in entries.items():
        batch = {"batch": entry["batch"]} if entry["batch"] else {}
        settings = {**entry["numbers"], **entry["structure"], **batch, **entry["collection"], **entry["preparation"]}
        text = " ".join(f"{key}={show(value)}" for key, value in settings.items())
        rows.append((name, entry["family"], ", ".join(entry["actions"]), text, entry["paper"]["id"]))
    for name, wrapper in sorted(registry.wrappers().items()):
        rows.append((f"{name}+CARD", "wrappers", "", "those of the card, and its own", wrapper.paper.id))
    for name, one in sorted(registry.procedures().items()):
        calls = ", ".join(function.__name__ for function in one.functions)
        rows.append((name, registry.family(name), "", f"functions {calls}", one.paper.id))
    print_rows(("card", "family", "actions", "settings (default)", "paper"), rows)
    return 0


def print_rows(titles: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal; where the output goes elsewhere, one line a row, nothing cut."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(table)


def train(arguments) -> int:
    """`jaxrl train` and `jaxrl sweep`."""
    from jaxrl import bench as bench_module
    from jaxrl import jobs, registry
    from jaxrl.core import compilation
    from jaxrl.core.lock import claimed
    from jaxrl.evaluation import scores
    from jaxrl.experiment import stretches

    compilation.keep()
    card = registry.card(arguments.card)
    options = checked_options(card, assignments(arguments.set), arguments.lists)
    out = bench_module.writable(Path(arguments.out or f"results/{card.name}"))
    every = arguments.evaluate_every or stretches(arguments.updates, None)[0]
    work = jobs.Work(
        out.resolve().name, card.name, arguments.task, options, list(range(arguments.seeds)), arguments.updates,
        every, arguments.episodes, str(out), tuple(arguments.track), arguments.memory,
    )  # fmt: skip
    with claimed(out), watch() as progress:
        task = jobs.loaded(arguments.task, print)
        ended = jobs.perform(work, task, progress, print)
        scores.repair(out / "scores.csv")
        scores.append(out / "scores.csv", ended.rows)
        jobs.forget(work)
    print(ended.line)
    show(bench_module.publish(ended.rows, out), out)
    return 0


def watch():
    """A context that gives a function to show what is going on: a status line on a terminal, nothing elsewhere."""
    import contextlib

    from rich.console import Console

    console = Console(stderr=True)

    @contextlib.contextmanager
    def status():
        if not console.is_terminal:
            yield lambda text: None
            return
        with console.status("starting") as line:
            yield line.update

    return status()


def bench(arguments) -> int:
    """`jaxrl bench`."""
    from jaxrl import bench as bench_module
    from jaxrl.core import compilation
    from jaxrl.core.lock import claimed

    compilation.keep()
    plan = bench_module.plan(
        arguments.suite,
        updates=arguments.updates,
        seeds=arguments.seeds,
        evaluate_every=arguments.evaluate_every,
        episodes=arguments.episodes,
        out=arguments.out,
        extra=single(assignments(arguments.set)),
        cards=arguments.cards,
        only=arguments.tasks,
    )
    with claimed(plan.out):
        return run_plan(plan, arguments.fresh, cluster_of(arguments), arguments.chunk, arguments.protocol)


def cluster_of(arguments):
    """The cluster that was asked for, None for this process; InputError for its options without it."""
    from jaxrl.cluster import Cluster

    if arguments.backend is None:
        for name in ("address", "cpus", "gpus"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name} is for a cluster; add --backend ray")
        return None
    return Cluster(arguments.address, arguments.cpus, arguments.gpus)


def run_plan(plan, fresh: bool, cluster=None, chunk: int | None = None, protocol: str | None = None) -> int:
    """A suite as it will be run, from nothing or from where an earlier command was stopped, here or on a cluster."""
    from jaxrl import bench as bench_module
    from jaxrl import jobs

    if fresh:
        shutil.rmtree(plan.out / jobs.CHECKPOINTS, ignore_errors=True)
    if fresh and plan.file.exists():
        print(f"earlier runs put aside: {bench_module.put_aside(plan.file)}")
    suite = plan.suite
    spent = (
        f"{suite.env_steps:,} steps"
        if suite.env_steps and not plan.updates
        else f"{plan.updates or suite.updates:,} updates"
    )
    sizes = f"{len(suite.cards)} cards x {len(suite.tasks)} tasks x {plan.seeds} seeds x {spent}"
    print(f"suite {suite.name}: {sizes}", flush=True)
    with watch() as progress:
        notes = bench_module.run(
            plan, say=lambda text: print(text, flush=True), progress=progress, cluster=cluster, chunk=chunk
        )
    found = bench_module.selected(plan)
    if not found:
        raise InputError(f"suite {suite.name}: nothing could be run; the lines above say why and what to do")
    show(bench_module.publish(found, plan.out, [*suite.notes, *notes], protocol), plan.out)
    return 1 if notes else 0


def show(table, out: Path) -> None:
    """The leaderboard on the terminal, and where the files are."""
    from rich.console import Console

    from jaxrl.evaluation import tables

    console = Console()
    width = console.width if console.is_terminal else PIPE
    Console(width=width).print(tables.rich_table(table, width=width))
    files = [name for name in ("scores.csv", "leaderboard.md", "scores.png", "clock.png") if (out / name).exists()]
    print(f"written: {', '.join(f'{out}/{name}' for name in files)}")


def print_table(arguments) -> int:
    """`jaxrl table`: of all rows that can be read; the exit code is 1 where some cannot."""
    from jaxrl import bench as bench_module
    from jaxrl.evaluation import scores, tables

    folder = Path(arguments.folder)
    sheet = scores.sheet(folder / "scores.csv")
    out, broken = bench_module.writable(folder), list(sheet.broken.values())
    if broken and not sheet.rows:
        raise InputError(broken[0])
    table = bench_module.publish(list(sheet.rows), out, broken, arguments.protocol, sheet.lines)
    if arguments.format == "terminal":
        show(table, folder)
    else:
        print({"md": tables.markdown, "csv": tables.csv, "latex": tables.latex}[arguments.format](table))
    return 1 if broken else 0


def cite_cards(arguments) -> int:
    """`jaxrl cite`: an entry for each paper."""
    from jaxrl import registry

    papers: dict[str, tuple] = {}
    every: dict[str, Any] = {**registry.cards(), **registry.wrappers(), **registry.procedures()}
    for name in arguments.cards or sorted(every):
        if name not in every:
            registry.card(name)  # an InputError for what is no card
        for part in name.split("+"):
            papers.setdefault(every[part].paper.id, (part, every[part].paper))
    print("\n".join(paper.bibtex(name) for name, paper in papers.values()))
    return 0


def data_list(arguments) -> int:
    """`jaxrl data list`."""
    from jaxrl import forge
    from jaxrl.data import load

    found = load.catalogue()
    there = {row.id for row in found}
    absent = [dataset_id for dataset_id in forge.recipes() if dataset_id not in there]
    if arguments.json:
        rows = [{**row._asdict(), "root": str(row.root)} for row in found]
        print(json.dumps({"datasets": rows, "not_built": absent}, indent=1))
        return 0
    lines = [
        (
            *(row.id, f"{row.episodes:,}", f"{row.steps:,}", row.environment),
            *("yes" if row.references else "no", f"{row.bytes / 2**20:.1f}", row.note),
        )
        for row in found
    ]
    lines += [(dataset_id, "", "", "", "", "", "built on first use") for dataset_id in absent]
    print_rows(("dataset", "episodes", "steps", "environment", "references", "MiB", "note"), lines)
    return 0


def data_info(arguments) -> int:
    """`jaxrl data info`."""
    from jaxrl import forge
    from jaxrl.data import load

    forge.ensure(arguments.id)
    facts = load.describe(arguments.id)
    if arguments.json:
        print(json.dumps(facts, indent=1, default=str))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        for line in value if isinstance(value, list) and value else [value]:
            text = ", ".join(f"{key} {entry}" for key, entry in line.items()) if isinstance(line, dict) else line
            print(f"{name:<{width}}  {text}")
    return 0


def data_build(arguments) -> int:
    """`jaxrl data build`."""
    from jaxrl import forge, ladder
    from jaxrl.core import compilation

    compilation.keep()
    scripted = list(forge.recipes())
    chosen = scripted if arguments.ids == ["all"] else arguments.ids
    for one in chosen:
        if one not in scripted and not one.endswith(".toml") and not ladder.recipe_of(one):
            known("dataset recipe", one.removeprefix("trained/"), [*scripted, *ladder.names()])
    for one in chosen:
        if one in scripted:
            forge.build(one)
        else:
            ladder.build(one, report=lambda text: print(text, flush=True))
    return 0


def data_import(arguments) -> int:
    """`jaxrl data import`."""
    from jaxrl import tasks

    print(tasks.import_file(arguments.file, arguments.env, arguments.dataset_id))
    return 0


def new_card(arguments) -> int:
    """`jaxrl new`."""
    from jaxrl import scaffold

    print(f"written: {scaffold.write(arguments.name, arguments.parent)}; next: make test-fast")
    return 0


def doctor(arguments) -> int:
    """`jaxrl doctor`: code 1 where something that the main job needs does not work."""
    from jaxrl import diagnosis

    findings = diagnosis.findings()
    for finding in findings:
        mark = "ok  " if finding.works else "-   " if finding.optional else "no  "
        print(f"{mark} {finding.what}: {finding.detail}")
    return 0 if all(finding.works or finding.optional for finding in findings) else 1
