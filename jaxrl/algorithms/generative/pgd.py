"""Policy-Guided Diffusion: TD3+BC on trajectories of a diffusion model that its own policy guides (arXiv:2404.06356).

The model is of the behaviour; its samples are drawn from behaviour times the policy's density to the power `guidance`,
and made anew every `lifetime` updates. Unguided ones, the ablation, are those of guidance=0.

Departures: guidance follows the score of that product (`consistent`); the released rule, which adds a unit gradient
before each step, is consistent=False, with which strength grows with `levels`: at 256 and guidance=1 it moves all
actions onto the policy's mean. Made windows have the length of those trained on, 32 (the released code makes 129 rows
from a model of 32). An absorbing row follows terminal steps, so that they are made too. The sampler's predictor starts
from the noised sample, as in EDM. Batches are drawn with replacement; the model takes a fixed number of updates.
"""

from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose import guidance, guided
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Env, Phase
from jaxrl.data import prepare, windows
from jaxrl.networks.temporal import temporal_unet
from jaxrl.sources.windows import store


@hyper
class Hyper(td3_bc.Hyper, guided.Numbers):
    """TD3+BC's numbers, the generator's and those of guidance.

    policy_std: of the normal density that stands around the deterministic actor, in units of actions.
    """

    policy_std: float = 1.0


def pgd(
    env: Env, batch: int, *, window: int = 32, stride: int = 8, generator_batch: int = 32, generator_width: int = 1024,
    blocks: int = 3, generator_updates: int = 100_000, levels: int = 256, made: int = 8192, chunk: int = 256,
    lifetime: int = 10_000, real_share: float = 0.0625, consistent: bool = True, normalise: bool = True,
    denoised: bool = False, by_sigma: bool = False, width: int = 256, depth: int = 2,
) -> tuple[Phase, ...]:  # fmt: skip
    """A model of windows, then TD3+BC on `made` guided ones and a share of logged steps.

    stride: between windows that are trained on. generator_width, blocks: of the U-Net. levels: of the sampler. chunk:
    windows that are made at a time. consistent, normalise, denoised, by_sigma: the rule, see `compose.guided.Rule`.
    """
    agent = guidance.around(td3_bc.td3_bc(env.spec, width=width, depth=depth), lambda hyper: hyper.policy_std)
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
CARD = Card("pgd", "plan", pgd, Hyper, PAPER, prepare=windows.checked(prepare.standardised, 32))
