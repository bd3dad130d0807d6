"""How unsure an ensemble of Gaussians is: means and log-variances [E, B, D] -> [B].

Compared by Lu et al., "Revisiting Design Choices in Offline Model-Based Reinforcement Learning" (arXiv:2110.04135,
section 3). Their scales differ, so a weight fits one of them only; all depend on the units of what is predicted.
"""

import jax.numpy as jnp


def size(vectors):
    """Euclidean length over the last axis."""
    return jnp.sqrt(jnp.square(vectors).sum(-1))


def max_aleatoric(means, log_variances):
    """Largest length of a member's standard deviations (MOPO, arXiv:2005.13239, section 4.3)."""
    return size(jnp.exp(0.5 * log_variances)).max(0)


def max_difference(means, log_variances):
    """Largest distance between the means of two members (MOReL, arXiv:2005.05951, eq. 2)."""
    return size(means[:, None] - means[None]).max((0, 1))


def max_deviation(means, log_variances):
    """Largest distance of a member's mean from the mean of all (MOPO's code)."""
    return size(means - means.mean(0, keepdims=True)).max(0)


def ensemble_variance(means, log_variances):
    """Variances of the mixture of all members, summed over dimensions: spread of the members and between them."""
    return (jnp.exp(log_variances).mean(0) + means.var(0)).sum(-1)


def ensemble_std(means, log_variances):
    """Square root of `ensemble_variance`, which is the length of the mixture's standard deviations."""
    return jnp.sqrt(ensemble_variance(means, log_variances))


def leave_one_out(means, log_variances):
    """Largest divergence of a member from the Gaussian with the moments of the others' mixture."""
    return divergence(means, log_variances, *others(means, log_variances)).max(0)


def likelihood_variance(means, log_variances):
    """Variance, over members, of the log-likelihood they give to the mean of all.

    Departures: the paper scores a drawn outcome; the mean of all makes the number repeatable.
    """
    squares = jnp.square(means.mean(0, keepdims=True) - means) * jnp.exp(-log_variances)
    return (-0.5 * (squares + log_variances).sum(-1)).var(0)


def others(means, log_variances):
    """Mean and log-variance [E, B, D] of the mixture of all members but one, for each one."""
    count = means.shape[0] - 1
    without = lambda x: (x.sum(0, keepdims=True) - x) / count
    centre = without(means)
    variance = without(jnp.exp(log_variances) + jnp.square(means)) - jnp.square(centre)
    return centre, jnp.log(jnp.maximum(variance, 1e-12))


def divergence(mean, log_variance, other_mean, other_log_variance):
    """Kullback-Leibler divergence of diagonal Gaussians from others; [..., D] -> [...]."""
    gap = other_log_variance - log_variance
    ratio = (jnp.exp(log_variance) + jnp.square(mean - other_mean)) * jnp.exp(-other_log_variance)
    return 0.5 * (gap + ratio - 1).sum(-1)


KINDS = {
    one.__name__: one
    for one in (
        max_aleatoric, max_difference, max_deviation, ensemble_std, ensemble_variance, leave_one_out,
        likelihood_variance,
    )
}  # fmt: skip
"""All of them by name."""
