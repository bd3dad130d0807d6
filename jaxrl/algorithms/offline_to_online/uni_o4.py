"""Uni-O4: one on-policy objective offline and online; PPO that begins where gated offline steps end (arXiv:2311.03351).

Values by IQL, a model, cloned policies that keep apart, PPO's surrogate on logged states with a gate, then PPO.
Departures: the released code picks among the three best policies by trying them online, here the estimate alone picks;
its diversity term is inert by default (its gradient is cloning's), here it is the paper's KL divergence; its clip
stops falling after 200 updates, here it falls to the end as the step size does. Policies have an unbounded mean and
one spread per dimension, as PPO's here; theirs depend on the state. Nothing is standardised, and rewards are not
rescaled, so IQL's V is the critic that PPO begins with. Estimates that are compared use the same draws.
"""

import jax

from jaxrl.algorithms.online import ppo
from jaxrl.compose import dynamics, gated
from jaxrl.compose.behaviours import behaviours
from jaxrl.compose.implicit_values import implicit_values
from jaxrl.compose.policy_gradient import Nets, Stage, networks, policy_gradient
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Dynamics, Env, Learner, Phase, Source
from jaxrl.data import samplers
from jaxrl.envs import endings
from jaxrl.networks import critics
from jaxrl.sources.logged import logged
from jaxrl.sources.resampled import resampled, shared_out
from jaxrl.sources.rollouts import rollouts


@hyper
class Hyper(ppo.Hyper):
    """PPO's numbers online; those of the values, the model (as MOPO's), the clones and the offline steps before."""

    actor_lr: float = 2e-5
    critic_lr: float = 2e-4
    ratio_clip: float = 0.05
    entropy_weight: float = 0.01
    decay_updates: float = 1465.0
    expectile: float = 0.7
    value_lr: float = 1e-4
    polyak: float = 0.005
    model_lr: float = 1e-3
    model_decay: float = 1.0
    bound_weight: float = 0.01
    clone_lr: float = 1e-4
    diversity: float = 0.1
    improve_lr: float = 1e-4
    improve_clip: float = 0.25


def uni_o4(
    env: Env, batch: int, *, width: int = 256, depth: int = 3, critics: int = 2, members: int = 4,
    value_updates: int = 2_000_000, model_width: int = 200, model_depth: int = 4, models: int = 7, elites: int = 5,
    model_updates: int = 200_000, clone_updates: int = 400_000, improve_updates: int = 10_000, every: int = 100,
    gate: bool = True, horizon: int = 1000, starts: int = 512, envs: int = 8, length: int = 256, passes: int = 10,
    minibatches: int = 16,
) -> tuple[Phase, ...]:  # fmt: skip
    """Five phases. members: cloned policies. every, horizon, starts: of the gating estimate. envs, length: of PPO."""
    spec = env.spec
    nets, q = networks(spec, None, width, depth), twin(spec, width, critics)
    sizes = {"width": model_width, "depth": model_depth, "members": models, "elites": elites}
    model = dynamics.ensemble(spec, endings.rule(spec), check_every=max(model_updates // 50, 1), **sizes)
    rules = {"members": members, "updates": improve_updates, "every": every, "gate": gate}
    improver = gated.gated(nets, advantage(nets, q), estimate(nets, q, model, horizon), **rules)
    stages = (Stage(("actor", "critic"), passes, minibatches),)
    learner = policy_gradient(spec, ppo.RECIPE, stages, width=width, depth=depth)
    even = lambda given, stock: logged(given.dataset, samplers.uniform(batch))
    shares = lambda key, hyper, given, earlier: shared_out(key, given.dataset, models)
    fresh = lambda given, stock: rollouts(env._replace(params=given.params), envs=envs, length=length)
    return (
        Phase("values", implicit_values(q, nets.v), even, value_updates),
        Phase("model", model, lambda given, draw: resampled(given.dataset, batch, draw), model_updates, shares),
        Phase("clones", behaviours(nets.pi, members), even, clone_updates),
        improvement(improver, batch, improve_updates, starts),
        Phase("online", learner, fresh, begin=offline_best),
    )


def twin(spec, width: int, members: int):
    """Two hidden layers of Q."""
    return critics.q(spec, width=width, depth=2, members=members)


def advantage(nets: Nets, q):
    """Smallest Q less V, of frozen values."""

    def of(frozen, obs, action):
        return q.apply(frozen["values"]["critic"], obs, action).min(0) - nets.v.apply(frozen["values"]["value"], obs)

    return of


def estimate(nets: Nets, q, model: Dynamics, horizon: int):
    """What an actor is worth by frozen values along rollouts in a frozen model."""

    def of(key, hyper, frozen, actor):
        predict = lambda time, *x: model.predict(jax.random.fold_in(key, time), hyper, frozen["model"], *x)
        smallest = lambda *x: q.apply(frozen["values"]["critic"], *x).min(0)
        return gated.imagined_value(predict, smallest, lambda obs: nets.pi.mode(actor, obs), frozen["starts"], horizon)

    return of


def improvement(improver: Learner, batch: int, updates: int, starts: int) -> Phase:
    """The phase of gated steps, from the clones; `starts` logged states begin all imagined rollouts."""

    def stock(key, hyper, given, earlier):
        obs = given.dataset.steps.obs
        rows = jax.random.randint(key, (starts,), 0, obs.shape[0])
        return {"values": earlier["values"].params, "model": earlier["model"], "starts": obs[rows]}

    def source(given, frozen):
        drawn = samplers.uniform(batch)
        sample = lambda key, data: drawn(key, data)._replace(extras={"frozen": frozen})
        return Source(lambda key: (), lambda key, feed, policy: (feed, sample(key, given.dataset)))

    def begin(fresh, earlier):
        params = {"actor": earlier["clones"].params["actor"]}
        return gated.begun(fresh.members._replace(params=params))

    return Phase("improvement", improver, source, updates, stock, begin)


def offline_best(fresh, earlier):
    """PPO's first state: the best accepted policy and IQL's V."""
    actor, value = gated.best_of(earlier["improvement"]), earlier["values"].params["value"]
    return fresh._replace(params={"actor": actor, "critic": value})


PAPER = Paper(
    "arXiv:2311.03351",
    "Uni-O4: Unifying Online and Offline Deep Reinforcement Learning with Multi-Step On-Policy Optimization",
    "Kun Lei and Zhengmao He and Chenhao Lu and Kaizhe Hu and Yang Gao and Huazhe Xu",
    2023,
)
CARD = Card("uni_o4", "plan", uni_o4, Hyper, PAPER, batch=512, online=True)
