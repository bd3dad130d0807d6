"""Importance sampling for deterministic policies of continuous actions: a kernel around what they would do.

Source: Kallus and Zhou (arXiv:1802.06037), for bandits; here for every estimator that reads a Log.
Departures: a Gaussian kernel, without a correction at the ends of the action's range.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError


def kernel(action: Float[Array, "N T A"], chosen: Float[Array, "N T A"], bandwidth) -> Float[Array, "N T"]:
    """Gaussian density of logged actions around those the policy would choose: the `evaluation` of a Log.

    bandwidth: standard deviation, in units of the action: wide is biased, narrow varies. The log's `behaviour` must be
    a density in the same units. InputError for shapes that differ, or a bandwidth that is not positive.
    """
    if jnp.shape(action) != jnp.shape(chosen):
        raise InputError(
            f"actions have shape {jnp.shape(action)} but the policy's {jnp.shape(chosen)}; make them agree"
        )
    if isinstance(bandwidth, float | int) and not bandwidth > 0:
        raise InputError(f"bandwidth is {bandwidth}; it must be above 0, in units of the action")
    size = action.shape[-1]
    distance = jnp.square((action - chosen) / bandwidth).sum(-1)
    return jnp.exp(-0.5 * distance) / (bandwidth * (2 * jnp.pi) ** 0.5) ** size


CARD = Procedure(
    "kernel_is",
    "estimator",
    (kernel,),
    Paper(
        "arXiv:1802.06037",
        "Policy Evaluation and Optimization with Continuous Treatments",
        "Nathan Kallus and Angela Zhou",
        2018,
    ),
)
