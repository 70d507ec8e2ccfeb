"""What the shadow agent is told, as texts beside this file."""

from functools import cache
from importlib.resources import files


@cache
def prompt(name: str) -> str:
    """The text of that name."""
    return (files(__name__) / f"{name}.md").read_text("utf-8").strip()
