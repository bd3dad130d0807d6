"""ResiP: PPO learns a small residual on top of a frozen cloned policy (arXiv:2407.16677).

Departures: the cloned policy is a deterministic network that is asked at every step, where the paper's is a diffusion
model that predicts chunks of eight actions; PPO is this suite's: passes over minibatches in place of fifty full-batch
epochs with a limit of the divergence, Adam without weight decay, episodes go on across batches.
"""

from jaxrl.algorithms.online import ppo
from jaxrl.compose import residual as residuals
from jaxrl.compose.learn import Part, learn
from jaxrl.compose.policy_gradient import Stage, policy_gradient
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Env, Learner, Phase
from jaxrl.data import samplers
from jaxrl.networks import basic, heads
from jaxrl.sources.logged import logged
from jaxrl.sources.rollouts import rollouts


@hyper
class Hyper(ppo.Hyper):
    """PPO's numbers; base_lr of the cloned policy, residual_scale of the correction."""

    discount: float = 0.999
    critic_lr: float = 5e-3
    gradient_clip: float = 1.0
    base_lr: float = 3e-4
    residual_scale: float = 0.1


def small(spec, **options) -> heads.Head:
    """A Gaussian around zero wherever it is asked at first, with a fixed spread of exp(-1)."""
    zero = basic.orthogonal(0.0)
    return heads.diagonal_gaussian(spec, **{**options, "last_kernel": zero, "log_std": (-1.0, -1.0)})


def resip(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, residual_width: int = 256, clone_updates: int = 100_000,
    envs: int = 64, length: int = 128, passes: int = 10, minibatches: int = 8, normalise: bool = True,
) -> tuple[Phase, ...]:  # fmt: skip
    """Clone the data, then correct the clone. envs, length: of PPO's batches; passes, minibatches: over them."""
    pi = heads.deterministic(env.spec, width=width, depth=depth)
    stages = (Stage(("actor", "critic"), passes, minibatches),)
    sizes = {"width": residual_width, "depth": 2, "normalise": normalise, "head": small}
    learner = policy_gradient(residuals.widened(env.spec), ppo.RECIPE, stages, **sizes)

    def cloned(params, state, hyper, batch, key):
        return ((pi.mode(params, batch.obs) - batch.action) ** 2).mean(-1), {}

    base = Learner(*learn({"base": Part(pi.init, cloned, lambda h, n: h.base_lr)}))
    return (
        Phase("base", base, lambda given, stock: logged(given.dataset, samplers.uniform(batch)), clone_updates),
        Phase(
            "residual",
            residuals.residual(pi.init, pi.mode, learner),
            lambda given, stock: rollouts(env._replace(params=given.params), envs=envs, length=length),
            begin=lambda fresh, earlier: fresh._replace(base=earlier["base"].params["base"]),
        ),
    )


PAPER = Paper(
    "arXiv:2407.16677",
    "From Imitation to Refinement: Residual RL for Precise Assembly",
    "Lars Ankile and Anthony Simeonov and Idan Shenfeld and Marcel Torne and Pulkit Agrawal",
    2024,
)
CARD = Card("resip", "plan", resip, Hyper, PAPER, online=True)
