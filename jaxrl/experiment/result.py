"""What a sweep brought."""

import functools

import jax
import numpy as np

from jaxrl.acting import Actor
from jaxrl.core import hyper as records
from jaxrl.core.tree import counter
from jaxrl.train.fit import SOUND


class Result:
    """What a sweep brought: scores of H hyperparameter records x K seeds x C checkpoints, and the trained policies.

    updates: [C]. env_steps: [C], environment steps that a member took so far; 0 where it learns from data.
    episode_returns: [H, K, C, episodes], undiscounted, in the environment's own rewards.
    success: as far as each episode reached its goal, the same shape, 0 to 1; None where the environment has none.
    returns: mean returns, [H, K, C]. scores: normalized by the task's ranking reference where it has one, else returns.
    diverged: [H, K, C], whether the run had diverged. diverged_at: [H, K], the update in which it did, -1 for none, 0
    in a phase before the last; diverged_part: [H, K], whose loss broke first, or "parameters", "" for none.
    metrics: losses by part, [H, K, C], NaN for a diverged run.
    seconds: compile, train and evaluate, of the whole sweep, [C] each.
    earlier: states of the phases of a plan before its last, by name, leaves [H * K, ...].
    """

    def __init__(self, card, task, algorithm, hypers, seeds, chosen, log, state, source=None, earlier={}):
        self.card, self.task, self.hypers, self.seeds, self.settings = card, task, hypers, seeds, chosen
        self._algorithm, self._state, self.earlier = algorithm, state, earlier
        shape = (len(records.unstack(hypers)), len(seeds))
        gather = functools.partial(_gather, shape, log)
        self.updates = np.array([one.update for one in log])
        self.env_steps = self.updates * source.cost + source.before if source else 0 * self.updates
        self.episode_returns = gather(lambda one: one.returns)
        self.success = None if log[0].success is None else gather(lambda one: one.success)
        self.diverged = gather(lambda one: ~one.finite | (one.diverged != SOUND))
        self.diverged_at, self.diverged_part = (x.reshape(shape) for x in (log[-1].diverged, log[-1].part))
        self.metrics = jax.tree.map(lambda *x: gather(None, values=x), *[one.metrics for one in log])
        self.seconds = {name: np.array([one.seconds[name] for one in log]) for name in log[0].seconds}

    @property
    def returns(self) -> np.ndarray:
        """Mean undiscounted return of each evaluation, [H, K, C]."""
        return self.episode_returns.mean(-1)

    @property
    def scores(self) -> np.ndarray:
        """Normalized scores [H, K, C] where the task has references, else returns."""
        return self.task.references[0].score(self.returns) if self.task.references else self.returns

    def policy(self, hyper: int = 0, seed: int = 0) -> Actor:
        """The trained policy of one member: observations [D] or [N, D] as the environment gives them -> its actions."""
        count = len(self.seeds)
        member = range(len(records.unstack(self.hypers)) * count)[hyper * count + range(count)[seed]]
        state = jax.tree_util.tree_map_with_path(lambda path, x: x if counter(path) else x[member], self._state)
        own = records.unstack(self.hypers)[hyper]
        return Actor(self._algorithm, own, state, self.task)


def _gather(shape, log, read, values=None):
    """Per-checkpoint arrays [H * K, ...] -> [H, K, C, ...]."""
    values = [read(one) for one in log] if values is None else values
    stacked = np.stack([np.asarray(x) for x in values], 1)
    return stacked.reshape(*shape, *stacked.shape[1:])
