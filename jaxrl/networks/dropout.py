"""A perceptron whose hidden features are dropped at random while it learns."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl.networks.basic import Network


class Dropped(nn.Module):
    """ReLU layers; each hidden feature is zero with probability `rate` where a key is given, the others scaled up."""

    hidden: Sequence[int]
    outputs: int

    @nn.compact
    def __call__(self, x, key=None, rate=0.0):
        for layer, width in enumerate(self.hidden):
            x = nn.relu(nn.Dense(width)(x))
            if key is not None:
                kept = jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - rate, x.shape)
                x = jnp.where(kept, x / (1 - rate), 0.0)
        return nn.Dense(self.outputs)(x)


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> Network:
    """apply(params, x [..., inputs], key=None, rate=0.0) -> [..., outputs]; nothing is dropped without a key."""
    module = Dropped(tuple(hidden), outputs)
    return Network(
        lambda key: module.init(key, jnp.zeros((1, inputs)))["params"],
        lambda params, x, key=None, rate=0.0: module.apply({"params": params}, x, key, rate),
    )
