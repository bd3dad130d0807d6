"""Work on the machines of a Ray cluster."""

from jaxrl.cluster.calls import Answer, Call, spread
from jaxrl.cluster.folders import free, mark, sees
from jaxrl.cluster.machines import Cluster, connected, slots

__all__ = ["Answer", "Call", "Cluster", "connected", "free", "mark", "sees", "slots", "spread"]
