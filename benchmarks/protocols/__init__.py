"""What each evaluation protocol shows, measured; see `benchmarks/protocols/__main__.py`."""
