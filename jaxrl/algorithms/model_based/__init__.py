"""Learners that imagine steps in a model of the environment."""
