"""RAVL: a diverse ensemble of critics in a model without penalties, for states at the edge of reach (arXiv:2402.12527).

The last states of cut rollouts are bootstrapped from but never trained on; their values, too high by chance, spread.
The minimum over many critics is low there. Rollouts are cut, not ended, on purpose.

Departures: one update of critics, actor and temperature per call, in this order; the authors step the temperature
first. The model is MOPO's here, with its departures; the authors train it for at least 350 epochs.
"""

from jaxrl.algorithms.model_based import mopo
from jaxrl.compose import penalties, terms
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Env, Phase, Spec
from jaxrl.networks import basic

RECIPE = mopo.RECIPE._replace(critic=(terms.diversify,))


@hyper
class Hyper(mopo.Hyper):
    """MOPO's numbers with other step sizes and no penalty; diversity: eta of the paper."""

    actor_lr: float = 3e-4
    temperature_lr: float = 3e-4
    penalty_weight: float = 0.0
    diversity: float = 1.0


def ravl(
    env: Env, batch: int, *, width: int = 256, depth: int = 3, critics: int = 10, model_width: int = 200,
    model_depth: int = 4, members: int = 7, elites: int = 5, model_updates: int = 200_000, horizon: int = 5,
    starts: int = 50_000, kept: int = 5, every: int = 1000, real_share: float = 0.05,
) -> tuple[Phase, ...]:  # fmt: skip
    """A model from the data, then EDAC's agent on its short rollouts and a share of logged steps."""
    options = {"width": model_width, "depth": model_depth, "members": members, "elites": elites}
    model, learning = mopo.learned(env, batch, model_updates, **options)
    agent = diverse(env.spec, width=width, depth=depth, critics=critics)
    rounds = {"horizon": horizon, "starts": starts, "kept": kept, "every": every}
    change = mopo.penalised(penalties.max_aleatoric)
    return learning, mopo.imagining(agent, model, batch, change, real_share, **rounds)


def diverse(spec: Spec, **structure) -> Algorithm:
    """SAC with diverse critics and the authors' initialisation: biases 0.1, small last layers."""

    def ends(limit):
        return {"bias": basic.constant(0.1), "last_kernel": basic.within(limit), "last_bias": basic.within(limit)}

    return mopo.soft(RECIPE, spec, actor_options=ends(1e-3), critic_options=ends(3e-3), **structure)


PAPER = Paper(
    "arXiv:2402.12527",
    "The Edge-of-Reach Problem in Offline Model-Based Reinforcement Learning",
    "Anya Sims and Cong Lu and Jakob Foerster and Yee Whye Teh",
    2024,
)
CARD = Card("ravl", "plan", ravl, Hyper, PAPER)
