"""Learners that gather their own experience."""
