"""VI-LCB against the same without pessimism and against imitation; StepMix against UCBVI."""

import jax
import jax.numpy as jnp

from benchmarks.effects.effect import Effect
from jaxrl.algorithms.tabular import step_mix, vi_lcb
from jaxrl.envs import tabular

DRAWS = 200
EPISODES = 10_000
SCALE = 0.003


def bandit(key, share: float, plays: int, draws: int = DRAWS) -> dict[str, jax.Array]:
    """Mean gap to the best of ten arms, which the behaviour plays with probability 1 - share."""
    means = jnp.full(10, 0.5).at[0].set(0.55)
    plan = jnp.full(10, share / 9).at[0].set(1 - share)

    def one(key):
        choice, luck = jax.random.split(key)
        arms = jax.random.choice(choice, 10, (plays,), p=plan)
        won = jax.random.bernoulli(luck, means[arms]).astype(jnp.float32)
        counts, gains = jnp.zeros(10).at[arms].add(1), jnp.zeros(10).at[arms].add(won)
        empirical = vi_lcb.mab_lcb(counts, gains, 0.0)
        picks = {"mab_lcb": vi_lcb.mab_lcb(counts, gains), "greedy": empirical, "imitation": counts.argmax()}
        return {name: means[0] - means[pick] for name, pick in picks.items()}

    return jax.tree.map(jnp.mean, jax.vmap(one)(jax.random.split(key, draws)))


def maze() -> tabular.MDP:
    """Four by four cells, the goal in the far corner, one move in ten random."""
    mdp = jax.tree.map(jnp.asarray, tabular.grid("OOOO\nOOOO\nOOOO\nOOOG", discount=0.9, slip=0.1))
    return mdp._replace(start=jnp.eye(16)[0])


def logged(key, mdp: tabular.MDP, expert: float, steps: int) -> vi_lcb.Tally:
    """Steps drawn from the visits of a policy that is the expert's with that weight and random else."""
    states, actions = mdp.reward.shape
    policy = expert * tabular.greedy(tabular.value_iteration(mdp)) + (1 - expert) / actions
    moves = jnp.einsum("sa,sat->st", policy, mdp.transition)
    visits = (1 - mdp.discount) * jnp.linalg.solve(jnp.eye(states) - mdp.discount * moves.T, mdp.start)
    pair, move = jax.random.split(key)
    drawn = jax.random.choice(pair, states * actions, (steps,), p=(visits[:, None] * policy).reshape(-1))
    state, action = drawn // actions, drawn % actions
    following = jax.random.categorical(move, jnp.log(mdp.transition[state, action]))
    return vi_lcb.tally(state, action, mdp.reward[state, action], following, states, actions)


def planned(key, expert: float, steps: int, draws: int = DRAWS) -> dict[str, jax.Array]:
    """Mean gap to the optimal value at the start, and the share of draws whose bound holds in every state."""
    mdp = maze()
    best = tabular.value_iteration(mdp).max(axis=1)

    def one(key):
        seen = logged(key, mdp, expert, steps)
        careful, bold = vi_lcb.vi_lcb(seen, 0.9), vi_lcb.vi_lcb(seen, 0.9, c=0.0)
        choices = {"vi_lcb": careful.policy, "no bonus": bold.policy, "imitation": vi_lcb.imitation(seen.counts.sum(2))}
        values = {name: tabular.evaluate(mdp, jax.nn.one_hot(pick, 4))[0] for name, pick in choices.items()}
        holds = (careful.value <= values["vi_lcb"] + 1e-4).all()
        return {name: (best - v)[0] for name, v in values.items()} | {"holds": holds.astype(jnp.float32)}

    return jax.tree.map(jnp.mean, jax.vmap(one)(jax.random.split(key, draws)))


def explored(key, threshold: float, whole_episodes: bool = False, episodes: int = EPISODES):
    """(episodes below 0.9 of the baseline's value, regret, last thousand's regret, what was explored)."""
    make, walk = jax.random.split(key)
    mdp = step_mix.random_process(make)
    base = step_mix.softened(mdp, 0.15)
    bar, best = 0.9 * step_mix.value(mdp, base), step_mix.value(mdp, step_mix.softened(mdp, 1e-3))
    limit = jnp.where(jnp.isfinite(threshold), threshold * bar / 0.9, -jnp.inf)
    run = step_mix.step_mix(walk, mdp, base, limit, episodes, scale=SCALE, whole_episodes=whole_episodes)
    regret = best - run.value
    return (run.value < bar - 1e-5).sum(), regret.sum(), regret[-1000:].sum(), run, bar


def measure(seeds: int) -> list[Effect]:
    """Gaps to the best arm and to the optimal value; unsafe episodes and regret."""
    keys = jax.random.split(jax.random.key(0), seeds)
    arms = jax.jit(jax.vmap(lambda key: bandit(key, 0.1, 800)))(keys)
    wide = jax.jit(jax.vmap(lambda key: bandit(key, 0.9, 3200)))(keys)
    plans = jax.jit(jax.vmap(lambda key: planned(key, 0.3, 400)))(keys)
    step, free, whole = (
        jax.jit(jax.vmap(lambda key, a=a, b=b: explored(key, a, b)[:3]))(keys)
        for a, b in ((0.9, False), (-jnp.inf, False), (0.9, True))
    )
    gap = "gap to the best arm"
    value = "gap to the optimal value"
    return [
        Effect("vi_lcb", "greedy", "ten arms, 90 % best, 800 plays", gap, arms["mab_lcb"], arms["greedy"], False),
        Effect(
            "vi_lcb", "imitation", "ten arms, 10 % best, 3200 plays", gap, wide["mab_lcb"], wide["imitation"], False
        ),
        Effect("vi_lcb", "no bonus", "maze, 30 % expert, 400 steps", value, plans["vi_lcb"], plans["no bonus"], False),
        Effect(
            "vi_lcb", "imitation", "maze, 30 % expert, 400 steps", value, plans["vi_lcb"], plans["imitation"], False
        ),
        Effect("step_mix", "ucbvi", "3 x 5 x 5 process", "episodes below the threshold", step[0], free[0], False),
        Effect("step_mix", "eps_mix", "3 x 5 x 5 process", "regret of 10,000 episodes", step[1], whole[1], False),
    ]
