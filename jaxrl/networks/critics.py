"""Value networks: Q ensembles for both kinds of action, tables and distributions over actions, state values."""

import jax
import jax.numpy as jnp

from jaxrl.core.types import Spec
from jaxrl.networks.basic import Network, ensemble, mlp


def q(spec: Spec, *, width: int = 256, depth: int = 2, members: int = 2, **options) -> Network:
    """Q ensemble: apply(params, obs [..., D], action) -> [E, ...]."""
    hidden = (width,) * depth
    if spec.discrete:
        table = q_table(spec, width=width, depth=depth, members=members, **options)

        def chosen(params, obs, action):
            values = table.apply(params, obs)
            return jnp.take_along_axis(values, jnp.broadcast_to(action, values.shape[:-1])[..., None], -1)[..., 0]

        return Network(table.init, chosen)
    net = mlp(spec.obs + spec.action, hidden, 1, **options)

    def value(params, obs, action):
        return net.apply(params, jnp.concatenate([obs, action], -1))[..., 0]

    return ensemble(Network(net.init, value), members)


def q_table(spec: Spec, *, width: int = 256, depth: int = 2, members: int = 2, **options) -> Network:
    """Values of all discrete actions: apply(params, obs [..., D]) -> [E, ..., A]."""
    return ensemble(table(spec, width=width, depth=depth, **options), members)


def member_tables(spec: Spec, *, width: int = 256, depth: int = 2, members: int = 2, **options) -> Network:
    """The same with the ensemble's axis last: apply(params, obs [..., D]) -> [..., A, E]."""
    net = q_table(spec, width=width, depth=depth, members=members, **options)
    return Network(net.init, lambda params, obs: jnp.moveaxis(net.apply(params, obs), 0, -1))


def table(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Network:
    """Values of all discrete actions by one network: apply(params, obs [..., D]) -> [..., A]."""
    return mlp(spec.obs, (width,) * depth, spec.action, **options)


def distributions(spec: Spec, *, width: int = 256, depth: int = 2, count: int = 51, **options) -> Network:
    """`count` numbers for each discrete action: apply(params, obs [..., D]) -> [..., A, Z]."""
    net = mlp(spec.obs, (width,) * depth, spec.action * count, **options)
    apply = lambda params, obs: net.apply(params, obs).reshape(*obs.shape[:-1], spec.action, count)
    return Network(net.init, apply)


def dueling(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Network:
    """A state value plus advantages of mean zero: apply(params, obs [..., D]) -> [..., A] (arXiv:1511.06581, eq. 9).

    The last of `depth` hidden layers is there twice, once for each stream; those before are shared.
    """
    shared = mlp(spec.obs, (width,) * (depth - 2), width, **options) if depth > 1 else None
    inputs = width if shared else spec.obs
    streams = {"value": mlp(inputs, (width,), 1, **options), "advantage": mlp(inputs, (width,), spec.action, **options)}
    nets = {**({"shared": shared} if shared else {}), **streams}

    def init(key):
        return {name: net.init(jax.random.fold_in(key, i)) for i, (name, net) in enumerate(nets.items())}

    def apply(params, obs):
        features = jax.nn.relu(shared.apply(params["shared"], obs)) if shared else obs
        value, advantage = (net.apply(params[name], features) for name, net in streams.items())
        return value + advantage - advantage.mean(-1, keepdims=True)

    return Network(init, apply)


def v(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Network:
    """State value: apply(params, obs [..., D]) -> [...]."""
    net = mlp(spec.obs, (width,) * depth, 1, **options)
    return Network(net.init, lambda params, obs: net.apply(params, obs)[..., 0])
