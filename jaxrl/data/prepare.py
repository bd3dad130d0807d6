"""How published methods prepare a task: the `prepare` of cards. Every keyword can be set from outside."""

from jaxrl.core.types import Task
from jaxrl.data import scaling, transforms


def raw(
    task: Task,
    *,
    standardise: bool = False,
    return_range: float = 0.0,
    reward_scale: float = 1.0,
    reward_shift: float = 0.0,
    top_fraction: float = 1.0,
    rank_discount: float = 1.0,
) -> Task:
    """Nothing by default; on request, in this order: best episodes only, rewards rescaled, observations standardised.

    return_range: rewards are scaled so that episode returns span this much; 0 leaves them.
    """
    dataset = task.dataset
    if dataset is None:
        return task
    if top_fraction < 1:
        dataset = transforms.top_fraction(dataset, top_fraction, rank_discount)
    if return_range > 0:
        dataset = transforms.scale_return_range(dataset, return_range)
    if (reward_scale, reward_shift) != (1.0, 0.0):
        dataset = transforms.scale_rewards(dataset, reward_scale, reward_shift)
    task = task._replace(dataset=dataset)
    return scaling.standardise(task) if standardise else task


def varied(**defaults):
    """`raw` with other defaults."""

    def prepare(task, **options):
        return raw(task, **{**defaults, **options})

    prepare.defaults = {**raw.__kwdefaults__, **defaults}
    return prepare


standardised = varied(standardise=True)
