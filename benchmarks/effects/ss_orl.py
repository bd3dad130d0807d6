"""SS-ORL with the actions of a tenth of the episodes against TD3+BC with all of them, and with that tenth alone."""

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl.core.types import Task
from jaxrl.data import mixtures

MIXTURE = "embedded/pendulum-expert-v0+mixture:0.5"
TASKS = (MIXTURE, "embedded/pendulum-medium-replay-v0")
HIDDEN = "+unlabelled:0.9"
SIZES = {"width": 32, "depth": 2, "batch": 64, "episodes": 20, "actor_lr": 1e-3, "critic_lr": 1e-3}
INVERSE = {"inverse_updates": 4_000, "inverse_width": 128, "inverse_batch": 128, "inverse_lr": 1e-3}


def scores(card: str, task: Task | str, seeds, updates: int = 10_000, **options):
    """Final scores of the seeds."""
    run = jaxrl.sweep(card, task, seeds=seeds, updates=updates, evaluate_every=updates, **SIZES, **options)
    return run.scores[0, :, -1]


def filled_in(dataset_id: str, seeds):
    """Scores of SS-ORL with a tenth of the actions."""
    return scores("ss_orl", dataset_id + HIDDEN, seeds, **INVERSE)


def labelled_alone(dataset_id: str, seeds):
    """Scores of TD3+BC on the episodes whose actions are known."""
    task = jaxrl.load(dataset_id + HIDDEN)
    return scores("td3_bc", task._replace(dataset=mixtures.labelled_only(task.dataset)), seeds)


def measure(seeds: int) -> list[Effect]:
    """Normalised scores on two datasets."""
    found = []
    for task in TASKS:
        ours, all_, tenth = filled_in(task, seeds), scores("td3_bc", task, seeds), labelled_alone(task, seeds)
        found += [
            Effect("ss_orl", "td3_bc, a tenth of the episodes", task + HIDDEN, "score", ours, tenth),
            Effect("ss_orl", "td3_bc, all actions", task + HIDDEN, "score", ours, all_, expected="equal"),
        ]
    return found
