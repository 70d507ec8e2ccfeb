"""The daemon: one process a store, which serves every session on it."""
