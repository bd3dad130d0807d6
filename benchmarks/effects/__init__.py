"""The effect that each system was published for, measured against its parent; see `benchmarks/effects/__main__.py`."""
