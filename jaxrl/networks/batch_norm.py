"""Perceptrons with batch renormalisation in front of every layer (arXiv:1702.03275), as in CrossQ.

Parameters are {"weights", "averages"}. A normalisation is an affine map of a layer's inputs, so together with the layer
it is a plain layer: what other modules see is always the weights of a plain perceptron.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.networks.basic import Network, mlp

EPSILON = 1e-3
"""Added to variances."""


class Normalised(NamedTuple):
    """A perceptron with normalised inputs of every layer.

    init: key -> params. plain: the perceptron without normalisation, for parameters that `settled` or `fresh` made.
    settled: params -> plain parameters by the running averages. fresh: (params, x [B, D], corrected) -> (plain
    parameters by this batch's statistics, drift). The drift is half the squared distance of the running averages to
    the statistics: a step of size 1 - momentum down its slope is the moving average. corrected: 1 where statistics are
    corrected towards the averages, 0 before (warm-up).
    """

    init: Any
    plain: Network
    settled: Any
    fresh: Any


def normalised(inputs: int, hidden: Sequence[int], outputs: int) -> Normalised:
    """[B, inputs] -> [B, outputs], relu between layers, normalised before each."""
    plain = mlp(inputs, hidden, outputs)
    widths = [inputs, *hidden]
    names = [f"Dense_{i}" for i in range(len(widths))]

    def init(key):
        scales = {n: {"scale": jnp.ones(w), "shift": jnp.zeros(w)} for n, w in zip(names, widths, strict=True)}
        averages = {n: {"mean": jnp.zeros(w), "variance": jnp.ones(w)} for n, w in zip(names, widths, strict=True)}
        return {"weights": {"layers": plain.init(key), "norms": scales}, "averages": averages}

    def settled(params):
        weights = params["weights"]
        maps = {n: affine(average["mean"], average["variance"]) for n, average in params["averages"].items()}
        return {n: folded(weights["layers"][n], weights["norms"][n], *maps[n]) for n in names}

    def fresh(params, x, corrected):
        weights, averages, made, drift = params["weights"], params["averages"], {}, jnp.zeros(())
        for name in names:
            mean, variance = x.mean(0), x.var(0)
            limits = correction(mean, variance, averages[name], corrected)
            slope, offset = affine(mean, variance, *limits)
            made[name] = folded(weights["layers"][name], weights["norms"][name], slope, offset)
            x = jax.nn.relu(x @ made[name]["kernel"] + made[name]["bias"][None])
            drift += distance(averages[name], mean, variance)
        return made, drift

    return Normalised(init, plain, settled, fresh)


def affine(mean, variance, stretch=1.0, shift=0.0):
    """(slope, offset) of x -> stretch (x - mean) / std + shift."""
    slope = stretch / jnp.sqrt(variance + EPSILON)
    return slope, shift - mean * slope


def folded(layer, norm, slope, offset):
    """The plain layer that does what the normalisation and the layer do one after the other."""
    slope, offset = norm["scale"] * slope, norm["scale"] * offset + norm["shift"]
    return {"kernel": slope[:, None] * layer["kernel"], "bias": layer["bias"] + offset @ layer["kernel"]}


def correction(mean, variance, average, corrected):
    """(stretch, shift) that turn this batch's normalisation towards the averages', within 3 and 5; no gradient."""
    std, usual = jnp.sqrt(variance + EPSILON), jnp.sqrt(average["variance"] + EPSILON)
    stretch = jnp.clip(std / usual, 1 / 3, 3.0)
    shift = jnp.clip((mean - average["mean"]) / usual, -5.0, 5.0)
    on = jnp.asarray(corrected, jnp.float32)
    return jax.lax.stop_gradient((1 + on * (stretch - 1), on * shift))


def distance(average, mean, variance):
    """Half the summed squared distance of the averages to a batch's statistics, which carry no gradient."""
    seen = jax.lax.stop_gradient({"mean": mean, "variance": variance})
    gaps = jax.tree.map(lambda a, b: jnp.square(a - b).sum(), average, seen)
    return 0.5 * sum(jax.tree.leaves(gaps))
