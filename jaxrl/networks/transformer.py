"""Small causal transformers over tokens, and over the steps of an episode."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl.core.types import Spec
from jaxrl.networks.basic import Network


def softmax_weights(scores, seen):
    """Softmax over the tokens that may be seen; scores [..., T, T], seen of a shape that broadcasts to it."""
    return jax.nn.softmax(jnp.where(seen, scores, -1e9))


def rectified_weights(scores, seen):
    """Positive part of the scores over the number of tokens that may be seen (arXiv:2310.08566, definition 1)."""
    count = jnp.maximum(seen.sum(-1, keepdims=True), 1)
    return jnp.where(seen, nn.relu(scores), 0.0) / count


class Attention(nn.Module):
    """Self-attention with `heads` heads; x [..., T, W], seen [..., T, T] or less by broadcasting -> [..., T, W]."""

    heads: int
    weights: Callable = softmax_weights

    @nn.compact
    def __call__(self, x, seen):
        width = x.shape[-1]
        parts = nn.Dense(3 * width)(x).reshape(*x.shape[:-1], 3, self.heads, width // self.heads)
        query, key, value = (parts[..., i, :, :] for i in range(3))
        scores = jnp.einsum("...qhd,...khd->...hqk", query, key) / jnp.sqrt(width / self.heads)
        mixed = jnp.einsum("...hqk,...khd->...qhd", self.weights(scores, seen[..., None, :, :]), value)
        return nn.Dense(width)(mixed.reshape(x.shape))


class Trunk(nn.Module):
    """Blocks of attention and a two-layer perceptron, each behind a layer norm and beside a shortcut (GPT-2).

    x: [..., T, W]; seen: [..., T], the tokens that are there; a token sees those before it and itself. drop: maps
    activations to activations of the same shape, with some set to zero in training.
    """

    blocks: int
    heads: int
    weights: Callable = softmax_weights

    @nn.compact
    def __call__(self, x, seen, drop):
        count = x.shape[-2]
        visible = jnp.tril(jnp.broadcast_to(seen[..., None, :], (*seen.shape, count)))
        # A token that is not there sees itself, or its softmax would spread over all tokens, later ones too.
        visible |= jnp.broadcast_to(jnp.eye(count, dtype=bool), visible.shape)
        for _ in range(self.blocks):
            x = x + drop(Attention(self.heads, self.weights)(nn.LayerNorm()(x), visible))
            wide = nn.gelu(nn.Dense(4 * x.shape[-1])(nn.LayerNorm()(x)))
            x = x + drop(nn.Dense(x.shape[-1])(wide))
        return nn.LayerNorm()(x)


class Dropper:
    """Dropout at a traced rate: each number is zero with probability `rate`, the others are scaled up.

    key: None for none. Every call draws anew.
    """

    def __init__(self, rate, key):
        self.rate, self.key, self.calls = rate, key, 0

    def __call__(self, x):
        if self.key is None:
            return x
        self.calls += 1
        kept = jax.random.uniform(jax.random.fold_in(self.key, self.calls), x.shape) >= self.rate
        return jnp.where(kept, x / (1 - self.rate), 0.0)


class Steps(nn.Module):
    """Three tokens a step (a number, the observation, the action), an output at each observation.

    number, time, valid: [..., K]; obs: [..., K, D]; action: [..., K, A], classes one-hot -> [..., K, outputs]. Tokens
    of a step share a learned embedding of its time, which is cut to `times`.
    """

    width: int
    blocks: int
    heads: int
    times: int
    outputs: int

    @nn.compact
    def __call__(self, number, obs, action, time, valid, drop):
        clock = nn.Embed(self.times, self.width)(jnp.clip(time, 0, self.times - 1))
        tokens = [nn.Dense(self.width)(part) + clock for part in (number[..., None], obs, action)]
        x = jnp.stack(tokens, -2).reshape(*time.shape[:-1], -1, self.width)
        seen = jnp.repeat(valid > 0, 3, axis=-1)
        x = Trunk(self.blocks, self.heads)(drop(nn.LayerNorm()(x)), seen, drop)
        return nn.Dense(self.outputs)(x[..., 1::3, :])


class Context(nn.Module):
    """One token a step, and an output at each; no token knows its place.

    tokens: [..., T, F]; seen: [..., T], the tokens that are there -> [..., T, outputs].
    """

    width: int
    blocks: int
    heads: int
    outputs: int
    weights: Callable = softmax_weights

    @nn.compact
    def __call__(self, tokens, seen, drop):
        x = nn.Dense(self.width)(tokens)
        x = Trunk(self.blocks, self.heads, self.weights)(x, seen, drop)
        return nn.Dense(self.outputs)(x)


def steps(spec: Spec, *, width: int = 128, blocks: int = 3, heads: int = 1) -> Network:
    """Actions, or logits of classes, from what led to them: apply(params, number [..., K], obs [..., K, D], action,
    time [..., K], valid [..., K], rate=0, key=None) -> [..., K, A], where output k has seen no action from k on.

    rate, key: of dropout, in training. Source: Decision Transformer (arXiv:2106.01345, section 3).
    """
    module = Steps(width, blocks, heads, spec.horizon, spec.action)

    def apply(params, number, obs, action, time, valid, rate=0.0, key=None):
        vector = jax.nn.one_hot(action, spec.action) if spec.discrete else action
        return module.apply({"params": params}, number, obs, vector, time, valid, Dropper(rate, key))

    def init(key):
        blank, count = jnp.zeros((1, 1)), jnp.zeros((1, 1), jnp.int32)
        shapes = jnp.zeros((1, 1, spec.obs)), jnp.zeros((1, 1, spec.action))
        return module.init(key, blank, *shapes, count, count, Dropper(0.0, None))["params"]

    return Network(init, apply)


def context(inputs: int, outputs: int, *, width: int = 32, blocks: int = 4, heads: int = 1, **options) -> Network:
    """Outputs at every prefix of a context: apply(params, tokens [..., T, inputs], seen=all [..., T]) -> [..., T,
    outputs]."""
    module = Context(width, blocks, heads, outputs, **options)
    drop = Dropper(0.0, None)

    def apply(params, tokens, seen=None):
        seen = jnp.ones(tokens.shape[:-1], bool) if seen is None else seen
        return module.apply({"params": params}, tokens, seen, drop)

    def init(key):
        return module.init(key, jnp.zeros((1, 1, inputs)), jnp.ones((1, 1), bool), drop)["params"]

    return Network(init, apply)
