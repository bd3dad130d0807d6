"""Value networks: Q ensembles for both kinds of action, and state values."""

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
    return ensemble(mlp(spec.obs, (width,) * depth, spec.action, **options), members)


def v(spec: Spec, *, width: int = 256, depth: int = 2, **options) -> Network:
    """State value: apply(params, obs [..., D]) -> [...]."""
    net = mlp(spec.obs, (width,) * depth, 1, **options)
    return Network(net.init, lambda params, obs: net.apply(params, obs)[..., 0])
