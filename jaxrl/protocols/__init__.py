"""Evaluation protocols that train: what is varied, what is held out, what is reported."""
