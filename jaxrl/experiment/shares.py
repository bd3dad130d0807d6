"""A sweep's members shared out over the machines of a cluster."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import registry
from jaxrl.cluster import Call, Cluster, connected, free, mark, sees, slots, spread
from jaxrl.core import compilation
from jaxrl.core.card import Card
from jaxrl.core.check import InputError
from jaxrl.core.types import Task
from jaxrl.experiment import running
from jaxrl.experiment.options import Settings, prepared
from jaxrl.experiment.programs import Members, compiled


class Share(NamedTuple):
    """What a machine is told: the plan without what it makes itself, whose members, and the text that marks the plan's
    folder. who: Members whose keys are left out, the seeds tell them."""

    card: str
    chosen: Settings
    plan: running.Plan
    who: Members
    text: str


def run(
    plan: running.Plan, who: Members, card: Card, chosen: Settings, task: Task, cluster: Cluster
) -> running.Outcome:
    """As `running.run`, by as many jobs as fit the cluster at once; each splits its members by its device's memory.

    task: as the user gave it. Evaluations are reported when the job they are of has ended. Raises InputError where the
    cluster cannot be reached, or is lost.
    """
    with connected(cluster) as needs:
        found = answered(plan, shared_out(plan, who, card, chosen, task, slots(*needs)), cluster)
    return running.joined([found[i] for i in sorted(found)])


def shared_out(plan: running.Plan, who: Members, card: Card, chosen: Settings, task: Task, count: int) -> list[Call]:
    """A call for each of `count` shares of the members, as equal as can be; fewer where there are fewer members."""
    parts = np.array_split(np.arange(who.size), min(count, who.size))
    own = jax.tree.map(np.asarray, who._replace(keys=()))
    bare, text = plan._replace(parts=None, task=None, report=None, say=None), mark(plan.folder) if plan.folder else ""
    calls = []
    for i, part in enumerate(parts):
        folder = plan.folder and plan.folder.resolve() / f"share-{i}-of-{len(parts)}"
        share = Share(card.name, chosen, bare._replace(folder=folder), own.take(part), text)
        calls.append(Call(i, f"share {i + 1} of {len(parts)} of the sweep", task, (share,)))
    return calls


def answered(plan: running.Plan, calls: list[Call], cluster: Cluster) -> dict[int, running.Outcome]:
    """What each share came to, by its number."""
    found: dict[int, running.Outcome] = {}
    for answer in spread(perform, calls, cluster):
        if answer.value is None:
            raise InputError(answer.error)
        found[answer.tag], notes = answer.value
        for note in notes:
            plan.say(note)
        for one in found[answer.tag].log if plan.report else []:
            plan.report(one)
    return found


def perform(task: Task, share: Share) -> tuple[running.Outcome, list[str]]:
    """On the worker: the outcome of a share, its arrays in the host's memory, and lines said on the way."""
    compilation.keep()
    card, folder, notes = registry.card(share.card), share.plan.folder, []
    if folder and not sees(folder.parent, share.text):
        notes.append(
            f"  note: a machine does not see {folder.parent}, so that its share of the sweep has no checkpoints"
        )
        folder = None
    if folder:
        free(folder)
    ready = prepared(card, task, share.chosen)
    parts = compiled(card, ready.env, share.chosen, share.plan.episodes)
    identity = {**share.plan.identity, "device": jax.devices()[0].device_kind}
    plan = share.plan._replace(parts=parts, task=ready, folder=folder, identity=identity, say=notes.append)
    keys = jnp.stack([jax.random.key(seed) for seed in share.who.seeds])
    hypers: Any = jax.tree.map(jnp.asarray, share.who.hypers)
    outcome = running.run(plan, share.who._replace(keys=keys, hypers=hypers))
    return jax.tree.map(lambda x: np.asarray(x) if isinstance(x, jax.Array) else x, outcome), notes
