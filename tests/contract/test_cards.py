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
    assert len(records.names(card.hyper)) <= 20
    assert card.collect is not None if card.kind == "online" else card.kind == "offline" or card.collect is None
    assert card.kind == "plan" or not card.online
    places = card.numbers(), card.structure(), card.preparation(), card.collection()
    names = [name for place in places for name in place]
    both = set(card.structure()) & {*card.collection(), *card.preparation()}
    assert both <= {"repeat", "envs", "length", "window"}, "learner and data share the size of a draw, nothing else"
    assert len(names) - len(both) == len(set(names)) and "batch" not in names


@pytest.mark.parametrize("name", [*registry.wrappers(), *registry.procedures()])
def test_other_systems_cite_and_explain_themselves(name):
    module = registry.modules()[name]
    text, paper = inspect.getdoc(module), module.CARD.paper
    assert paper.id in text or paper.authors.split(" and ")[0].split()[-1] in text
    assert "Departures:" in text
    assert paper.title and 1950 < paper.year < 2100
    if name in registry.procedures():
        assert module.CARD.functions and all(inspect.getdoc(one) for one in module.CARD.functions)
        assert module.CARD.kind and registry.family(name)
