"""Learners that have logged data and may go on in the environment."""
