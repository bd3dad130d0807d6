"""Imitation of logged behaviour."""
