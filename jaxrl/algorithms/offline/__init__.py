"""Offline reinforcement learning without a model."""
