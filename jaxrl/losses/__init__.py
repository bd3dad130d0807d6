"""Mathematics on arrays: no networks, no hyperparameter records, no keys."""
