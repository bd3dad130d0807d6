"""What the registry knows about one entry. Every algorithm file ends with a `CARD`."""

import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from jaxrl.core import hyper as records
from jaxrl.core.check import InputError
from jaxrl.core.types import Source, Spec, Task

Kind = Literal["offline", "online", "plan"]
Actions = Literal["continuous", "discrete"]


def as_is(task: Task) -> Task:
    """The task unchanged."""
    return task


class Paper(NamedTuple):
    """Where a system was published. id: "arXiv:..." or a DOI; authors joined by " and "."""

    id: str
    title: str
    authors: str
    year: int

    def bibtex(self, key: str) -> str:
        """A BibTeX entry."""
        arxiv = self.id.removeprefix("arXiv:")
        where = {"doi": self.id} if arxiv == self.id else {"eprint": arxiv, "archivePrefix": "arXiv"}
        fields = {"title": f"{{{self.title}}}", "author": self.authors, "year": str(self.year), **where}
        body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
        return f"@{'article' if 'doi' in where else 'misc'}{{{key},\n{body}}}"


class Card(NamedTuple):
    """One published system.

    name: equals the file's name. make: (spec, **structure) -> Algorithm; for kind "plan", (env, batch, **structure) ->
    the phases, of which the last trains the Algorithm. hyper: the record of its numbers' defaults, for all phases.
    actions: kinds of action it takes.
    prepare: (task, **options) -> the task as the paper prepares it (scaled, filtered).
    needs: batch extras it reads. batch: the paper's batch size.
    collect: the Source it learns from. For kind "online", (env, **options), or (env, batch, **options) where it draws
    batches; for kind "offline", (dataset, batch, **options), None for even draws of single steps.
    online: whether the last phase of a plan gathers experience of its own.
    """

    name: str
    kind: Kind
    make: Callable[..., Any]
    hyper: Any
    paper: Paper
    actions: tuple[Actions, ...] = ("continuous",)
    prepare: Callable[..., Task] = as_is
    needs: frozenset[str] = frozenset()
    batch: int = 256
    collect: Callable[..., Source] | None = None
    online: bool = False

    @property
    def gathers(self) -> bool:
        """Whether it takes steps in an environment."""
        return self.online or self.kind == "online"

    def numbers(self) -> dict[str, float]:
        """Traced hyperparameters and their defaults."""
        return {name: getattr(self.hyper(), name) for name in records.names(self.hyper)}

    def structure(self) -> dict[str, Any]:
        """Keywords of the factory (widths, counts) and their defaults: whatever changes the compiled program."""
        return keywords(self.make)

    def preparation(self) -> dict[str, Any]:
        """Keywords of `prepare` and their defaults."""
        return getattr(self.prepare, "defaults", None) or keywords(self.prepare)

    def collection(self) -> dict[str, Any]:
        """Keywords of `collect` and their defaults: how a card gathers or draws what it learns from."""
        return keywords(self.collect) if self.collect else {}


class Wrapper(NamedTuple):
    """A published change to any card: `WRAPPER+CARD` stands wherever a card's name does.

    name: equals the file's name. wrap: Card -> the changed Card; InputError, naming what is missing, where it cannot.
    """

    name: str
    wrap: Callable[[Card], Card]
    paper: Paper


class Procedure(NamedTuple):
    """A published system that trains no policy through the frame: plain functions, called by their names.

    name: equals the file's name. kind: what it is for, such as "tabular", "search", "teacher", "certificate".
    functions: the public ones, the one to begin with first.
    """

    name: str
    kind: str
    functions: tuple[Callable, ...]
    paper: Paper


def keywords(function: Callable) -> dict[str, Any]:
    """Keyword-only arguments with plain-value defaults, by name."""
    parameters = inspect.signature(function).parameters.values()
    return {
        p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and isinstance(p.default, bool | int | float)
    }


def check_actions(card: Card, spec: Spec) -> None:
    """InputError where the card cannot act in the environment."""
    kind = "discrete" if spec.discrete else "continuous"
    if kind not in card.actions:
        raise InputError(
            f"card {card.name!r} takes {' or '.join(card.actions)} actions, but {spec.name} has {kind} ones; "
            f"see `jaxrl list` for cards that take {kind} actions"
        )
