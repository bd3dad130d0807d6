"""The words everyone speaks: records, protocols, hyperparameters, cards, checks. Imports nothing of ours."""
