"""Measures the reference returns of environments alone, in jaxrl/data/references.toml.

    python benchmarks/references/environments.py [--write]

low: mean return of uniform random actions. high: mean return of the scripted expert where the forge has one, else the
number named in `KNOWN`. Without `--write` the pairs are printed only.
"""

import argparse

import jax

from jaxrl import environment, evaluate
from jaxrl.data import reference
from jaxrl.envs import scripted
from jaxrl.forge import policy, recipes

MARK, NEXT = "# environments:", "# measured:"
SCRIPTED = {
    "Pendulum-v1": "pendulum",
    "PointMaze-UMaze-v0": "pointmaze-umaze",
    "PointMaze-Medium-v0": "pointmaze-medium",
    "PointMaze-Large-v0": "pointmaze-large",
}
"""Environment -> family of the forge whose expert is the upper reference."""
KNOWN = {
    "CartPole-v1": (500.0, "the most that an episode can bring"),
    "Acrobot-v1": (-69.1, "QR-DQN of rl-baselines3-zoo, benchmark.md"),
}


def measured(name: str, episodes: int) -> str:
    """One pair as TOML."""
    env, (k_low, k_high) = environment(name), jax.random.split(jax.random.key(0))
    low = evaluate(scripted.random(env.spec), env, k_low, episodes).mean()
    if name in KNOWN:
        high, text = KNOWN[name]
    else:
        expert = recipes()[f"embedded/{SCRIPTED[name]}-expert-v0"].behaviours[0]
        high = evaluate(policy(env.spec, expert.numbers), env, k_high, episodes).mean()
        text = f"scripted expert of recipe {SCRIPTED[name]}, {episodes} episodes"
    origin = f"benchmarks/references/environments.py: low, uniform random actions, {episodes} episodes; high, {text}"
    lines = ("[[environment]]", f'name = "{name}"')
    return "\n".join((*lines, f"low = {low:.4f}", f"high = {high:.4f}", f'origin = "{origin}"')) + "\n"


def main() -> None:
    """Measure, print, and with `--write` replace what stands between the marks in the registry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="replace the pairs of environments in the registry")
    chosen = parser.parse_args()
    pairs = "\n".join(measured(name, chosen.episodes) for name in (*SCRIPTED, *KNOWN))
    print(pairs)
    if chosen.write:
        head, mark, rest = reference.FILE.read_text().partition(MARK)
        line, (_, _, tail) = rest.splitlines()[0], rest.partition(NEXT)
        reference.FILE.write_text(f"{head}{mark}{line}\n\n{pairs}\n{NEXT}{tail}")


if __name__ == "__main__":
    main()
