"""Environments: in pure JAX, finite ones with exact solvers, and adapters to and from Gymnasium."""
