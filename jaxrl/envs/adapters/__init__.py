"""Environments of other libraries seen as ours, and ours as theirs; each file imports its library lazily."""
