"""Programs that hosts run in their own process: templates, filled in by `install`."""

import json
from collections.abc import Sequence
from importlib.resources import files


def plugin(name: str, *, host: str, title: str, command: Sequence[str]) -> str:
    """A template's text for one host; `command` is what it runs to tell what happened."""
    here = files(__name__)
    told = {
        "@TELLING@": here.joinpath("telling.js").read_text("utf-8"),
        "@HOST@": host,
        "@TITLE@": title,
        "@COMMAND@": json.dumps(list(command)),
    }
    text = here.joinpath(name).read_text("utf-8")
    for mark, value in told.items():
        text = text.replace(mark, value)
    return text
