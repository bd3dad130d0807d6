"""Pieces of learners: parts, recipes, terms."""
