"""`jaxrl tune`: search for a card's settings on a task."""

import argparse
import shlex

from jaxrl.cli.commands import assignments, checked_options, print_rows

SHOWN = 5
"""Trials in the table at the end."""


def add_tune(command: argparse.ArgumentParser) -> None:
    """Arguments of `tune`, and what it runs."""
    from jaxrl.cli.arguments import whole

    command.set_defaults(run=tune)
    command.epilog = (
        "The same command again goes on after the last rung of a search that was stopped. Searches use seeds from 1000 "
        "on, so that the seeds of `jaxrl bench DIR/tuned.toml` test what was chosen. A search with a sampler needs "
        "Optuna: pip install 'jaxrl-suite[tune]'."
    )
    command.add_argument("card", metavar="CARD", help="see `jaxrl list`")
    text = "id of a Minari dataset (`jaxrl data list`), or an environment for online cards"
    command.add_argument("task", metavar="TASK", help=text)
    form = "NAME=LOW:HIGH[:log]|A,B,C"
    text = "a range of a number, or a list of any setting's values, see `jaxrl list`; repeatable"
    command.add_argument("--space", action="append", default=[], required=True, metavar=form, help=text)
    text = "a setting that all trials share; repeatable"
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=text)
    count = {"type": whole, "metavar": "N"}
    command.add_argument("--trials", **count, required=True, help="how many settings to try; members of a population")
    text = "gradient updates of a trial that is never dropped"
    command.add_argument("--budget", type=whole, metavar="UPDATES", required=True, help=text)
    command.add_argument("--seeds", **count, default=1, help="seeds of every trial (default 1)")
    text = "halving drops trials that do worse; pbt is population-based training (default halving)"
    command.add_argument("--search", choices=["halving", "pbt"], default="halving", help=text)
    text = "what proposes settings for halving (default tpe)"
    command.add_argument("--sampler", choices=["tpe", "random"], default="tpe", help=text)
    command.add_argument("--eta", **count, default=3, help="one of so many trials goes on at each rung (default 3)")
    text = "evaluations after which trials are dropped or exchanged (default: as many as leave one trial; pbt 10)"
    command.add_argument("--rungs", **count, help=text)
    text = "trials proposed at once; later batches learn from earlier ones (default half of all for tpe, else all)"
    command.add_argument("--batch", **count, help=text)
    command.add_argument("--episodes", **count, default=10, help="episodes of an evaluation (default 10)")
    command.add_argument("--seed", type=int, metavar="N", default=0, help="of the search itself (default 0)")
    text = "folder for trials.csv and tuned.toml, a suite with the best settings"
    command.add_argument("--out", metavar="DIR", required=True, help=text)


def tune(arguments) -> int:
    """`jaxrl tune`."""
    from jaxrl import registry
    from jaxrl import tune as tunes

    options = checked_options(registry.card(arguments.card), assignments(arguments.set), lists=False)
    names = ("trials", "budget", "seeds", "search", "sampler", "eta", "rungs", "batch", "episodes", "seed", "out")
    asked = {name: getattr(arguments, name) for name in names}
    plan = tunes.plan(arguments.card, arguments.task, space=arguments.space, fixed=options, **asked)
    found = tunes.run(plan)
    print_rows(*table(plan, found))
    command = shlex.join(["jaxrl", "bench", str(found.file), "--out", str(plan.out / "bench")])
    print(f"all trials are in {plan.out / 'trials.csv'}; run the best with\n  {command}")
    return 0


def table(plan, found) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Titles and rows: the best trials, then the card's defaults if they were tried and are not among them."""
    from jaxrl.suites import show
    from jaxrl.tune.space import defaults

    last = {one.trial: one for one in found.entries}
    ranked = sorted(last.values(), key=lambda one: (-one.rung, -one.rank, one.trial))
    own = defaults(plan.card, plan.space)
    chosen = ranked[:SHOWN] + [one for one in ranked[SHOWN:] if one.values == own]
    axes = [axis.name for axis in plan.space]
    rows = [
        (
            f"{one.trial}{' (defaults)' * (one.values == own)}", *(show(one.values[name]) for name in axes),
            f"{one.updates:,}", "diverged" if one.value is None else f"{one.value:.1f}",
        )
        for one in chosen
    ]  # fmt: skip
    return ("trial", *axes, "updates", "value"), rows
