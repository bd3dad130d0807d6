"""RW: any offline card on steps drawn by the softmax of their trajectory's return (arXiv:2306.13085).

Departures: draws are exact ones of the compiled program, where the authors' code draws all indices of a run beforehand;
returns are those of the rewards as the card sees them. Cards that draw more than single steps are refused.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxrl.core.card import Card, Paper, Wrapper
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Source, Task
from jaxrl.data import samplers, weighting
from jaxrl.sources.logged import logged


class Weighting(NamedTuple):
    """A card's preparation, after which each step has the weight that `weights(dataset, temperature)` [steps] gives.

    defaults: those of the card, and `weight_temperature`, alpha of the paper.
    """

    weights: Callable[..., Any]
    prepare: Callable[..., Task]
    defaults: Mapping[str, Any]

    def __call__(self, task: Task, **options) -> Task:
        chosen = {**self.defaults, **options}
        temperature = chosen.pop("weight_temperature")
        ready = self.prepare(task, **chosen)
        if ready.dataset is None:
            return ready
        return ready._replace(dataset=weighting.reweighted(ready.dataset, self.weights(ready.dataset, temperature)))


def in_proportion(dataset: Dataset, batch: int) -> Source:
    """Steps of the data drawn in proportion to their weights."""
    return logged(dataset, samplers.weighted(batch))


def drawn_by(name: str, weights: Callable[..., Any]) -> Callable[[Card], Card]:
    """Card -> the same card on draws by `weights`; InputError for one that does not draw single logged steps evenly."""

    def wrap(card: Card) -> Card:
        if card.kind != "offline":
            raise InputError(
                f"wrapper {name} weights draws of logged steps, but {card.name} is of kind {card.kind!r}; wrap an "
                f"offline card, such as {name}+td3_bc"
            )
        if card.collect:
            raise InputError(
                f"wrapper {name} weights draws of single steps, but {card.name} draws its batches in a way of its own; "
                f"wrap a card without one, such as {name}+td3_bc"
            )
        prepare = Weighting(weights, card.prepare, {**card.preparation(), "weight_temperature": 0.1})
        return card._replace(prepare=prepare, collect=in_proportion)

    return wrap


PAPER = Paper(
    "arXiv:2306.13085",
    "Harnessing Mixed Offline Reinforcement Learning Datasets via Trajectory Weighting",
    "Zhang-Wei Hong and Pulkit Agrawal and Remi Tachet des Combes and Romain Laroche",
    2023,
)
CARD = Wrapper("rw", drawn_by("rw", weighting.return_weights), PAPER)
