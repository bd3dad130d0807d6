"""EDAC: SAC-N whose critics are kept diverse (arXiv:2110.01548, section 5).

Departures: those of SAC-N.
"""

from jaxrl.algorithms.offline import sac_n
from jaxrl.compose import terms
from jaxrl.core.card import Card
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare


@hyper
class Hyper(sac_n.Hyper):
    """SAC-N's numbers; diversity: eta of the paper."""

    diversity: float = 1.0


RECIPE = sac_n.RECIPE._replace(critic=(terms.diversify,))


def edac(spec: Spec, *, width: int = 256, depth: int = 3, critics: int = 10) -> Algorithm:
    """Squashed Gaussian actor, N diversified critics."""
    return sac_n.of(RECIPE, spec, width=width, depth=depth, critics=critics)


CARD = Card("edac", "offline", edac, Hyper, sac_n.PAPER, prepare=prepare.raw)
