"""Conservative penalties that leave values above a known return alone."""

from jaxrl.compose.terms import soft_maximum_gap


def conservative(v, *, samples: int = 10):
    """CQL's penalty, the policy's actions counting at least the logged return (Cal-QL, arXiv:2303.05479, eq. 5.1).

    Reads the extra "to_go", [B]; minus infinity where no return is known, which is CQL's penalty.
    """
    return v.hyper.conservatism * soft_maximum_gap(v, samples, floor=v.batch.extras["to_go"]).sum(0)
