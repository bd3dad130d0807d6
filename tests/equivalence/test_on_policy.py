"""On-policy relatives at their neutral settings, and PPO beside its straight-line yardstick."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxrl.algorithms.online import a2c, mdpo, ppo, reinforce
from jaxrl.compose import surrogates
from jaxrl.compose.policy_gradient import Recipe, Stage, as_estimated, policy_gradient
from jaxrl.core.types import Spec, Transition

SPECS = {
    "continuous": Spec("made up", 3, 2, 10, False, (-1.0, -1.0), (1.0, 1.0)),
    "discrete": Spec("made up", 3, 2, 10, True),
}
SMALL = {"width": 8, "depth": 1}
BOTH = (Stage(("actor", "critic")),)
SPEED = Path(__file__).resolve().parents[2] / "benchmarks" / "speed" / "online.py"


def batch_of(spec, seed, length=8, envs=2):
    keys = jax.random.split(jax.random.key(seed), 5)
    draw = lambda i, *shape: jax.random.normal(keys[i], (length, envs, *shape))
    action = jax.random.randint(keys[1], (length, envs), 0, 2) if spec.discrete else draw(1, 2)
    terminated, truncated = jnp.zeros((2, length, envs)).at[0, 2, 0].set(1.0).at[1, 5, 1].set(1.0)
    return Transition(draw(0, 3), action, draw(2), draw(3, 3), action, terminated, truncated, jnp.ones((length, envs)))


def train(spec, algorithm, hyper, updates=3):
    state = jax.jit(algorithm.init)(jax.random.key(0), hyper)
    update = jax.jit(algorithm.update)
    for i in range(updates):
        state, _ = update(jax.random.key(10 + i), hyper, state, batch_of(spec, i))
    return state.params


def distance(a, b):
    return max(float(jnp.abs(x - y).max()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.fixture(params=SPECS)
def spec(request):
    return SPECS[request.param]


@pytest.mark.slow
def test_ppo_with_one_step_a_batch_and_no_clip_is_a2c(spec):
    recipe = ppo.RECIPE._replace(scale_part=as_estimated, optimiser=a2c.RECIPE.optimiser)
    hyper = ppo.Hyper(trace=1.0, ratio_clip=1e9, entropy_weight=0.01, actor_lr=7e-4, critic_lr=7e-4)
    alike = train(spec, policy_gradient(spec, recipe, BOTH, **SMALL), hyper)
    parent = train(spec, a2c.a2c(spec, **SMALL), a2c.Hyper())
    assert distance(alike, parent) < 2e-5
    assert distance(train(spec, ppo.ppo(spec, passes=2, minibatches=1, normalise=False, **SMALL), hyper), parent) > 1e-3


def test_reinforce_is_a2c_whose_critic_takes_its_turn_afterwards():
    """On a batch the actor's gradient is the same; with one critic step and one optimiser so is all the rest."""
    spec, optimiser = SPECS["discrete"], reinforce.RECIPE.optimiser
    child = policy_gradient(spec, a2c.RECIPE._replace(optimiser=optimiser), BOTH, **SMALL)
    same = train(spec, child, a2c.Hyper(entropy_weight=0.0, actor_lr=3e-3, critic_lr=3e-3))
    assert (
        distance(train(spec, reinforce.reinforce(spec, passes=1, minibatches=1, **SMALL), reinforce.Hyper()), same)
        < 2e-5
    )


@pytest.mark.slow
def test_the_first_inner_step_of_mdpo_is_a_plain_policy_gradient(spec):
    """The divergence has no gradient where both policies agree, the ratio that of the log-likelihood."""
    stages = (Stage(("actor",)), Stage(("critic",), 2, 2))
    plain = Recipe((surrogates.likelihood,), mdpo.RECIPE.critic, scale_batch=surrogates.standardised)
    sizes = {"passes": 2, "minibatches": 2, "normalise": False, **SMALL}
    hyper = mdpo.Hyper(actor_lr=1e-3)
    alike = train(spec, policy_gradient(spec, plain, stages, **SMALL), hyper)
    assert distance(train(spec, mdpo.mdpo(spec, steps=1, **sizes), hyper), alike) < 2e-5
    assert distance(train(spec, mdpo.mdpo(spec, steps=3, **sizes), hyper), alike) > 1e-3


@pytest.mark.slow
def test_mdpo_with_endless_mirror_steps_and_wide_values_is_plain_ascent_on_ratios():
    spec = SPECS["continuous"]
    recipe = Recipe((surrogates.linear,), scale_batch=surrogates.standardised)
    stages = (Stage(("actor",), 3), Stage(("critic",), 2, 2))
    sizes = {"steps": 3, "passes": 2, "minibatches": 2, "normalise": False, **SMALL}
    free = mdpo.Hyper(mirror_step=1e9, value_clip=1e9)
    alike = train(spec, policy_gradient(spec, recipe, stages, **SMALL), free)
    assert distance(train(spec, mdpo.mdpo(spec, **sizes), free), alike) < 2e-5
    assert distance(train(spec, mdpo.mdpo(spec, **sizes), mdpo.Hyper(mirror_step=1e-2)), alike) > 1e-4


def test_ppo_learns_what_the_straight_line_yardstick_learns():
    """Losses and networks after five updates of four passes, from the same start on the same batches."""
    speed = runpy.run_path(str(SPEED))
    with jax.numpy_rank_promotion("allow"):
        assert speed["ppo_difference"](speed["yardstick"]("ppo")) < 1e-4
