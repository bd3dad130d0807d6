"""CQL that goes on online with the same loss on half logged, half own steps (arXiv:2006.04779, as in arXiv:2303.05479).

The naive way, which Cal-QL and WSRL are measured against. Departures: a step and an update take turns where Cal-QL's
code takes an episode and then as many updates; the buffer's first steps are the offline policy's; batches are even
draws from all logged and all own steps. Rewards are those of the environment, unscaled. Offline numbers are those of
Cal-QL's code for AntMaze but for a fixed weight of the penalty.
"""

from jaxrl.algorithms.offline import cql
from jaxrl.compose import terms
from jaxrl.compose.repeat import repeat as repeated
from jaxrl.core.card import Card
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Env, Phase, nothing
from jaxrl.data import lower_bounds, samplers
from jaxrl.sources import ring
from jaxrl.sources.logged import logged
from jaxrl.sources.mix import mix
from jaxrl.sources.returning import returning


@hyper
class Hyper(cql.Hyper):
    """CQL's numbers."""

    actor_lr: float = 1e-4
    temperature_lr: float = 1e-4
    conservatism: float = 5.0


def cql_finetune(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, critics: int = 2, samples: int = 10,
    max_backup: bool = False, offline_updates: int = 1_000_000, repeat: int = 1, share: float = 0.5,
    capacity: int = 1_000_000, envs: int = 1, per: int = 1, warmup: int = 1_000,
) -> tuple[Phase, ...]:  # fmt: skip
    """CQL on the data, then `repeat` updates by the same loss after every step, `share` of each batch logged."""
    learner = cql.soft(
        cql.recipe(terms.conservative, samples, max_backup), env.spec, width=width, depth=depth, critics=critics
    )
    gathering = {"share": share, "capacity": capacity, "envs": envs, "per": per, "warmup": warmup}
    return continued(env, batch, (learner, learner), offline_updates, repeat, **gathering)


def continued(
    env: Env, batch: int, learners: tuple[Algorithm, Algorithm], offline_updates: int, repeat: int, *,
    told: tuple[bool, bool] = (False, False), **gathering,
) -> tuple[Phase, ...]:  # fmt: skip
    """A learner on the data, then one on mixed batches that starts with its parameters, targets and optimisers.

    The first own steps, `warmup` of `gathering`, are by the learned policy as it is then. told: whether the steps of
    each phase carry the extra "to_go", their return. gathering: options of `sources.mix`.
    """
    offline, online = learners

    def drawn(given, stock):
        return logged(known(given.dataset, stock), samplers.uniform(batch))

    def source(given, stock):
        kind, starter = ring.uniform, None
        if stock:
            starter = offline.explore(stock["hyper"], stock["state"])
        if stock and told[1]:
            kind = returning(stock["hyper"].discount, stock["worst"], env.spec.horizon)
        place, data = env._replace(params=given.params), known(given.dataset, stock)
        return mix(place, data, batch * repeat, parts=repeat, kind=kind, starter=starter, **gathering)

    def frozen(key, hyper, given, earlier):
        state = earlier["offline"]._replace(target=(), opt=())
        return {"hyper": hyper, "state": state, **(bounds(key, hyper, given, earlier) if told[1] else {})}

    def begin(fresh, earlier):
        return earlier["offline"]._replace(step=fresh.step)

    return (
        Phase("offline", offline, drawn, offline_updates, bounds if told[0] else nothing),
        Phase("online", repeated(online, repeat), source, stock=frozen, begin=begin),
    )


def bounds(key, hyper, given, earlier):
    """What is known of returns: those of logged steps, and what follows an episode that is cut."""
    data, discount = given.dataset, hyper.discount
    return {"to_go": lower_bounds.to_go(data, discount), "worst": lower_bounds.worst(data, discount)}


def known(dataset, stock):
    """The dataset with the returns that the stock has, if it has any."""
    return lower_bounds.labelled(dataset, stock["to_go"]) if stock and "to_go" in stock else dataset


CARD = Card("cql_finetune", "plan", cql_finetune, Hyper, cql.PAPER, online=True)
