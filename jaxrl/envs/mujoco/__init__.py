"""MuJoCo's tasks as Gymnasium v5 has them: what is rewarded (`tasks`), in C on the host (`batch`), in JAX (`mjx`)."""
