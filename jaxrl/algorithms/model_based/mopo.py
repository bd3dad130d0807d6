"""MOPO: soft actor-critic in a learned model whose rewards are lowered where it is unsure (arXiv:2005.13239).

Departures: the model takes a fixed number of updates, its members' best parameters on held-out steps being kept; the
authors stop when none has improved by 1 % for five epochs, and then keep the same. Uncertainty is read from all
members, as in OfflineRL-Kit. Numbers are those of halfcheetah-medium-v2 there; `horizon` and `penalty_weight` differ
by dataset.
"""

from collections.abc import Callable

from jaxrl.algorithms.online import sac
from jaxrl.compose import dynamics, penalties
from jaxrl.core.card import Card, Paper
from jaxrl.core.check import InputError
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Dynamics, Env, Phase, Spec
from jaxrl.envs import endings
from jaxrl.sources.imagined import imagined
from jaxrl.sources.resampled import resampled, shared_out

RECIPE = sac.RECIPE


@hyper
class Hyper(sac.Hyper):
    """SAC's numbers and the model's. penalty_weight: lambda of the paper, reward per unit of the model's uncertainty.
    model_decay: factor of the published weight decays. bound_weight: pull on the bounds of log-variances."""

    actor_lr: float = 1e-4
    temperature_lr: float = 1e-4
    penalty_weight: float = 0.5
    model_lr: float = 1e-3
    model_decay: float = 1.0
    bound_weight: float = 0.01


def mopo(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, critics: int = 2, model_width: int = 200,
    model_depth: int = 4, members: int = 7, elites: int = 5, model_updates: int = 200_000, horizon: int = 5,
    starts: int = 50_000, kept: int = 5, every: int = 1000, real_share: float = 0.05,
) -> tuple[Phase, ...]:  # fmt: skip
    """A model from the data, then SAC on its short rollouts with penalised rewards and a share of logged steps."""
    options = {"width": model_width, "depth": model_depth, "members": members, "elites": elites}
    model, learning = learned(env, batch, model_updates, **options)
    agent = soft(RECIPE, env.spec, width=width, depth=depth, critics=critics)
    rounds = {"horizon": horizon, "starts": starts, "kept": kept, "every": every}
    return learning, imagining(agent, model, batch, penalised(penalties.max_aleatoric), real_share, **rounds)


def soft(recipe, spec: Spec, **structure) -> Algorithm:
    """SAC with another recipe."""
    return sac.soft_actor_critic(spec, recipe, **structure)


def learned(env: Env, batch: int, updates: int, *, members: int, elites: int, **sizes) -> tuple[Dynamics, Phase]:
    """A model ensemble, and the phase called "model" that learns it; checked fifty times on the steps held out.

    Raises InputError for more elites than members, and for an environment whose ends are not known.
    """
    if elites > members:
        raise InputError(f"elites={elites} of members={members}; choose at most as many elites as members")
    options = {"members": members, "elites": elites, "check_every": max(updates // 50, 1), **sizes}
    model = dynamics.ensemble(env.spec, endings.rule(env.spec), **options)
    stock = lambda key, hyper, given, earlier: shared_out(key, given.dataset, members)
    return model, Phase("model", model, lambda given, draw: resampled(given.dataset, batch, draw), updates, stock)


def imagining(agent: Algorithm, model: Dynamics, batch: int, change: Callable, real_share: float, **rounds) -> Phase:
    """The phase that trains an agent on rollouts in the model that phase "model" learned, or in one that needs none.

    change: (hyper, Transition with the model's extras) -> the step as the agent is to see it. rounds: of `imagined`.
    """

    def stock(key, hyper, given, earlier):
        return {"hyper": hyper, "model": earlier.get("model", ())}

    def source(given, stock):
        def imagine(key, obs, action):
            return change(stock["hyper"], model.predict(key, stock["hyper"], stock["model"], obs, action))

        return imagined(given.dataset, batch, imagine, real=round(real_share * batch), **rounds)

    return Phase("agent", agent, source, stock=stock)


def penalised(penalty: Callable) -> Callable:
    """Steps whose reward is lowered by the weighted uncertainty of the model (MOPO, eq. 7)."""

    def change(hyper, step):
        unsure = penalty(step.extras["means"], step.extras["log_variances"])
        return step._replace(reward=step.reward - hyper.penalty_weight * unsure)

    return change


PAPER = Paper(
    "arXiv:2005.13239",
    "MOPO: Model-based Offline Policy Optimization",
    "Tianhe Yu and Garrett Thomas and Lantao Yu and Stefano Ermon and James Zou and Sergey Levine and Chelsea Finn "
    "and Tengyu Ma",
    2020,
)
CARD = Card("mopo", "plan", mopo, Hyper, PAPER)
