"""Policies that stay as they are while something small beside them is learned: a value that chooses, a residual."""
