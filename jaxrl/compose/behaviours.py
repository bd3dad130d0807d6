"""An ensemble of cloned policies that differ where the data allow it."""

import jax
import jax.numpy as jnp

from jaxrl.compose.learn import Part, learn
from jaxrl.core.types import Learner
from jaxrl.networks.basic import Network, ensemble
from jaxrl.networks.heads import Head
from jaxrl.networks.laws import Law


def behaviours(pi: Head, members: int) -> Learner:
    """`members` policies that clone the logged actions and keep apart (Uni-O4, arXiv:2311.03351, eq. 9).

    Member i loses -log pi_i - diversity * KL(pi_i | the likeliest of the others, which carries no gradient). The part
    is "actor", leaves [n, ...]. Needs `clone_lr diversity` in the record.
    """
    net = ensemble(Network(pi.init, pi.law.numbers), members)

    def loss(params, state, hyper, batch, key):
        numbers = net.apply(params, batch.obs)
        likely = jax.vmap(pi.law.log_prob, (0, None))(numbers, batch.action)
        return (-likely - hyper.diversity * apart(pi.law, numbers, likely)).sum(0), {"log_prob": likely.mean()}

    return Learner(*learn({"actor": Part(net.init, loss, lambda h, n: h.clone_lr)}))


def apart(law: Law, numbers, likely):
    """KL divergence of each member from the other one that thinks the logged action likeliest; [n, B].

    numbers: laws [n, B, A]. likely: log-densities of the logged actions [n, B]. Zero where there is one member.
    """
    members = likely.shape[0]
    if members == 1:
        return jnp.zeros_like(likely)
    own = jnp.eye(members, dtype=bool)[:, :, None]
    best = jnp.where(own, -jnp.inf, likely[None]).argmax(1)  # [n, B]
    rows = jnp.arange(likely.shape[1])[None]
    other = jax.lax.stop_gradient(jax.tree.map(lambda x: x[best, rows], numbers))
    return law.kl(numbers, other)
