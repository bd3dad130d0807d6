"""SynthER: a diffusion model of single steps makes the data that TD3+BC learns from (arXiv:2303.06614).

Departures: offline form only, with TD3+BC on top. Made actions are cut to [-1, 1] as everywhere in the suite. The
network is half as wide as the paper's largest and starts from Flax's initialisation. The average of the parameters
begins at the first move instead of after 100 updates. Batches have the policy's size in both phases, 256; the paper
takes 1,024 for the model where there are 800,000 steps or more.
"""

from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose import generator
from jaxrl.core.card import Card, Paper
from jaxrl.core.check import InputError
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Env, Phase
from jaxrl.data import prepare, rows, samplers
from jaxrl.losses.diffusion import Noise
from jaxrl.networks.denoiser import residual_denoiser
from jaxrl.sources.logged import logged


@hyper
class Hyper(td3_bc.Hyper, generator.Numbers):
    """TD3+BC's numbers and the generator's."""


def model(spec, *, updates: int, width: int = 1024, blocks: int = 6, levels: int = 128):
    """The generator of whitened rows [D] of an environment."""
    size = rows.columns(spec)
    network = residual_denoiser(size, width=width, blocks=blocks)
    return generator.diffusion(network, (size,), updates=updates, levels=levels, noise=Noise())


def synther(
    env: Env,
    batch: int,
    *,
    generator_updates: int = 100_000,
    generator_width: int = 1024,
    blocks: int = 6,
    levels: int = 128,
    made: int = 5_000_000,
    chunk: int = 10_000,
    real_share: float = 0.0,
    width: int = 256,
    depth: int = 2,
) -> tuple[Phase, ...]:
    """A generator of steps, then TD3+BC on `made` of its rows and a share of real ones.

    generator_width, blocks: of the denoiser. levels: of its sampler. chunk: rows that are made at a time.
    Raises InputError for more rows than fit on the device.
    """
    rows.check_room(made, env.spec)
    if not 0 <= real_share < 1:
        raise InputError(f"real_share is {real_share}; it must be at least 0 and below 1, or use card td3_bc")
    real = round(real_share * batch)
    learner = model(env.spec, updates=generator_updates, width=generator_width, blocks=blocks, levels=levels)

    def fit(key, hyper, given, earlier):
        return rows.whitening(given.dataset.steps)

    def make(key, hyper, given, earlier):
        one = lambda key, count: learner.sample(key, hyper, earlier["generator"], count)
        return fit(key, hyper, given, earlier), generator.in_chunks(one, key, (rows.columns(env.spec),), made, chunk)

    def real_rows(given, codec):
        return logged(given.dataset, rows.encoded(codec, samplers.uniform(batch)))

    def made_rows(given, stock):
        codec, held = stock
        return logged(given.dataset, rows.mixed(codec, held, env.spec, batch, real))

    policy = td3_bc.td3_bc(env.spec, width=width, depth=depth)
    return (
        Phase("generator", learner, real_rows, generator_updates, fit),
        Phase("policy", policy, made_rows, stock=make),
    )


PAPER = Paper(
    "arXiv:2303.06614",
    "Synthetic Experience Replay",
    "Cong Lu and Philip J. Ball and Yee Whye Teh and Jack Parker-Holder",
    2023,
)
CARD = Card("synther", "plan", synther, Hyper, PAPER, prepare=prepare.standardised)
