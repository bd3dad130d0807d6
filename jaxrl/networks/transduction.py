"""Features of a state by its anchor and its difference from the anchor."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from jaxrl.networks.basic import MLP


class Bilinear(nn.Module):
    """[difference, anchor, rest] -> [features, rest], features being sums over `rank` products of a function of the
    difference and one of the anchor; [..., 2 D + R] -> [..., channels + R].

    size: D. hidden: layers of both functions. Source: Netanyahu et al., arXiv:2304.14329, eq. 3, as in COCOA
    (arXiv:2404.04682, section 3.3).
    """

    size: int
    hidden: Sequence[int]
    channels: int
    rank: int = 32

    @nn.compact
    def __call__(self, x):
        difference, anchor, rest = jnp.split(x, (self.size, 2 * self.size), -1)
        shape = self.channels, self.rank
        f, g = (MLP(tuple(self.hidden), self.channels * self.rank, name=name) for name in ("difference", "anchor"))
        both = f(difference).reshape(*x.shape[:-1], *shape) * g(anchor).reshape(*x.shape[:-1], *shape)
        return jnp.concatenate([both.sum(-1), rest], -1)
