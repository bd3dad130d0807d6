"""From policies to returns, from returns to scores, from scores to tables and pictures."""
