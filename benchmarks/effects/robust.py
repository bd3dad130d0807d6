"""IWOCS beside the nominal and the randomised policy; policy smoothing: its certificate beside what attacks achieve."""

import functools
import itertools

import jax
import jax.numpy as jnp

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl.algorithms.online import ppo
from jaxrl.algorithms.robust import iwocs
from jaxrl.envs import tabular
from jaxrl.envs.noisy import noisy
from jaxrl.evaluation import certify
from jaxrl.sources.rollouts import rollouts
from jaxrl.train.fit import fit

STD = 0.1
"""Of the noise on CartPole's observations; the pole falls at an angle of 0.21."""
EPISODES = 500


def corners() -> jax.Array:
    """All corners of the box of winds, [32, 5]."""
    return jnp.array(list(itertools.product((0.0, 1.0), repeat=5)))


def worst_case(policy) -> float:
    """The policy's value in the worst corner of the family: more wind never helps."""
    value = lambda point: (lambda mdp: mdp.start @ tabular.evaluate(mdp, policy)[0])(iwocs.windy(point))
    return float(jax.vmap(value)(corners()).min())


def walks(seeds: int) -> tuple[list[float], list[float], list[float]]:
    """Worst cases of IWOCS, of domain randomisation, and of the policy for no wind."""
    ours, drawn = [], []
    for seed in range(seeds):
        key = jax.random.key(seed)
        ours.append(worst_case(iwocs.iwocs(key, iwocs.windy, jnp.zeros(5)).policy))
        drawn.append(worst_case(iwocs.randomised(key, iwocs.windy, 5)))
    calm = tabular.greedy(tabular.value_iteration(iwocs.windy(jnp.zeros(5))))
    return ours, drawn, [worst_case(calm)] * seeds


def smoothed(key, updates: int = 40, std: float = STD):
    """PPO trained on CartPole with noise on what it observes: (algorithm, its state)."""
    env = noisy(jaxrl.environment("CartPole-v1"), std)
    algorithm = ppo.ppo(env.spec, width=32, minibatches=8)
    hyper = ppo.Hyper(actor_lr=1e-3, critic_lr=1e-3)
    return algorithm, fit(key, algorithm, hyper, rollouts(env, envs=8, length=128), updates)[0].state


def held(key, budgets, updates: int = 40, episodes: int = EPISODES):
    """(returns without an adversary [M], mean returns under attack, one for each budget)."""
    algorithm, state = smoothed(key, updates)
    policy = algorithm.policy(ppo.Hyper(), state)
    run = functools.partial(
        certify.attacked, key, jaxrl.environment("CartPole-v1"), policy, std=STD, share=0.5, episodes=episodes
    )
    free = run(certify.against_density(policy), budget=0.0).returns
    return free, jnp.stack([run(certify.against_density(policy), budget=b).returns.mean() for b in budgets])


def measure(seeds: int) -> list[Effect]:
    """Worst cases, and returns under attack beside the certificate."""
    ours, drawn, calm = walks(seeds)
    task = "windy corridors, 5 x 5"
    found = [
        Effect("iwocs", "domain randomisation", task, "worst-case value", ours, drawn),
        Effect("iwocs", "nominal policy", task, "worst-case value", ours, calm),
    ]
    budgets = (0.05, 0.1, 0.2)
    free, hurt = jax.jit(jax.vmap(lambda key: held(key, budgets)))(jax.random.split(jax.random.key(0), seeds))
    for i, budget in enumerate(budgets):
        bound = [float(certify.certified_mean(one, budget, STD)) for one in free]
        measure = f"mean return under attack, certificate as parent; {float(free.mean()):.0f} without attack"
        found.append(
            Effect("smoothing+ppo", f"certificate at budget {budget}", "CartPole-v1", measure, hurt[:, i], bound)
        )
    return found
