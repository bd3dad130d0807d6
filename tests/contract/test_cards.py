"""What every card tells about itself."""

import inspect

import pytest

from jaxrl import registry
from jaxrl.core import hyper as records


@pytest.mark.parametrize("card", registry.cards().values(), ids=lambda card: card.name)
def test_the_card_is_complete_and_its_file_cites(card):
    text = inspect.getdoc(registry.modules()[card.name])
    assert card.paper.id in text or card.paper.authors.split(" and ")[0].split()[-1] in text
    assert "Departures:" in text
    assert card.paper.title and card.paper.authors and 1950 < card.paper.year < 2100
    assert card.structure() and "width" in card.structure()
    assert len(records.names(card.hyper)) <= 15
    assert (card.collect is not None) == (card.kind == "online")
    places = card.numbers(), card.structure(), card.preparation(), card.collection()
    names = [name for place in places for name in place]
    both = set(card.structure()) & set(card.collection())
    assert both <= {"repeat"}, "learner and source share the updates of a draw, nothing else"
    assert len(names) - len(both) == len(set(names)) and "batch" not in names
