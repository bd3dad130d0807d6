"""jaxrl: offline and online reinforcement learning in JAX."""
