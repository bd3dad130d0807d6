"""Tuning under a budget: the published expected best of n settings, and tuning by records of NeoRL."""

import gzip
import json
import os
from pathlib import Path

import jax
import numpy as np

from benchmarks.protocols.study import Study
from jaxrl.evaluation import budget
from tests.evaluation.test_budget import COUNTS, PUBLISHED, TIES

CHECKED = (1, 2, 4, 16)
PULLS = (1, 4, 16, 48)
"""Evaluations at which the bandit is shown."""


def study(seeds: int) -> Study:
    """Rows of the published table and, where JAXRL_EXTERNAL_DATA has them, of NeoRL; `seeds` times 200 trials."""
    rows, largest = [], 0.0
    for name, (scores, printed) in PUBLISHED.items():
        wanted = [float(one) for one in printed.split()]
        found = budget.expected_best([float(one) for one in scores.split()], COUNTS[: len(wanted)])
        same = sum(f"{ours:.1f}" == f"{theirs:.1f}" for ours, theirs in zip(found, wanted, strict=True))
        largest = max(largest, float(np.abs(found - wanted).max()))
        ours = ", ".join(f"{one:.2f}" for one in found)
        rows.append([name, f"{len(scores.split())}", ours, printed.replace(" ", ", "), f"{same} of {len(wanted)}"])
    file = Path(os.environ.get("JAXRL_EXTERNAL_DATA") or "nowhere") / "scores" / "neorl_raw_results.json.gz"
    return Study(
        "Tuning under a budget",
        "arXiv:2110.04156 and arXiv:2305.09836, table 9; arXiv:2504.11453; NeoRL's records",
        "Expected best of n settings is what the paper prints, to the printed digit but for one tie; and a card "
        "with many settings needs the budget: at few evaluations it is behind one with few.",
        ("settings of", "settings", "expected best at 1, 2, 3, 5, 10, 15, 20", "the paper", "same digits"),
        rows,
        all(row[-1].split()[0] == row[-1].split()[-1] or row[0] in {name for name, _ in TIES} for row in rows)
        and largest < 0.0501,
        neorl(file, seeds) if file.exists() else f"NeoRL is left out: {file} is not there; set JAXRL_EXTERNAL_DATA.",
    )


def neorl(file: Path, seeds: int) -> str:
    """What tuning each algorithm brings on 52 tasks; returns are scaled to a task's range over all policies."""
    with gzip.open(file, "rt") as opened:
        records = json.load(opened)
    best: dict[str, list] = {}
    found: dict[str, list] = {}
    for place, cards in enumerate(records.values()):
        online = {
            card: np.array([[r["online"] for r in s["result"].values()] for s in one]) for card, one in cards.items()
        }
        every = np.concatenate([one.ravel() for one in online.values()])
        for card, returns in online.items():
            scaled = 100 * (returns - every.min()) / np.ptp(every)
            best.setdefault(card, []).append(budget.expected_best(scaled.mean(1), CHECKED))
            if len(scaled) > 1:
                key = jax.random.fold_in(jax.random.key(0), place)
                bandit = budget.bandit(key, scaled, policies=len(scaled), pulls=max(PULLS), repeats=200 * seeds)
                found.setdefault(card, []).append([*bandit.mean[np.array(PULLS) - 1], bandit.best])
    counts = {card: len(one) for card, one in next(iter(records.values())).items()}
    lines = [
        f"NeoRL, {len(records)} tasks, returns scaled to 0 and 100 by the worst and best policy of a task; means over "
        "tasks. Expected best is of the settings' means over three seeds, drawn with replacement. The bandit's arms "
        "are settings, a pull is the return of one of its three seeds; its value is the mean of the setting "
        "believed best.",
        "",
        f"| algorithm | settings | expected best at {', '.join(map(str, CHECKED))} | bandit after "
        f"{', '.join(map(str, PULLS))} pulls | best setting |",
        "| --- | --- | --- | --- | --- |",
    ]
    for card, values in sorted(best.items(), key=lambda one: -np.mean(one[1], 0)[0]):
        pulled = np.mean(found[card], 0) if card in found else None
        cells = [card, str(counts[card]), ", ".join(f"{x:.1f}" for x in np.mean(values, 0))]
        cells += [", ".join(f"{x:.1f}" for x in pulled[:-1]), f"{pulled[-1]:.1f}"] if pulled is not None else ["–", "–"]
        lines.append("| " + " | ".join(cells) + " |")
    ranks = {n: sorted(best, key=lambda card: -np.mean(best[card], 0)[i]) for i, n in enumerate(CHECKED)}
    lines += ["", f"Order with one setting: {', '.join(ranks[1])}; with sixteen: {', '.join(ranks[16])}."]
    return "\n".join(lines)
