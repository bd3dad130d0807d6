"""Imagined steps per second: rollouts of a policy in a model against a straight-line yardstick, in one process.

    python -m benchmarks.speed.rollouts [--starts 5000] [--horizon 5] [--repeats 10]

The yardstick is benchmarks/yardsticks/rollouts.py: MOPO's model of seven members (four layers of 200) and SAC's actor
(two of 256) with Hopper's observations. Both sides are compiled whole, roll out from the same parameters, starts and
key, and take turns; the best of the repeats counts. `difference` is the largest one of any step's numbers.
"""

import argparse

import jax
import jax.numpy as jnp

from benchmarks.speed.updates import best_seconds
from benchmarks.yardsticks import rollouts as yardstick
from jaxrl.algorithms.model_based import mopo
from jaxrl.compose import dynamics, penalties
from jaxrl.core.types import Scaler, Spec
from jaxrl.envs import endings
from jaxrl.sources import imagined

SPEC = Spec("made up", 11, 3, 1000, False, (-1.0,) * 3, (1.0,) * 3)


def layers(params):
    """Kernels and biases of our network, in order."""
    return [(params[f"Dense_{i}"]["kernel"], params[f"Dense_{i}"]["bias"]) for i in range(len(params))]


def race(starts: int, horizon: int):
    """{side: call} that gives the steps of a round, (obs, action, reward, next_obs, terminated, alive) each."""
    keys = jax.random.split(jax.random.key(0), 6)
    hyper = mopo.Hyper(penalty_weight=yardstick.PENALTY)
    agent = mopo.soft(mopo.RECIPE, SPEC)
    model = dynamics.ensemble(SPEC, endings.hopper, elites=yardstick.ELITES)
    actor, learned = jax.jit(agent.init)(keys[0], hyper), jax.jit(model.init)(keys[1], hyper)
    size = SPEC.obs + SPEC.action
    scaler = Scaler(0.1 * jax.random.normal(keys[2], (size,)), jnp.full(size, 0.8))
    # Small spreads and upright starts, so that most rollouts go on, as those of a trained model do.
    params = learned.learned.params["model"]
    params["high"] = jnp.full_like(params["high"], -6.0)
    learned = learned._replace(scaler=scaler, errors=jax.random.uniform(keys[3], learned.errors.shape))
    obs = (0.05 * jax.random.normal(keys[4], (starts, SPEC.obs))).at[:, 0].add(1.25)
    change = mopo.penalised(penalties.max_aleatoric)

    def ours(key, actor, learned, obs):
        imagine = lambda key, obs, action: change(hyper, model.predict(key, hyper, learned, obs, action))
        step = imagined.rollout(key, imagine, agent.explore(hyper, actor), obs, horizon)
        return step.obs, step.action, step.reward, step.next_obs, step.terminated, step.weight

    plain = layers(learned.best), params["low"], params["high"], learned.errors, scaler.mean, scaler.std
    theirs = lambda key, actor, plain, obs: yardstick.rollout(key, actor, plain, obs, horizon)
    sides = {
        "ours": (ours, (keys[5], actor, learned, obs)),
        "yardstick": (theirs, (keys[5], layers(actor.params["actor"]), plain, obs)),
    }
    compiled = {name: (jax.jit(call).lower(*given).compile(), given) for name, (call, given) in sides.items()}
    return {
        name: (lambda call=call, given=given: jax.block_until_ready(call(*given)))
        for name, (call, given) in compiled.items()
    }


def main() -> None:
    """Read the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=5_000)
    parser.add_argument("--horizon", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    calls = race(arguments.starts, arguments.horizon)
    pair = calls["ours"](), calls["yardstick"]()
    difference = max(float(jnp.abs(a - b).max()) for a, b in zip(*pair, strict=True))
    seconds = best_seconds(calls, arguments.repeats)
    rate = {name: arguments.starts * arguments.horizon / spent for name, spent in seconds.items()}
    size = f"{arguments.starts:,} starts, {arguments.horizon} steps"
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}; {size}")
    print(f"alive at the last step: {float(pair[0][-1][-1].mean()):.0%}; largest difference {difference:.1e}")
    ours, theirs = rate["ours"], rate["yardstick"]
    print(f"imagined steps/s: {ours:.0f} against {theirs:.0f}, {ours / theirs:.2f} x")


if __name__ == "__main__":
    main()
