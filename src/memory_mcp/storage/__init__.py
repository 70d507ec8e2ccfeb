"""Adapters of the store ports: `sqlite` now, the same ports on Postgres later."""
