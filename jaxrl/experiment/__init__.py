"""What people call: make an algorithm, grid its numbers, sweep seeds and numbers in one compiled call."""

from collections.abc import Callable

from jaxrl import registry, tasks
from jaxrl.core import compilation
from jaxrl.core import hyper as records
from jaxrl.core.card import check_actions
from jaxrl.core.check import positive
from jaxrl.core.types import Earlier, Task, Tree
from jaxrl.experiment.options import Settings, chosen_hypers, chosen_seeds, prepared, settings, stretches
from jaxrl.experiment.programs import (
    EVALUATION,
    Checkpoint,
    Trial,
    evaluated,
    evaluator,
    functions,
    make,
    member_keys,
    phases,
    trained,
    trial,
)
from jaxrl.experiment.result import Result

__all__ = [
    "EVALUATION",
    "Checkpoint",
    "Result",
    "Settings",
    "Trial",
    "functions",
    "grid",
    "make",
    "member_keys",
    "phases",
    "settings",
    "stretches",
    "sweep",
    "trained",
    "trial",
]


def grid(name: str, **values):
    """A card's hyperparameters for every combination of the listed values, stacked; the last name varies fastest."""
    return records.grid(registry.card(name).hyper, **values)


def sweep(
    name: str,
    task: Task | str,
    *,
    hypers=None,
    seeds: int | list[int] = 1,
    updates: int = 100_000,
    evaluate_every: int | None = None,
    episodes: int = 10,
    batch: int | None = None,
    report: Callable[[Checkpoint], None] | None = None,
    **options,
) -> Result:
    """Train a card on a task for every hyperparameter record and seed at once, evaluating as it goes.

    task: of `jaxrl.load`, or the id of a dataset; for an online card, of an environment.
    hypers: stacked records from `grid`, default the card's numbers. seeds: how many (0, 1, ...), or a list of them.
    evaluate_every: updates between evaluations, default a tenth of all. batch: default the card's. options: any number,
    factory keyword or preparation option of the card. Raises InputError for bad input before any training.
    """
    compilation.keep()
    card = registry.card(name)
    task = tasks.load(task) if isinstance(task, str) else task
    check_actions(card, task.env.spec)
    chosen = settings(card, options, batch)
    checkpoints = stretches(positive("updates", updates), evaluate_every, card.online)
    seeds = chosen_seeds(seeds)
    hypers = chosen_hypers(card, chosen.numbers, hypers)
    ready = prepared(card, task, chosen)
    static = (tuple(sorted(options.items())) for options in (chosen.structure, chosen.collection))
    parts = trial(name, ready.env.spec, *static, chosen.batch, episodes, functions(ready.env))
    keys, members = member_keys(seeds, hypers)
    evaluate = evaluator(parts, ready, keys, members, seeds, positive("episodes", episodes))
    log: list[Checkpoint] = []
    state: Tree = None
    earlier: Earlier = {}
    for stretch in trained(parts.training, keys, members, ready, seeds, checkpoints):
        log.append(evaluated(stretch, evaluate, parts))
        state, earlier = stretch.state, stretch.earlier
        if report:
            report(log[-1])
    return Result(card, ready, parts.algorithm, hypers, seeds, chosen, log, state, parts.source, earlier)
