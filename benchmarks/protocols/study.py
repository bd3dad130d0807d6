"""What one study of a protocol found."""

from collections.abc import Sequence
from typing import NamedTuple


class Study(NamedTuple):
    """A claim about a protocol and the table that it was checked with.

    title: of the section. source: paper id, or the data that was read. claim: what should be seen, in a sentence.
    columns, rows: the table, texts as they are printed. shown: whether the numbers show the claim. text: what was
    found, what was tried and what is missing, in Markdown.
    """

    title: str
    source: str
    claim: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    shown: bool
    text: str = ""
