"""Choosers of what to practise: each proposes tasks from a box of parameters and learns from how they went."""
