"""Measures of logged data: how good it is, how much of the task it covers, what learning from it could gain."""
