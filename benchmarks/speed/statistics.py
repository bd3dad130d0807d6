"""Bootstrap intervals against the `rliable` package, 50,000 resamples on both sides; in one process.

    python -m benchmarks.speed.statistics [--runs 10] [--tasks 26] [--resamples 50000] [--repeats 3]

Both sides warm. rliable's time grows in proportion to its resamples (it is a loop over them); the probability of
improvement would take it half an hour, so that row is timed over `--improvement` resamples and scaled, and says so.
Without rliable (`pip install rliable 'pandas<3'`) ours is timed alone.
"""

import argparse
import time

import jax
import numpy as np

from jaxrl.evaluation import aggregate, bootstrap


def theirs():
    """{name: function of rliable} for the three statistics, and its interval; None where it is not installed."""
    try:
        from rliable import library, metrics
    except ImportError:
        return None

    def interval(name: str, scores, resamples: int):
        functions = {
            "interquartile mean": metrics.aggregate_iqm,
            "mean": metrics.aggregate_mean,
            "improvement": metrics.probability_of_improvement,
        }
        given = list(scores) if isinstance(scores, tuple) else scores
        found = library.get_interval_estimates(
            {"scores": given}, lambda *one: np.array([functions[name](*one)]), reps=resamples
        )
        return found[1]["scores"][:, 0]

    return interval


def best(call, repeats: int):
    """(least seconds, last result)."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begun)
    return min(seconds), result


def main() -> None:
    """Print seconds of both sides, their ratio, and the ends of the intervals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("runs", 10), ("tasks", 26), ("resamples", 50_000), ("improvement", 200), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    generator = np.random.default_rng(0)
    first = generator.normal(1.0, 0.3, (args.runs, args.tasks))
    second = generator.normal(0.95, 0.3, (args.runs, args.tasks))
    rliable = theirs()
    print(f"[{args.runs}, {args.tasks}] scores, {args.resamples} resamples, {jax.default_backend()}, jax {jax.__version__}")
    print("                     rliable s     ours s     ratio   rliable's ends      our ends")
    for name, scores, statistic in (
        ("interquartile mean", first, aggregate.interquartile_mean),
        ("mean", first, aggregate.mean),
        ("improvement", (first, second), aggregate.improvement),
    ):
        resamples = min(args.resamples, args.improvement if name == "improvement" else args.resamples)

        def ours(scores=scores, statistic=statistic):
            return bootstrap.interval(jax.random.key(0), scores, statistic, resamples=args.resamples)

        ours()
        if rliable:
            rliable(name, scores, 20)
            spent, ends = best(lambda n=name, s=scores, r=resamples: rliable(n, s, r), 1)
            spent, scaled = spent * args.resamples / resamples, " (scaled)" if resamples < args.resamples else ""
        own, own_ends = best(ours, args.repeats)
        if rliable:
            again, _ = best(lambda n=name, s=scores, r=resamples: rliable(n, s, r), 1)
            spent = min(spent, again * args.resamples / resamples)
            said = f"{ends[0]:.4f} to {ends[1]:.4f}"
            print(f"{name:20s} {spent:9.2f} {own:10.3f} {spent / own:7.0f} x   {said}", end="")
        else:
            scaled = ""
            print(f"{name:20s} {'none':>9s} {own:10.3f} {'':9s}   {'':16s}", end="")
        print(f"   {own_ends.low:.4f} to {own_ends.high:.4f}{scaled}", flush=True)


if __name__ == "__main__":
    main()
