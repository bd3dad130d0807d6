"""Losses of models of what a step does."""

import jax.numpy as jnp


def gaussian_cost(mean, log_variance, target):
    """Squared error in units of the variance plus the log-variance, averaged over dimensions; [..., D] -> [...].

    Twice the negative log-likelihood, up to a constant (PETS, arXiv:1805.12114, eq. 1).
    """
    return (jnp.square(mean - target) * jnp.exp(-log_variance) + log_variance).mean(-1)


def layer_rates(layers: int) -> list[float]:
    """Weight decay by layer, first to last: rising to 7.5e-5 in hidden ones, 1e-4 in the last (MOPO's code)."""
    return [2.5e-5 * min(i + 1, 3) for i in range(layers - 1)] + [1e-4]


def layer_decay(nets):
    """Half the squared kernels of all perceptrons of an ensemble, weighted by `layer_rates`; a sum, scalar."""
    layers = sorted(nets, key=lambda name: int(name.rpartition("_")[2]))
    squares = [jnp.square(nets[name]["kernel"]).sum() for name in layers]
    return 0.5 * sum(rate * x for rate, x in zip(layer_rates(len(layers)), squares, strict=True))
