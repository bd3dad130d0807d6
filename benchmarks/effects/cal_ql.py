"""Cal-QL's values keep above logged returns, so that nothing is unlearned when it goes online; naive CQL's do not.

A larger maze than elsewhere and a heavy penalty, for in the small maze both learners are as good as can be before they
go online.
"""

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl.data import lower_bounds
from jaxrl.networks import critics, heads

TASK = "embedded/pointmaze-medium-medium-replay-v0"
SMALL = {
    "width": 32, "batch": 64, "samples": 4, "warmup": 300, "capacity": 20_000, "offline_updates": 3000,
    "critic_lr": 1e-3, "actor_lr": 3e-4, "temperature_lr": 1e-3, "polyak": 0.02, "discount": 0.99,
    "conservatism": 20.0,
}  # fmt: skip


def tuned(card: str, seeds: int | list[int], **options) -> jaxrl.Result:
    """Offline training, then 600 updates of one step each; evaluated before the first and after every 100."""
    return jaxrl.sweep(card, TASK, seeds=seeds, updates=600, evaluate_every=100, **{**SMALL, **options})


def drop(result: jaxrl.Result) -> list[float]:
    """The offline return less the lowest of the first five evaluations online, of each seed."""
    returns = np.asarray(result.returns[0])
    return (returns[:, 0] - returns[:, 1:6].min(1)).tolist()


def early(result: jaxrl.Result) -> list[float]:
    """Mean return of all evaluations online."""
    return result.returns[0, :, 1:].mean(-1).tolist()


def shortfall(result: jaxrl.Result, width: int = 32, depth: int = 2, members: int = 2) -> list[float]:
    """How far the smallest Q of the offline policy's action lies below the logged return, where it does; mean."""
    spec, data, params = result.task.env.spec, result.task.dataset, result.earlier["offline"].params
    q, pi = critics.q(spec, width=width, depth=depth, members=members), heads.tanh_gaussian(spec, width=width)
    bound = lower_bounds.to_go(data, float(result.hypers.discount[0]))

    def one(actor, critic):
        value = q.apply(critic, data.steps.obs, pi.mode(actor, data.steps.obs)).min(0)
        return jnp.maximum(bound - value, 0).mean()

    return jax.jit(jax.vmap(one))(params["actor"], params["critic"]).tolist()


def measure(seeds: int) -> list[Effect]:
    """Cal-QL beside CQL that goes on."""
    naive, ours = tuned("cql_finetune", seeds), tuned("cal_ql", seeds)
    row = lambda measure, of, **rest: Effect("cal_ql", "cql_finetune", TASK, measure, of(ours), of(naive), **rest)
    return [
        row("shortfall of values below logged returns", shortfall, higher=False),
        row("drop at the change to online", drop, higher=False),
        row("early return online", early),
    ]
