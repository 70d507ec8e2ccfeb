"""The store in one SQLite file: one module a noun, `database` underneath."""
