"""Values of the `rliable` package that the tests of `evaluation.aggregate` and `evaluation.bootstrap` are held against.

    python -m benchmarks.references.rliable_values SCORES > tests/evaluation/rliable.json

SCORES: folder with `td3_learning_curves.npz` (github.com/sfujim/TD3, MIT) and `simba_results.csv.gz`
(github.com/SonyResearch/simba, Apache-2.0). The scores used are written as well, so that the tests need no other file.
Made with rliable 1.2.0, arch 7.2.0 and pandas 2.3.3 (arch's import fails with pandas 3).
"""

import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
from rliable import library, metrics

RESAMPLES = 20_000
STATISTICS = {
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "interquartile_mean": metrics.aggregate_iqm,
}


def td3(folder: Path) -> np.ndarray:
    """Last evaluation of every run: [10, 7]."""
    curves = np.load(folder / "td3_learning_curves.npz")
    return np.stack([curves[task][:, -1] for task in sorted(curves)], axis=1)


def simba(folder: Path, name: str) -> np.ndarray:
    """Last average return of the first ten seeds, tasks by name: [10, 51]."""
    last: dict[str, dict[int, tuple[float, float]]] = {}
    with gzip.open(folder / "simba_results.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["exp_name"] == name and row["metric"] == "avg_return":
                runs = last.setdefault(row["env_name"], {})
                here = float(row["env_step"]), float(row["value"])
                runs[int(row["seed"])] = max(runs.get(int(row["seed"]), here), here)
    return np.stack([[last[task][seed][1] for seed in sorted(last[task])[:10]] for task in sorted(last)], axis=1)


def synthetic() -> np.ndarray:
    """Whole numbers with ties: [4, 3]."""
    return np.random.default_rng(0).integers(0, 4, (4, 3)).astype(float)


def ends(scores, function, **settings) -> list[float]:
    """Ends of rliable's 95 % interval."""
    found = library.get_interval_estimates({"": scores}, function, reps=RESAMPLES, **settings)
    return found[1][""][:, 0].tolist()


def one(scores: np.ndarray) -> dict:
    """All values of one matrix."""
    thresholds = np.quantile(scores, [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
    threshold = float(np.median(scores))
    return {
        "scores": scores.tolist(),
        "points": {name: float(function(scores)) for name, function in STATISTICS.items()},
        "threshold": threshold,
        "optimality_gap": float(metrics.aggregate_optimality_gap(scores, threshold)),
        "thresholds": thresholds.tolist(),
        "profile": library.score_distributions(scores, thresholds).tolist(),
        "average_profile": library.average_score_distributions(scores, thresholds).tolist(),
    }


def intervals(scores: np.ndarray) -> dict:
    """Intervals of one matrix: percentile, with tasks drawn again, and BCa."""
    out = {}
    for name, function in STATISTICS.items():
        as_array = lambda given, function=function: np.array([function(given)])
        out[name] = {
            "percentile": ends(scores, as_array),
            "over_tasks": ends(scores, as_array, task_bootstrap=True),
            "bca": ends(scores, as_array, method="bca"),
        }
    return out


def main() -> None:
    """Write everything as JSON."""
    np.random.seed(0)  # noqa: NPY002 (rliable draws from it)
    folder = Path(sys.argv[1])
    matrices = {
        "td3": td3(folder),
        "sac": simba(folder, "sac"),
        "sac_simba": simba(folder, "sac_simba"),
        "synthetic": synthetic(),
    }
    out = {name: one(scores) for name, scores in matrices.items()}
    for name in ("td3", "sac_simba"):
        out[name]["intervals"] = intervals(matrices[name])
    first, second = matrices["sac_simba"], matrices["sac"]
    other = np.random.default_rng(1).integers(0, 4, (5, 3)).astype(float)
    improvement = lambda *given: np.array([metrics.probability_of_improvement(*given)])
    out["improvement"] = {
        "resamples": RESAMPLES,
        "other": other.tolist(),
        "simba": float(improvement(first, second)[0]),
        "ties": float(improvement(matrices["synthetic"], other)[0]),
        "few": ends([first[:, :4], second[:, :4]], improvement),
    }
    json.dump(out, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
