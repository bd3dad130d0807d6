"""%BC: BC on the best tenth of the episodes (arXiv:2106.01345, section 5).

Departures: episodes are ranked by undiscounted return, as in the paper; CORL ranks by discounted return
(`rank_discount`).
"""

from jaxrl.algorithms.imitation import bc
from jaxrl.core.card import Card, Paper
from jaxrl.data import prepare

PAPER = Paper(
    "arXiv:2106.01345",
    "Decision Transformer: Reinforcement Learning via Sequence Modeling",
    "Lili Chen and Kevin Lu and Aravind Rajeswaran and Kimin Lee and Aditya Grover"
    " and Michael Laskin and Pieter Abbeel and Aravind Srinivas and Igor Mordatch",
    2021,
)
CARD = Card(
    "percent_bc",
    "offline",
    bc.bc,
    bc.Hyper,
    PAPER,
    actions=("continuous", "discrete"),
    prepare=prepare.varied(standardise=True, top_fraction=0.1),
)
