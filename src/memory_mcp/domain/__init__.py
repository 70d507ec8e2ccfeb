"""Nouns and rules of memory: pure, synchronous, standard library only."""
