"""Bootstrap intervals against the `rliable` package, 50,000 resamples on both sides; in one process.

    python -m benchmarks.speed.statistics [--runs 10] [--tasks 26] [--resamples 50000] [--repeats 3]

Both sides warm and taking turns, the least of the repeats. rliable is a loop over its resamples; as the probability of
improvement would take it a quarter of an hour, that row times `--improvement` of them, scales, and says so.
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


def timed(call):
    """(seconds, result)."""
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


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
    print(f"[{args.runs}, {args.tasks}] scores, {args.resamples} resamples, {jax.default_backend()}")
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
        spent, own = [], []
        for _ in range(args.repeats):
            if rliable:
                seconds, ends = timed(lambda n=name, s=scores, r=resamples: rliable(n, s, r))
                spent.append(seconds * args.resamples / resamples)
            seconds, own_ends = timed(ours)
            own.append(seconds)
        scaled = " (scaled)" if rliable and resamples < args.resamples else ""
        if rliable:
            said = f"{ends[0]:.4f} to {ends[1]:.4f}"
            print(f"{name:20s} {min(spent):9.2f} {min(own):10.3f} {min(spent) / min(own):7.0f} x   {said}", end="")
        else:
            print(f"{name:20s} {'none':>9s} {min(own):10.3f} {'':9s}   {'':16s}", end="")
        print(f"   {own_ends.low:.4f} to {own_ends.high:.4f}{scaled}", flush=True)


if __name__ == "__main__":
    main()
