"""The records and protocols every other module speaks in.

Axis letters: `B` batch, `T` time, `N` environments, `E` ensemble, `D` observation, `A` action, `S` sweep.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

Tree = Any
"""Any pytree of arrays."""
Record = Any
"""A hyperparameter record (see `core.hyper`)."""
Metrics = Mapping[str, Any]
Extras = Mapping[str, Any]


class Transition(NamedTuple):
    """One environment step, or any batch of them along leading axes.

    obs, next_obs: [..., D] float32; action, next_action: [..., A] float32 in [-1, 1], or [...] int32 class indices;
    reward, terminated, truncated, weight: [...] float32. `next_obs` is the true successor even at an episode's end.
    `terminated` is 1 where nothing follows and is the only flag that stops bootstrapping; `truncated` is 1 where the
    episode was cut; `weight` says how much the step counts in a loss, or in a draw.
    """

    obs: Any
    action: Any
    reward: Any
    next_obs: Any
    next_action: Any
    terminated: Any
    truncated: Any
    weight: Any
    extras: Extras = {}


class Dataset(NamedTuple):
    """Logged steps in episode order, leaves [steps, ...]; `last[i]` is the final step of step i's episode."""

    steps: Transition
    last: Int[Array, "steps"]


class Timestep(NamedTuple):
    """What an environment shows after a reset or a step; obs [D], the rest scalars."""

    obs: Any
    reward: Any
    terminated: Any
    truncated: Any
    extras: Extras = {}


class Spec(NamedTuple):
    """Static facts of an environment.

    obs: length of the observation vector. action: dimensions of a continuous action, or number of discrete ones.
    horizon: steps after which an episode is cut. low, high: bounds of a continuous action in the environment's own
    units, A numbers each; inside the suite actions are always in [-1, 1].
    """

    name: str
    obs: int
    action: int
    horizon: int
    discrete: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class ResetFn(Protocol):
    def __call__(self, key: PRNGKeyArray, params: Tree) -> tuple[Tree, Timestep]: ...


class StepFn(Protocol):
    def __call__(self, key: PRNGKeyArray, params: Tree, state: Tree, action: Array) -> tuple[Tree, Timestep]: ...


class Env(NamedTuple):
    """One unbatched environment in JAX; `params` is traced, so environments vmap too. `step` never resets itself."""

    spec: Spec
    params: Tree
    reset: ResetFn
    step: StepFn


class Machines(Protocol):
    """N environments of one kind, stepped together on the host; they never reset themselves.

    Indices [n] increase. An environment is reset before its first step, and again after its episode ended.
    """

    def reset(self, indices: Any, seeds: Any) -> Any:
        """First observations [n, D], those of Gymnasium's `reset(seed=...)`, from one seed each."""

    def step(self, indices: Any, commands: Any) -> tuple[Any, Any, Any, Any]:
        """Observations [n, D], reward [n] float, terminated [n] bool, truncated [n] bool, the caller's to keep.

        commands: [n, A] in the environment's own units, or [n] int classes. Observations are the true successors.
        """

    def close(self) -> None:
        """Close all environments."""


class HostEnv(NamedTuple):
    """An environment stepped outside JAX. make() -> a `gymnasium.Env` with flat observations, in its own units."""

    spec: Spec
    make: Callable[[], Any]
    observe: Callable[[Any], Any] = lambda obs: obs
    """Applied to every batch of observations [N, D] before a policy sees it."""
    many: Callable[[int], Machines] | None = None
    """many(N) -> N of them that step faster together than one after another; None where nothing better is known."""


class ActFn(Protocol):
    def __call__(self, key: PRNGKeyArray, timestep: Timestep, memory: Tree) -> tuple[Array, Tree]: ...


class Policy(NamedTuple):
    """A decision rule. start() -> memory, () for a reactive one; act maps any leading batch axes at once.

    log_prob: (obs [..., D], action) -> [...], where the policy has a density.
    """

    start: Callable[[], Tree]
    act: ActFn
    log_prob: Callable[[Array, Array], Array] | None = None


class InitFn(Protocol):
    def __call__(self, key: PRNGKeyArray, hyper: Record) -> Tree: ...


class UpdateFn(Protocol):
    def __call__(self, key: PRNGKeyArray, hyper: Record, state: Tree, batch: Transition) -> tuple[Tree, Metrics]: ...


class Algorithm(NamedTuple):
    """A learner of policies: four pure functions. `policy` is for evaluation, `explore` for collecting."""

    init: InitFn
    update: UpdateFn
    policy: Callable[[Record, Tree], Policy]
    explore: Callable[[Record, Tree], Policy]


class Source(NamedTuple):
    """Where batches come from. init(key) -> feed; next(key, feed, policy) -> (feed, batch).

    observe(feed, priority [B]) -> feed, for a source whose draws depend on the errors of its last batch: the learner
    reports them as the metric "priority". cost: environment steps a batch takes; before: those that `init` takes.
    experience: how a source that walks does it, for environments that are not in JAX.
    """

    init: Callable[[PRNGKeyArray], Tree]
    next: Callable[[PRNGKeyArray, Tree, Policy | None], tuple[Tree, Transition]]
    observe: Callable[[Tree, Any], Tree] | None = None
    cost: int = 0
    before: int = 0
    experience: "Experience | None" = None


class Learner(NamedTuple):
    """What is trained and is no policy: a stage of a plan that prepares something for the next.

    `init` and `update` are as an Algorithm's.
    """

    init: InitFn
    update: UpdateFn


class Generator(NamedTuple):
    """A learner of rows or trajectories. sample(key, hyper, state, count) -> a tree of [count, ...]."""

    init: InitFn
    update: UpdateFn
    sample: Callable[[PRNGKeyArray, Record, Tree, int], Tree]


