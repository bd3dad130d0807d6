"""A probabilistic ensemble: Gaussians whose log-variances are held within learned bounds."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl.networks.basic import Network, ensemble, mlp


def held_between(log_variance, low, high):
    """Log-variances softly held between bounds; elementwise (PETS, arXiv:1805.12114, appendix A.1)."""
    below = high - jax.nn.softplus(high - log_variance)
    return low + jax.nn.softplus(below - low)


def gaussians(inputs: int, outputs: int, *, width: int = 200, depth: int = 4, members: int = 7) -> Network:
    """Ensemble of Gaussians: apply(params, x [E, ..., inputs]) -> means and log-variances, [E, ..., outputs] each.

    Each member has its own rows of x. params: "nets" of all members, and the bounds "low" and "high" [outputs] of the
    log-variances, which they share and which start at -10 and 0.5.
    """
    kernel = nn.initializers.variance_scaling(0.25, "fan_in", "truncated_normal")
    member = mlp(inputs, (width,) * depth, 2 * outputs, activation=nn.silu, kernel=kernel)

    def init(key):
        nets = ensemble(member, members).init(key)
        return {"nets": nets, "low": jnp.full((outputs,), -10.0), "high": jnp.full((outputs,), 0.5)}

    def apply(params, x):
        mean, spread = jnp.split(jax.vmap(member.apply)(params["nets"], x), 2, -1)
        low, high = (jnp.broadcast_to(params[name], spread.shape) for name in ("low", "high"))
        return mean, held_between(spread, low, high)

    return Network(init, apply)
