"""Model-based learning: a learned model against the data alone, penalties against true errors, cut rollouts.

Edge of reach: rollouts in the TRUE dynamics are cut short, so no error of a model is to blame; what is overrated are
states that are only ever bootstrapped from (arXiv:2402.12527, section 4). On the pendulum rollouts of five steps do no
harm. Two steps and a discount of 0.95 harm for a while only; one step and 0.99 for good: MOPO then expects hundreds
more than it gets. RAVL overrates less in both, but its critics share their targets and their data and agree on much of
what they make up; more diversity or two steps did not change that. In a plane whose reward rises towards the edge of
reach (not kept here) both failed: there all critics agree on the slope.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl.algorithms.model_based import mopo, ravl
from jaxrl.compose import dynamics, penalties
from jaxrl.core import hyper as records
from jaxrl.core.types import Given, first_steps
from jaxrl.envs.control import State, pendulum
from jaxrl.evaluation import rollout
from jaxrl.experiment import Result
from jaxrl.networks import critics as values
from jaxrl.train.driver import drive, program

DATA = "embedded/pendulum-medium-v0"
AGENT = {"width": 64, "depth": 2, "critics": 2, "batch": 64}
NUMBERS = {"actor_lr": 1e-3, "critic_lr": 1e-3, "temperature_lr": 1e-3, "discount": 0.95, "polyak": 0.01}
MODEL = {"model_width": 64, "model_depth": 2, "members": 5, "elites": 3, "model_updates": 4000}
ROUNDS = {"starts": 500, "kept": 5, "every": 250}
UPDATES = 4000


class Cut(NamedTuple):
    """Rollouts in the true dynamics, cut after `horizon` steps, and how long agents learn from them."""

    horizon: int
    discount: float
    updates: int
    diversity: float


CUTS = (Cut(2, 0.95, UPDATES, 1.0), Cut(1, 0.99, 3 * UPDATES, 0.1))


def trained(card: str, seeds, updates: int = UPDATES, **options) -> Result:
    """A card on the data of a policy that swings the pendulum up half of the time."""
    settings = {"updates": updates, "evaluate_every": updates, "episodes": 20, **AGENT, **NUMBERS, **options}
    return jaxrl.sweep(card, DATA, seeds=seeds, **settings)


def in_a_model(seeds, **options) -> Result:
    """MOPO with rollouts of 15 steps, which the model bears; with 5 the score is about 23 (3 seeds, 5,000 updates)."""
    return trained("mopo", seeds, **{"penalty_weight": 1.0, "horizon": 15, **MODEL, **ROUNDS, **options})


def errors_and_penalties(result, count: int = 1000) -> dict[str, np.ndarray]:
    """Spearman correlation, for each seed's model, of each penalty with the true squared error of the mean prediction.

    States and actions are even draws from all that the pendulum can be in, of which the data hold a part.
    """
    keys = jax.random.split(jax.random.key(0), 3)
    angle = jax.random.uniform(keys[0], (count,), minval=-jnp.pi, maxval=jnp.pi)
    speed = jax.random.uniform(keys[1], (count,), minval=-8, maxval=8)
    obs = jnp.stack([jnp.cos(angle), jnp.sin(angle), speed], -1)
    action = jax.random.uniform(keys[2], (count, 1), minval=-1, maxval=1)
    truth = dynamics.oracle(true_step).predict(keys[0], None, (), obs, action).extras["means"][0]
    sizes = {"width": MODEL["model_width"], "depth": MODEL["model_depth"], "members": MODEL["members"]}
    model = dynamics.ensemble(pendulum().spec, lambda obs: obs[:, 0] < -2, elites=MODEL["elites"], **sizes)

    def judged(state):
        said = model.predict(keys[0], mopo.Hyper(), state, obs, action).extras
        error = jnp.square(said["means"].mean(0) - truth).sum(-1)
        return {name: agreement(one(**said), error) for name, one in penalties.KINDS.items()}

    state = result.earlier["model"]
    step = state.learned.step
    members = state._replace(learned=state.learned._replace(step=jnp.broadcast_to(step, state.errors.shape[:1])))
    return jax.device_get(jax.jit(jax.vmap(judged))(members))


def agreement(a, b):
    """Spearman correlation of two rows of numbers [n]."""
    ranks = (jnp.argsort(jnp.argsort(x)).astype(jnp.float32) for x in (a, b))
    return jnp.corrcoef(jnp.stack(list(ranks)))[0, 1]


def true_step(key, obs, action):
    """A step of the pendulum from what it shows, for `dynamics.oracle`."""
    env = pendulum()
    state = State(jnp.stack([jnp.arctan2(obs[1], obs[0]), obs[2]]), jnp.int32(0))
    _, after = env.step(key, env.params, state, action)
    return after.obs, after.reward, after.terminated


class Edge(NamedTuple):
    """What agents came to, [seeds] each: mean score, and by how much they overrate their own discounted return."""

    scores: Any
    overrated: Any


def agent_of(name: str, critics: int, cut: Cut):
    """(agent, its numbers) of RAVL, or of MOPO, whose penalty is zero where the dynamics are true: SAC."""
    sizes = {"width": AGENT["width"], "depth": AGENT["depth"], "critics": critics}
    numbers = {**NUMBERS, "discount": cut.discount}
    if name == "ravl":
        return ravl.diverse(pendulum().spec, **sizes), ravl.Hyper(**numbers, diversity=cut.diversity)
    return mopo.soft(mopo.RECIPE, pendulum().spec, **sizes), mopo.Hyper(**numbers)


def edge(name: str, seeds: int, critics: int, cut: Cut) -> Edge:
    """Train on rollouts in the true dynamics that are cut short, all seeds at once."""
    agent, numbers = agent_of(name, critics, cut)
    task, env, batch = jaxrl.load(DATA), pendulum(), AGENT["batch"]
    rounds = {**ROUNDS, "horizon": cut.horizon}
    phase = mopo.imagining(
        agent, dynamics.oracle(true_step), batch, mopo.penalised(penalties.max_aleatoric), 0.05, **rounds
    )
    keys, hypers = jax.random.split(jax.random.key(0), seeds), records.stack(*[numbers] * seeds)
    given = Given(task.dataset, env.params)
    state = [one.state for one in drive([program(phase)], keys, hypers, given, [cut.updates])][-1]
    net = values.q(env.spec, width=AGENT["width"], depth=AGENT["depth"], members=critics)

    def judged(params):
        policy = agent.policy(numbers, state._replace(params=params))
        returns = rollout.evaluate(jax.random.key(1), env, policy, 20)
        gaps = jax.vmap(lambda key: overrated(key, env, policy, net, params["critic"], numbers.discount))
        return returns.mean(), gaps(jax.random.split(jax.random.key(2), 50)).mean()

    returns, gaps = map(np.asarray, jax.jit(jax.vmap(judged))(state.params))
    return Edge(task.references[0].score(returns), gaps)


def overrated(key, env, policy, net, params, discount):
    """The smallest critic's value of a start less the discounted return of an episode from there; scalar."""
    start = env.reset(key, env.params)
    first = start[1].obs[None]
    action, _ = policy.act(key, first_steps(first), ())

    def step(carry, time):
        state, timestep, total = carry
        action, _ = policy.act(key, timestep, ())
        state, timestep = env.step(key, env.params, state, action)
        return (state, timestep, total + discount**time * timestep.reward), None

    (_, _, total), _ = jax.lax.scan(step, (*start, jnp.zeros(())), jnp.arange(env.spec.horizon, dtype=jnp.float32))
    return net.apply(params, first, action).min(0)[0] - total


