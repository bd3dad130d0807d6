"""ALP-GMM against tasks drawn evenly, on the paper's toy student of 20 x 20 cubes.

A plain loop around scikit-learn's mixtures masters the same share of the cubes (6.5 and 7.3 % in two dimensions, 11.0
and 12.3 % in four, two seeds), measured once while this was written.
"""

import jax

from benchmarks.effects.effect import Effect
from jaxrl.algorithms.teachers import alp_gmm

ROUNDS, COUNT = 80, 250


def mastered(key, dimensions: int, clever: bool, rounds: int = ROUNDS):
    """Per cent of cubes with a competence above 75 after rounds x 250 episodes."""
    start, practise = alp_gmm.climber(20)
    teacher = alp_gmm.alp_gmm(dimensions) if clever else alp_gmm.uniform(dimensions)
    skill, _ = alp_gmm.teach(key, teacher, start, practise, rounds, COUNT)
    return 100 * (skill > 75).mean()


def measure(seeds: int) -> list[Effect]:
    """Cubes mastered, with two and with four dimensions of which two are useless."""
    keys = jax.random.split(jax.random.key(0), seeds)
    found = []
    for dimensions in (2, 4):
        clever, even = (
            jax.jit(jax.vmap(lambda key, d=dimensions, c=c: mastered(key, d, c)))(keys) for c in (True, False)
        )
        task = f"20 x 20 cubes in {dimensions} dimensions, 20,000 episodes"
        found.append(Effect("alp_gmm", "uniform", task, "cubes mastered, %", clever, even))
    return found
