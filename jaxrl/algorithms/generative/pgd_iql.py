"""PGD with IQL: IQL on trajectories of a diffusion model that its own policy guides (arXiv:2404.06356).

As `pgd` in all but the learner, whose actor has a density of its own.

Departures: those of `pgd`.
"""

from jaxrl.algorithms.offline import iql
from jaxrl.compose import guided
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Env, Phase
from jaxrl.data import prepare, windows
from jaxrl.networks.temporal import temporal_unet
from jaxrl.sources.windows import store


@hyper
class Hyper(iql.Hyper, guided.Numbers):
    """IQL's numbers, the generator's and those of guidance."""


def pgd_iql(
    env: Env, batch: int, *, window: int = 32, stride: int = 8, generator_batch: int = 32, generator_width: int = 1024,
    blocks: int = 3, generator_updates: int = 100_000, levels: int = 256, made: int = 8192, chunk: int = 256,
    lifetime: int = 10_000, real_share: float = 0.0625, consistent: bool = True, normalise: bool = True,
    denoised: bool = False, by_sigma: bool = False, width: int = 256, depth: int = 2,
) -> tuple[Phase, ...]:  # fmt: skip
    """A model of windows, then IQL on `made` guided ones and a share of logged steps.

    stride: between windows that are trained on. generator_width, blocks: of the U-Net. levels: of the sampler. chunk:
    windows that are made at a time. consistent, normalise, denoised, by_sigma: the rule, see `compose.guided.Rule`.
    """
    agent = iql.iql(env.spec, width=width, depth=depth)
    columns = windows.columns(env.spec)
    network = temporal_unet(columns, width=generator_width, blocks=blocks)
    model = guided.model(network, window, columns, updates=generator_updates, levels=levels)
    data = store(env.spec, window, made, stride, generator_batch, batch, real_share, lifetime)
    rule = guided.Rule(consistent, normalise, denoised, by_sigma)
    return guided.plan(env.spec, agent, model, data, rule, updates=generator_updates, count=made, chunk=chunk)


PAPER = Paper(
    "arXiv:2404.06356",
    "Policy-Guided Diffusion",
    "Matthew Thomas Jackson and Michael Tryfan Matthews and Cong Lu and Benjamin Ellis and Shimon Whiteson and "
    "Jakob Foerster",
    2024,
)
CARD = Card("pgd_iql", "plan", pgd_iql, Hyper, PAPER, prepare=windows.checked(prepare.varied(return_range=1000.0), 32))
