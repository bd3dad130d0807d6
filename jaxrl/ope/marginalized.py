"""Marginal importance weights: ratios of how often two policies are in a state, in place of products along a path.

Sources: Xie, Ma and Wang (arXiv:1906.03393) for states; Yin and Wang (arXiv:2001.10742) for pairs of state and action.
Departures: none for finite states; `marginal` takes weights from anywhere, so learned ones serve as well.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxrl.core.card import Paper, Procedure
from jaxrl.ope.log import Estimate, Log, fitting, ratios, summed


def marginal(log: Log, weight: Float[Array, "N T"], discount, *, weighted: bool = False) -> Estimate:
    """Rewards weighed by how much more often the policy to be judged is in that state and takes that action.

    weight: ratio for the pair at each step. weighted: self-normalised at each step. With values as well,
    `doubly_robust.corrected` takes such weights (double reinforcement learning). InputError for another shape.
    """
    fitting("marginal importance sampling", log.reward, weight=weight)
    if weighted:
        mean = weight.mean(0, keepdims=True)
        weight = weight / jnp.where(mean > 0, mean, 1.0)
    return summed(weight, log.reward, discount, weighted=weighted)


def state_weights(log: Log, state: Int[Array, "N T"], states: int) -> Float[Array, "N T"]:
    """Weights of pairs as the ratio for the state, counted at each time, times that of the action's probabilities.

    state: class of each step's state, below `states`. InputError without behaviour probabilities.
    """
    fitting("state-marginal importance sampling", log.reward, state=state)
    return _counted(log, state, jnp.exp(ratios(log, "state-marginal importance sampling")), states)


def state_action_weights(log: Log, state: Int[Array, "N T"], action, states: int, actions: int):
    """Weights [N, T] of pairs from counts alone: behaviour probabilities are those counted at each time.

    What the policy would do and nobody did is lost, so the estimate is low where coverage is.
    """
    fitting("state-action-marginal importance sampling", log.reward, state=state, action=action)
    place = jnp.where(log.there > 0, state, states)
    seen = jax.vmap(lambda s: jnp.zeros(states + 1).at[s].add(1.0)[s], 1, 1)(place)
    pairs = jax.vmap(lambda i: jnp.zeros((states + 1) * actions).at[i].add(1.0)[i], 1, 1)(place * actions + action)
    taken = jnp.where(log.there > 0, log.evaluation * seen / pairs, 1.0)
    return _counted(log, state, taken, states)


def _counted(log: Log, state, taken, states: int):
    """Ratio of the state's share at each time under the two policies, times `taken`, the ratio of the action."""
    place = jnp.where(log.there > 0, state, states)
    count = state.shape[0]

    def step(mass, now):
        here, following, taken = now
        number = jnp.zeros(states + 1).at[here].add(1.0)
        ratio = mass[here] * count / number[here] * taken
        return jnp.zeros(states + 1).at[following].add(ratio / count), ratio

    following = jnp.concatenate([place[:, 1:], place[:, -1:]], 1)
    start = jnp.zeros(states + 1).at[place[:, 0]].add(1 / count)
    return jax.lax.scan(step, start, (place.T, following.T, taken.T))[1].T


CARD = Procedure(
    "marginalized",
    "estimator",
    (marginal, state_weights, state_action_weights),
    Paper(
        "arXiv:1906.03393",
        "Towards Optimal Off-Policy Evaluation for Reinforcement Learning with Marginalized Importance Sampling",
        "Tengyang Xie and Yifei Ma and Yu-Xiang Wang",
        2019,
    ),
)