def learned(seeds: int) -> list[Effect]:
    """MOPO against SAC on the same data; the mixture's spread against MOPO's penalty as a sign of the true error."""
    model = in_a_model(seeds)
    scores = model.scores[0, :, -1], trained("sac_n", seeds).scores[0, :, -1]
    signs = errors_and_penalties(model)
    kinds = "penalty ensemble_std", "penalty max_aleatoric"
    rank = "Spearman correlation with the true error of the model"
    return [
        Effect("mopo", "sac_n with 2 critics", DATA, f"score, {UPDATES:,} updates", *scores),
        Effect(*kinds, DATA, rank, signs["ensemble_std"], signs["max_aleatoric"]),
    ]


def compared(seeds: int, cut: Cut) -> list[Effect]:
    """RAVL against MOPO, both with true dynamics and rollouts cut short."""
    new, old = edge("ravl", seeds, 10, cut), edge("mopo", seeds, 2, cut)
    steps = f"{cut.horizon} step{'s' * (cut.horizon > 1)}, discount {cut.discount}"
    task, parent = f"{DATA}, true dynamics cut after {steps}", "mopo (no penalty is left)"
    gap = "discounted return of a start that is overrated"
    return [
        Effect("ravl", parent, task, f"score, {cut.updates:,} updates", new.scores, old.scores),
        Effect("ravl", parent, task, gap, np.maximum(new.overrated, 0), np.maximum(old.overrated, 0), higher=False),
    ]


def measure(seeds: int) -> list[Effect]:
    """A model against the data alone; penalties against true errors; cut rollouts in the true dynamics."""
    return [*learned(seeds), *(effect for cut in CUTS for effect in compared(seeds, cut))]
