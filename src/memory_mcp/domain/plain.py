"""Domain objects as JSON, for scripts and resources."""

import json
from datetime import datetime
from typing import Any

from memory_mcp.domain.times import to_iso


def as_json(value: Any) -> str:
    """Readable JSON; dates in the stored form."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_iso(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
