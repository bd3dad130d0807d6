"""CQL with a Lagrangian: CQL whose penalty is held at a wanted size by a trained multiplier (arXiv:2006.04779, eq. 30).

Departures: those of CQL; the multiplier's loss is computed anew after the critics' step.
"""

import jax

from jaxrl.algorithms.offline import cql
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Kit
from jaxrl.compose.learn import Part
from jaxrl.core.card import Card
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.networks import basic


@hyper
class Hyper(cql.Hyper):
    """CQL's numbers, at CORL's values for AntMaze; gap: tau of the paper, the wanted size of the penalty."""

    actor_lr: float = 1e-4
    conservatism: float = 5.0
    gap: float = 0.8
    multiplier_lr: float = 3e-4


def cql_lagrange(
    spec: Spec, *, width: int = 256, depth: int = 3, critics: int = 2, samples: int = 10, max_backup: bool = False
) -> Algorithm:
    """As `cql`, with a multiplier part."""
    number = basic.scalar()

    def multiplier(kit: Kit) -> Part:
        def loss(log_multiplier, state, hyper, batch, key):
            gaps = terms.soft_maximum_gap(kit.logged(state, hyper, batch, key), samples) - hyper.gap
            over = jax.lax.stop_gradient(hyper.conservatism * gaps.mean(0))
            weight = terms.multiplier_of(log_multiplier)
            return -weight * over, {"multiplier": weight}

        return Part(number.init, loss, lambda h, n: h.multiplier_lr)

    chosen = cql.recipe(terms.conservative_to_gap, samples, max_backup)
    return cql.soft(chosen, spec, {"multiplier": multiplier}, width=width, depth=depth, critics=critics)


CARD = Card("cql_lagrange", "offline", cql_lagrange, Hyper, cql.PAPER, prepare=prepare.standardised)
