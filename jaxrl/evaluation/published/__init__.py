"""What others published, and our cells beside it: scores on D4RL, bands over implementations, returns of environments.

None of our data is D4RL's own, so every comparison carries the reasons why it is not the same measurement, and theirs
and ours are never averaged or ranked together.
"""

from jaxrl.evaluation.published.comparison import CARDS, Cited, Compared, Ours, compared, counterpart
from jaxrl.evaluation.published.files import Band, Relation, Return, Row, bands, relations, returns, rows
from jaxrl.evaluation.published.markdown import HEADING, remarks, section

__all__ = [
    "CARDS", "HEADING", "Band", "Cited", "Compared", "Ours", "Relation", "Return", "Row", "bands", "compared",
    "counterpart", "relations", "remarks", "returns", "rows", "section",
]  # fmt: skip
