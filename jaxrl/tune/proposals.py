"""Which values to try next: Optuna's samplers, told of all trials before."""

from typing import Any

from jaxrl.core.check import InputError
from jaxrl.tune.log import Entry
from jaxrl.tune.space import Space

SAMPLERS = ("tpe", "random")
STARTUP = 10
"""Trials that TPE draws at random before it learns of any, at most."""


def optuna():
    """The library; InputError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise InputError("jaxrl tune needs Optuna; install it with pip install 'jaxrl-suite[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def propose(
    space: Space, sampler: str, seed: int, count: int, entries: list[Entry], rungs: int
) -> list[dict[str, Any]]:
    """Values of `count` new trials, given what earlier ones came to; a function of its arguments alone.

    Trials that did not reach the last of `rungs` count as pruned at the last one they saw, those that diverged as worse
    than all others.
    """
    library = optuna()
    distributions = {axis.name: distribution(library, axis) for axis in space}
    kinds = {
        "tpe": lambda: library.samplers.TPESampler(seed=seed, n_startup_trials=min(STARTUP, count)),
        "random": lambda: library.samplers.RandomSampler(seed=seed),
    }
    study = library.create_study(direction="maximize", sampler=kinds[sampler]())
    study.add_trials(known(library, distributions, entries, rungs))
    asked = [study.ask(distributions).params for _ in range(count)]
    return [{axis.name: axis.rounded(one[axis.name]) for axis in space} for one in asked]


def distribution(library, axis):
    """An axis as Optuna's distribution."""
    if axis.choices:
        return library.distributions.CategoricalDistribution(axis.choices)
    return library.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def known(library, distributions, entries: list[Entry], rungs: int) -> list:
    """Earlier trials as Optuna's."""
    by_trial: dict[int, list[Entry]] = {}
    for one in entries:
        by_trial.setdefault(one.trial, []).append(one)
    found, states = [], library.trial.TrialState
    for number in sorted(by_trial):
        last = by_trial[number][-1]
        ended = last.value is not None and last.rung == rungs - 1
        seen = {one.updates: one.value for one in by_trial[number]}
        found.append(
            library.trial.create_trial(
                state=states.COMPLETE if ended else states.PRUNED,
                value=last.value if ended else None,
                params=last.values,
                distributions=distributions,
                intermediate_values={0: float("nan")} if last.value is None else seen,
            )
        )
    return found
