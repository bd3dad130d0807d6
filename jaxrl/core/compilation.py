"""Compiled programs are kept between processes."""

import jax

from jaxrl.core import paths


def keep() -> None:
    """JAX's persistent compilation cache, under `paths.cache()`, unless JAX was already told where to keep programs."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(paths.cache() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
