"""AW: any offline card on steps drawn by the softmax of their trajectory's advantage (arXiv:2306.13085).

The advantage is the return above a linear function of the first observation, so lucky starts are not favoured.

Departures: those of `rw`.
"""

from jaxrl.algorithms.wrappers import rw
from jaxrl.core.card import Wrapper
from jaxrl.data import weighting

CARD = Wrapper("aw", rw.drawn_by("aw", weighting.advantage_weights), rw.PAPER)
