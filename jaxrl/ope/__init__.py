"""Off-policy evaluation: what a policy is worth, from another one's episodes, and how good such estimates are."""
