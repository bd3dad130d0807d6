"""What a recipe of `compose.q_learning` is put together from. H is the record; Z counts atoms, quantiles or members."""

import jax
import jax.numpy as jnp

from jaxrl.losses.value import atoms, categorical_projection, huber, quantile_huber


def as_given(hyper, values):
    """The values themselves."""
    return values


def averaged(hyper, values):
    """Means over Z: [..., Z] -> [...]."""
    return values.mean(-1)


def expected(hyper, logits):
    """Means [...] of distributions over the atoms from `low` to `high`, given by their logits [..., Z]."""
    support = atoms(hyper.low, hyper.high, logits.shape[-1]).reshape((1,) * (logits.ndim - 1) + (-1,))
    return (jax.nn.softmax(logits) * support).sum(-1)


def backed_up(hyper, reward, factor, ahead):
    """reward + factor * ahead; reward, factor: [B], ahead: [B] or [B, Z]."""
    shape = reward.shape + (1,) * (ahead.ndim - 1)
    return reward.reshape(shape) + factor.reshape(shape) * ahead


def backed_up_smallest(hyper, reward, factor, ahead):
    """The same with the smallest of Z members, as a target for each; [B, 1]."""
    return backed_up(hyper, reward, factor, ahead.min(-1, keepdims=True))


def projected(hyper, reward, factor, ahead):
    """Probabilities [B, Z] of reward + factor * return on the atoms, the return's logits being ahead [B, Z] (C51)."""
    support = jnp.broadcast_to(atoms(hyper.low, hyper.high, ahead.shape[-1]), ahead.shape)
    values = backed_up(hyper, reward, factor, support)
    return categorical_projection(values, jax.nn.softmax(ahead), hyper.low, hyper.high)


def clipped_error(hyper, predicted, target):
    """Half squared error, linear beyond `error_clip` (DQN); [B]."""
    return huber(predicted - target, hyper.error_clip)


def squared_errors(hyper, predicted, target):
    """Half squared errors summed over members: [B, Z], [B, 1] -> [B]."""
    return 0.5 * jnp.square(predicted - target).sum(-1)


def cross_entropy(hyper, logits, probability):
    """Cross-entropy of predicted logits [B, Z] to target probabilities [B, Z]; [B] (C51)."""
    return -(probability * jax.nn.log_softmax(logits)).sum(-1)


def quantile_error(hyper, predicted, target):
    """Quantile regression with errors clipped at `error_clip`; [B, Z], [B, Z] -> [B] (QR-DQN)."""
    return quantile_huber(predicted, target, hyper.error_clip)


def size_of_error(hyper, predicted, target):
    """|target - prediction|, of the mean over Z where there is one; [B]."""
    gap = target - predicted
    return jnp.abs(gap if gap.ndim == 1 else gap.mean(-1))


def divergence(hyper, logits, probability):
    """KL divergence of predicted logits from target probabilities; [B] (Rainbow, arXiv:1710.02298, section 3)."""
    return cross_entropy(hyper, logits, probability) + jax.scipy.special.xlogy(probability, probability).sum(-1)


def conservative(hyper, output, action):
    """Log-sum-exp over actions less the value of the logged one, by `conservatism`; [B, A, Z] -> [B] (CQL, eq. 4)."""
    return hyper.conservatism * (jax.nn.logsumexp(output, axis=1) - pick(output, action)).sum(-1)


def pick(output, action):
    """Entries of the chosen actions: [B, A, ...], [B] -> [B, ...]."""
    return output[jnp.arange(len(action)), action]
