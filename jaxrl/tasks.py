"""Tasks by name: a Minari dataset with its environment and reference returns, or an environment alone."""

import functools

from jaxrl.core.check import InputError, known
from jaxrl.core.types import Dataset, Env, HostEnv, Task
from jaxrl.data import load as minari
from jaxrl.data import reference, variants
from jaxrl.data.dataset import fingerprint, from_arrays
from jaxrl.data.local import find, twin


def load(dataset_id: str, *, download: bool = True) -> Task:
    """Task of a Minari dataset: environment, device-resident Dataset, reference returns; or of an environment alone.

    `ID+NAME:LEVEL` is the dataset after a change of `data.variants`; several follow one another.
    Looks in `MINARI_DATASETS_PATH` (or Minari's default), among the embedded sets, which are built on first use, and
    under `JAXRL_EXTERNAL_DATA`; then downloads through Minari. Raises InputError with the remedy where nothing helps.
    """
    plain, *changes = dataset_id.split("+")
    task = environment_alone(plain) or dataset_task(plain, download)
    for change in changes:
        if task.dataset is None:
            raise InputError(f"{plain} is an environment without data; name a dataset in front of {change!r}")
        dataset = variants.changed(task.dataset, change, lambda: random_twin(plain, download))
        task = task._replace(name=f"{task.name}+{change}", dataset=dataset, version=fingerprint(dataset))
    return task


def random_twin(dataset_id: str, download: bool) -> Dataset:
    """Data of random behaviour in a dataset's environment, by the ids' custom; InputError where the id names none."""
    other = twin(dataset_id, "random")
    if other == dataset_id:
        raise InputError(f"dataset {dataset_id!r} names no behaviour such as expert, so its random twin is not known")
    found = dataset_task(other, download).dataset
    assert found is not None
    return found


def dataset_task(dataset_id: str, download: bool) -> Task:
    """The task of a dataset as it is stored."""
    from jaxrl import forge

    if dataset_id.startswith("embedded/") and find(dataset_id) is None:
        known("embedded dataset", dataset_id, forge.recipes())
    forge.ensure(dataset_id)
    if dataset_id.startswith("trained/") and find(dataset_id) is None:
        raise InputError(
            f"dataset {dataset_id!r} is not here; train and record it with `jaxrl data build {dataset_id}`"
        )
    logged = minari.read(dataset_id, download=download)
    arrays, _ = minari.scaled(logged)
    env = environment_of(logged, dataset_id)
    if env.spec.discrete != logged.discrete:
        kinds = ("continuous", "discrete")
        raise InputError(
            f"dataset {dataset_id} has {kinds[logged.discrete]} actions, but its environment {env.spec.name} has "
            f"{kinds[env.spec.discrete]} ones; import it with the right --env"
        )
    if (env.spec.obs, env.spec.action) != (arrays.obs.shape[1], logged.actions):
        raise InputError(
            f"dataset {dataset_id} has {arrays.obs.shape[1]} observation and {logged.actions} action numbers, but its "
            f"environment {env.spec.name} has {env.spec.obs} and {env.spec.action}; import it with the right --env"
        )
    dataset = from_arrays(arrays)
    # reference returns of the metadata are of the stored environment, not of a corrected one
    stored = evaluated_in(logged, dataset_id) is (logged.eval_env_spec or logged.env_spec)
    references = reference.references(dataset_id, logged.metadata if stored else {}, env.spec.name)
    return Task(dataset_id, env, dataset, tuple(references), None, fingerprint(dataset))


def environment_alone(name: str) -> Task | None:
    """Task without data of an environment in JAX, or of one that Gymnasium knows; None for any other name.

    MuJoCo's run in JAX where there is an accelerator, else on the host, where C MuJoCo is faster. A dataset found on
    this machine comes before an environment of Gymnasium with the same name.
    """
    from jaxrl.envs import suites
    from jaxrl.envs.adapters import gymnasium, prefixed

    if not (prefixed.is_prefixed(name) or name in suites.names() or (not find(name) and gymnasium.registered(name))):
        return None
    env = environment(name)
    return Task(name, env, references=reference.of_environment(env.spec.name))


@functools.cache
def environment(name: str) -> Env | HostEnv:
    """The environment of that name where it runs fastest on this machine; the same object at every call.

    In JAX where we have it there, but MuJoCo's only where there is an accelerator; else Gymnasium's on the host. Raises
    InputError for an unknown name. `jaxrl.environment` gives the one in JAX whatever the machine.
    """
    from jaxrl.envs import suites
    from jaxrl.envs.adapters import gymnasium, prefixed

    if prefixed.is_prefixed(name) or (name in suites.names() and name not in suites.MUJOCO):
        return known_environment(name)
    spec = gymnasium.find(name)
    twin = gymnasium.jax_name(spec)
    return known_environment(twin) if twin else gymnasium.host(spec)


def environment_of(logged, dataset_id: str) -> Env | HostEnv:
    """The JAX environment where there is the same one, else the Gymnasium environment that the dataset names.

    Some of D4RL's families are evaluated in a corrected one; see `envs.adapters.robotics.evaluation_spec`.
    """
    from jaxrl.envs.adapters import gymnasium

    spec = evaluated_in(logged, dataset_id)
    if spec is None:
        raise InputError(
            f"dataset {dataset_id} names no environment, so nothing can be evaluated on it; "
            "import it again with `jaxrl data import FILE.npz --env ID --dataset-id ID`"
        )
    name = gymnasium.jax_name(spec)
    return known_environment(name) if name else gymnasium.host(spec)


def evaluated_in(logged, dataset_id: str):
    """Gymnasium's `EnvSpec` of the environment in which policies are evaluated, or None."""
    from jaxrl.envs.adapters import robotics

    return robotics.evaluation_spec(dataset_id, logged.env_spec, logged.eval_env_spec)


@functools.cache
def known_environment(name: str) -> Env:
    """The environment in JAX of that name: the same functions at every call, so that programs are reused."""
    from jaxrl.envs import suites

    return suites.environment(name)


def import_file(path: str, environment_id: str, dataset_id: str) -> str:
    """Turn a user's `.npz` into a Minari dataset of that id in Minari's own path; returns the folder as text."""
    from jaxrl.data.npz import import_npz
    from jaxrl.envs.adapters import gymnasium

    spec = gymnasium.find(environment_id)
    return str(import_npz(path, environment_spec=gymnasium.host(spec).spec, env_spec=spec, dataset_id=dataset_id))
