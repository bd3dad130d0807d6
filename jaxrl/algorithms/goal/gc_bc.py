"""Goal-conditioned BC: clones the logged action given a state that came later in the episode (arXiv:1912.06088).

Departures: none from the offline form that its successors compare with, where goals lie a geometric number of steps
ahead (`ahead`); the paper draws them evenly up to the episode's end and goes on to gather new episodes.
"""

from jaxrl.algorithms.imitation import bc
from jaxrl.core.card import Card, Paper
from jaxrl.core.types import Env, Phase
from jaxrl.data import goals as tasks
from jaxrl.sources.goals import goals


def gc_bc(env: Env, batch: int, *, width: int = 256, depth: int = 2, ahead: float = 0.99) -> tuple[Phase]:
    """One phase: BC on observations [state, goal]. ahead: discount of the geometric draw of goals."""
    source = lambda given, stock: goals(given.dataset, batch, future=1.0, discount=ahead)
    return (Phase("gc_bc", bc.bc(env.spec, width=width, depth=depth), source),)


PAPER = Paper(
    "arXiv:1912.06088",
    "Learning to Reach Goals via Iterated Supervised Learning",
    "Dibya Ghosh and Abhishek Gupta and Ashwin Reddy and Justin Fu and Coline Devin"
    " and Benjamin Eysenbach and Sergey Levine",
    2019,
)
CARD = Card("gc_bc", "plan", gc_bc, bc.Hyper, PAPER, actions=("continuous", "discrete"), prepare=tasks.asked, batch=256)
