"""Configurations as texts: changed where they must be, left as they are everywhere else."""
