"""Policy-Guided Diffusion on real data of HalfCheetah, evaluated by C MuJoCo; needs `JAXRL_EXTERNAL_DATA`.

Small networks, a tenth of the published training of the generator and a two-hundredth of the actor's. Both strengths of
guidance train a generator each, the same one: runs on the host are whole sweeps.
"""

import os

import jaxrl
from benchmarks.effects.effect import Effect
from benchmarks.effects.pgd import NUMBERS, PARENT, PLAN, STILL

CHEETAH = "external/halfcheetah-medium-replay-v0"
UPDATES = 5_000


def scores(card: str, seeds: int) -> list[Effect]:
    """On guided windows beside unguided ones and logged steps."""
    run = {"updates": UPDATES, "evaluate_every": UPDATES, "episodes": 5, "batch": 256, "seeds": seeds}
    strengths = jaxrl.grid(card, guidance=[0.0, 1.0], **NUMBERS[card], **STILL)
    plan = {**PLAN, "generator_updates": 10_000, "width": 64}
    free, strong = jaxrl.sweep(card, CHEETAH, hypers=strengths, **plan, **run).scores[:, :, -1]
    logged = jaxrl.sweep(PARENT[card], CHEETAH, width=64, **NUMBERS[card], **run).scores[0, :, -1]
    parents = {f"{card}, guidance 0": free, PARENT[card]: logged}
    return [Effect(card, name, CHEETAH, "score", strong, theirs) for name, theirs in parents.items()]


def measure(seeds: int) -> list[Effect]:
    """TD3+BC and IQL; nothing, said in a line, where the data are not."""
    if not os.environ.get("JAXRL_EXTERNAL_DATA"):
        print(f"left out: {CHEETAH} needs JAXRL_EXTERNAL_DATA")
        return []
    return [effect for card in PARENT for effect in scores(card, seeds)]