class Dynamics(NamedTuple):
    """A learner of what a step does, for a batch of states at once.

    predict(key, hyper, state, obs [B, D], action [B, A]) -> Transition [B, ...] whose extras hold what penalties read.
    """

    init: InitFn
    update: UpdateFn
    predict: Callable[[PRNGKeyArray, Record, Tree, Array, Array], Transition]


class Given(NamedTuple):
    """What a run is given, shared by all its members: logged data (None where there are none), and the environment's
    traced parameters (() where it is not in JAX)."""

    dataset: Dataset | None
    params: Tree = ()


Earlier = Mapping[str, Tree]
"""States of the phases that a plan has been through, by name."""


def nothing(key, hyper, given: Given, earlier: Earlier):
    """No stock."""
    return ()


def afresh(state, earlier: Earlier):
    """A phase that starts from its own initial state."""
    return state


class Phase(NamedTuple):
    """A stage of a plan: a learner, and where its batches come from.

    learner: an Algorithm, Learner, Generator, Dynamics: anything with `init` and `update`.
    source: (given, stock) -> the Source it learns from; called wherever the program needs it, so it computes nothing.
    updates: how many; 0 for the last phase, which takes those of the run.
    stock: (key, hyper, given, earlier) -> a tree that is computed once when the phase begins and kept for each member:
    generated rows, frozen parameters.
    begin: (fresh state, earlier) -> the state to start from.
    """

    name: str
    learner: Any
    source: Callable[[Given, Tree], "Source"]
    updates: int = 0
    stock: Callable[[PRNGKeyArray, Record, Given, Earlier], Tree] = nothing
    begin: Callable[[Tree, Earlier], Tree] = afresh


class Teacher(NamedTuple):
    """Chooses what to practise. propose(key, state, count) -> tasks [count, D] in the unit box;
    observe(key, state, tasks [count, D], returns [count] in [0, 1]) -> state, in the order in which they ended."""

    init: Callable[[PRNGKeyArray], Tree]
    propose: Callable[[PRNGKeyArray, Tree, int], Array]
    observe: Callable[[PRNGKeyArray, Tree, Array, Array], Tree]


class Search(NamedTuple):
    """Looks for the lowest value of a function on the unit box. ask(key, state) -> points [P, D];
    tell(state, points, values [P]) -> state, which has the fields `best` [D] and `value`."""

    init: Callable[[PRNGKeyArray], Any]
    ask: Callable[[PRNGKeyArray, Any], Array]
    tell: Callable[[Any, Array, Array], Any]


class Buffer(NamedTuple):
    """Where steps wait to be learned from. init(row of one step) -> store; add(store, steps [N, ...]) -> store;
    draw(key, store) -> (store, batch); observe(store, priority [B]) -> store, where draws depend on errors."""

    init: Callable[[Transition], Tree]
    add: Callable[[Tree, Transition], Tree]
    draw: Callable[[PRNGKeyArray, Tree], tuple[Tree, Transition]]
    observe: Callable[[Tree, Any], Tree] | None = None


class Experience(NamedTuple):
    """How an online learner gathers: `per` steps in each of `envs` environments into the buffer, then a draw from it.

    first: steps in each environment by random actions before the first batch. densities: whether steps carry the
    logarithm of their action's probability density as the extra "log_prob".
    """

    buffer: Buffer
    envs: int
    per: int
    first: int
    densities: bool = False


class Reference(NamedTuple):
    """A pair of returns that fixes a normalized score: 100 (return - low) / (high - low).

    convention: "d4rl", "expert" or "metadata"; origin says in words where both numbers come from.
    """

    low: float
    high: float
    convention: str
    origin: str

    def score(self, returns):
        """Normalized score of undiscounted returns, any shape; 0 at `low`, 100 at `high`."""
        return 100.0 * (returns - self.low) / (self.high - self.low)


class Scaler(NamedTuple):
    """Shift and scale of observations, [D] each."""

    mean: Any
    std: Any

    def __call__(self, obs):
        """(obs - mean) / std, on the last axis."""
        axes = (1,) * (obs.ndim - 1) + (-1,)
        return (obs - self.mean.reshape(axes)) / self.std.reshape(axes)


class Task(NamedTuple):
    """What is to be solved, and the data there is for it.

    references: the pairs that turn returns into scores, the ranking one first; empty where none is known.
    scaler: how observations were scaled, in both env and dataset; None where they are raw.
    version: hash of the dataset's arrays.
    """

    name: str
    env: Env | HostEnv
    dataset: Dataset | None = None
    references: tuple[Reference, ...] = ()
    scaler: Scaler | None = None
    version: str = ""


def reactive(act: Callable[[PRNGKeyArray, Array], Array], log_prob=None) -> Policy:
    """Policy without memory, from act(key, obs [..., D]) -> action."""
    return Policy(lambda: (), lambda key, timestep, memory: (act(key, timestep.obs), memory), log_prob)


def blank_batch(spec: Spec, size: int) -> Transition:
    """A batch of zeros with the shapes and types that `spec` implies: for shape inference and tests."""
    action = jnp.zeros((size,), jnp.int32) if spec.discrete else jnp.zeros((size, spec.action))
    obs, flag = jnp.zeros((size, spec.obs)), jnp.zeros((size,))
    return Transition(obs, action, flag, obs, action, flag, flag, jnp.ones((size,)))


def first_steps(obs: Float[Array, "..."]) -> Timestep:
    """Timesteps as after a reset, for observations [..., D]."""
    zero = jax.numpy.zeros(obs.shape[:-1])
    return Timestep(obs, zero, zero, zero)
