"""The spectrum from marginal to per-decision weights: ratios of the last steps, marginal weights before them.

Source: Yuan, Chandak, Giguere, Thomas and Niekum (arXiv:2111.03936).
Departures: none; the weights may be of pairs of state and action from any estimator of them.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.ope.log import LARGEST, Estimate, Log, fitting, ratios
from jaxrl.ope.marginalized import marginal


def spectrum(log: Log, weight: Float[Array, "N T"], discount, steps: int, *, weighted: bool = False) -> Estimate:
    """Rewards weighed by the marginal `weight` of the pair `steps` steps before and the ratios since then.

    steps: 0 is `marginal`, the log's length is per-decision importance sampling. InputError for negative steps, another
    shape, or no behaviour probabilities.
    """
    fitting("sope", log.reward, weight=weight)
    if steps < 0:
        raise InputError(f"sope got steps={steps}; it must be at least 0")
    ratio = ratios(log, "sope")
    length = ratio.shape[1]
    steps = min(steps, length)
    shifted = lambda x, fill: jnp.concatenate([jnp.full_like(x[:, :steps], fill), x[:, : length - steps]], 1)
    never = jnp.isneginf(ratio).astype(jnp.float32)
    sums = [jnp.cumsum(x, 1) for x in (jnp.where(never > 0, 0.0, ratio), never)]
    recent, blocked = (x - shifted(x, 0.0) for x in sums)
    product = jnp.where(blocked > 0.5, 0.0, jnp.exp(jnp.minimum(recent, LARGEST)))
    return marginal(log, shifted(weight, 1.0) * product, discount, weighted=weighted)


CARD = Procedure(
    "sope",
    "estimator",
    (spectrum,),
    Paper(
        "arXiv:2111.03936",
        "SOPE: Spectrum of Off-Policy Estimators",
        "Christina J. Yuan and Yash Chandak and Stephen Giguere and Philip S. Thomas and Scott Niekum",
        2021,
    ),
)
