"""Policies that hold up when the world differs from training, and the means to show it."""
