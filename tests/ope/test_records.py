"""Measures of estimates on NeoRL's records of trained policies, against SciPy and by hand."""

import gzip
import json

import jax
import numpy as np
import pytest
import scipy.stats

from jaxrl.ope.importance_sampling import per_decision
from jaxrl.ope.sharpe_ratio import rank_correlation, regret, top_k
from tests.ope import logs


@pytest.mark.parametrize("method", ["fqe", "is"])
def test_rank_correlation_and_regret_of_published_estimates(external_data, method):
    file = external_data / "scores" / "neorl_raw_results.json.gz"
    if not file.is_file():
        pytest.skip("needs scores/neorl_raw_results.json.gz under JAXRL_EXTERNAL_DATA")
    with gzip.open(file, "rt") as opened:
        tasks = json.load(opened)
    assert len(tasks) == 52
    for cards in tasks.values():
        runs = [one for settings in cards.values() for s in settings for one in s["result"].values()]
        true = np.array([one["online"] for one in runs])
        estimated = np.array([np.mean(list(one[method].values())) for one in runs])
        np.testing.assert_allclose(
            rank_correlation(estimated, true), scipy.stats.spearmanr(estimated, true)[0], atol=1e-12
        )
        order = sorted(range(len(true)), key=lambda i, of=estimated: (-of[i], i))
        for k in (1, 5):
            picked = [true[i] for i in order[:k]]
            np.testing.assert_allclose(regret(estimated, true, k), max(true) - max(picked), rtol=1e-12)
            assert top_k(estimated, true, k, 0.0).worst == min(picked)


def test_many_policies_at_once():
    mdp, (behaviour, evaluation) = logs.process(), logs.policies()
    seen = logs.play(jax.random.key(0), mdp, behaviour, evaluation, 30)
    ours, theirs = np.asarray(seen.log.evaluation), np.asarray(seen.log.behaviour)
    mixed = np.stack([share * ours + (1 - share) * theirs for share in (0.0, 0.5, 1.0)])
    value = lambda evaluation: per_decision(seen.log._replace(evaluation=evaluation), 0.9).value
    together = jax.jit(jax.vmap(value))(mixed)
    np.testing.assert_allclose(together, [value(x) for x in mixed], rtol=1e-5)
