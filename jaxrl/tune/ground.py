"""Members of one compiled program, trained on from rung to rung: nothing that a member has learned is learned twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.card import Card
from jaxrl.core.check import InputError
from jaxrl.core.tree import counter
from jaxrl.core.types import Task, Tree
from jaxrl.experiment import Members, Settings, Trial, chunks, running, trained
from jaxrl.experiment.options import prepared
from jaxrl.experiment.programs import compiled, evaluated, evaluator
from jaxrl.train import hosted
from jaxrl.train.driver import Resume
from jaxrl.train.fit import SOUND
from jaxrl.train.keeper import Keeper, data, typed


class Found(NamedTuple):
    """What S members came to: mean returns [S]; the update in which each diverged [S], SOUND for none, and the part."""

    returns: np.ndarray
    diverged: np.ndarray
    part: np.ndarray


class Ground:
    """A program on prepared data, and where its members stand.

    folder: where that is kept, so that a run that was stopped goes on. identity: what such a run must share with it.
    standing: (states of phases before the last, progress) of the rung before, leaves [S, ...], on the host; None while
    it is only on disk.
    """

    def __init__(self, card: Card, task: Task, chosen: Settings, episodes: int, folder: Path, identity: dict[str, Any]):
        ready, self.episodes = prepared(card, task, chosen), episodes
        self.parts: Trial = compiled(card, ready.env, chosen, episodes)
        self.task = running.on_devices(self.parts, ready)
        self._keeper = Keeper(folder, identity, share=1.0)
        facts = self._keeper.facts or {"count": 0, "found": []}
        self._found, self._count = [Found(*one) for one in facts["found"]], facts["count"]
        self.standing: Tree = None
        self._most: int | None = None

    def go(
        self, rung: int, who: Members, update: int, rows: np.ndarray | None = None, reached: int = 0,
        say: Callable[[str], None] = print,
    ) -> Found:  # fmt: skip
        """Train members until they have had `update` updates, and evaluate them.

        rows: [S], for each the member of the rung before, of `reached` updates, whose place it takes, states, feeds and
        all; None to begin. What was found before the run was stopped is not trained again.
        """
        if rung < len(self._found):
            return self._found[rung]
        if rung > len(self._found) or (rows is None) != (rung == 0):
            raise InputError(f"{self._keeper.folder} lacks what rung {rung} goes on from; choose another folder")
        if self._most is None:
            self._most = chunks.size(self.parts, self.task, who, None, say)
        starts = range(0, who.size, self._most)
        pieces = [slice(start, start + self._most) for start in starts]
        outcomes = [self._piece(who.take(at), update, None if rows is None else rows[at], reached) for at in pieces]
        found = Found(*(np.concatenate(columns) for columns in zip(*(one for one, _ in outcomes), strict=True)))
        self.standing, self._count = running.rows([standing for _, standing in outcomes]), who.size
        self._found.append(found)
        self._keeper.save(self.standing, {"count": who.size, "found": [list(one) for one in self._found]}, force=True)
        return found

    def _piece(self, who: Members, update: int, rows, reached: int) -> tuple[Found, Tree]:
        """Members that are trained together, and where they then stand, on the host."""
        parts, real = self.parts, who.size
        full, task = running.laid_out(parts, who), self.task
        evaluate = evaluator(parts, task, full, self.episodes)
        blame, _, _ = running.begun(parts, None, full.size)
        resume = None
        if rows is not None:
            rows = np.append(rows, np.repeat(rows[-1:], full.size - real))
            last = 0 if isinstance(parts.training, hosted.Program) else len(parts.training) - 1
            resume = Resume(last, reached, lambda like: self._standing(like, rows))
        for stretch in trained(parts.training, full, task, [update], resume):
            blame.add(stretch)
            if stretch.last:
                one = running.cut(evaluated(stretch, evaluate, parts, blame, full), real)
                # Copied: the run uses the memory of its state again.
                standing = jax.tree.map(lambda x: np.array(data(x)), (stretch.earlier, stretch.progress))
        broken = ~one.finite & (one.diverged == SOUND)
        found = Found(one.returns.mean(-1), np.where(broken, update, one.diverged), one.part)
        return found, running.first(standing, real)

    def _standing(self, like: Tree, rows: np.ndarray) -> Tree:
        """(earlier, progress) of the members in those rows of the rung before."""
        if self.standing is None:
            self.standing = self._keeper.load(resized(jax.eval_shape(raw, like), self._count))

        def leaf(path, held, one):
            return typed(jnp.asarray(held if counter(path) else held[rows]), one)

        return jax.tree_util.tree_map_with_path(leaf, self.standing, like)

    def close(self) -> None:
        """Wait until what was found is on disk."""
        self._keeper.close()


def raw(tree: Tree) -> Tree:
    """A tree with random keys as plain numbers."""
    return jax.tree.map(data, tree)


def resized(like: Tree, count: int) -> Tree:
    """Shapes of a tree of `count` members."""

    def leaf(path, x):
        return x if counter(path) else jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype)

    return jax.tree_util.tree_map_with_path(leaf, like)
