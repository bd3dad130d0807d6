"""Flax (linen) modules seen as `(init, apply)` pairs; the only folder that knows Flax."""
