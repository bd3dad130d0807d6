"""Policies that are told which state to reach: observations are a state and a goal, one after the other."""
