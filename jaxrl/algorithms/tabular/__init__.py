"""Finite problems with exact theory: bandits and Markov decision processes held as tables."""
