"""D5RL's protocol of offline training followed by online training: where it starts, where it ends, what it cost.

Source: arXiv:2408.08441; the regret is Cal-QL's (arXiv:2303.05479), the mean of what scores lack to 100 while online.
"""

from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.experiment.result import Result


class Tuned(NamedTuple):
    """first, last: normalized scores [H, K] before the first online step and at the last checkpoint that counts.

    regret: [H, K], 0 to 1: the mean over the online steps of (100 - score) / 100, between checkpoints by straight
    lines; below 0 where scores are above 100. steps: online environment steps that count.
    """

    first: np.ndarray
    last: np.ndarray
    regret: np.ndarray
    steps: int


def offline_then_online(result: Result, online_steps: int | None = None) -> Tuned:
    """What a plan that ends online brought, such as `cal_ql`, `wsrl`, or `rlpd`, which trains nothing before.

    online_steps: how many environment steps count, default all, up to the last checkpoint within them. Raises
    InputError for a run that takes no steps in an environment, has no references, or no checkpoint within them.
    """
    if not result.card.gathers:
        raise InputError(f"card {result.card.name} takes no online steps; give a run of one that does, such as cal_ql")
    if not result.task.references:
        raise InputError(
            f"task {result.task.name} has no reference returns, so there is no score of 100 to fall short of"
        )
    taken = result.env_steps - result.env_steps[0]
    counted = taken <= (taken[-1] if online_steps is None else online_steps)
    if counted.sum() < 2:
        raise InputError(
            f"online_steps={online_steps} ends before the first checkpoint, at {taken[1:2].tolist()} steps"
        )
    scores, at = result.scores[..., counted], taken[counted].astype(float)
    lacking = 1 - scores / 100
    area = ((lacking[..., 1:] + lacking[..., :-1]) / 2 * np.diff(at)).sum(-1)
    return Tuned(scores[..., 0], scores[..., -1], area / at[-1], int(at[-1]))
