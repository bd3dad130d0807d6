"""Policies that read a sequence of past steps."""
