"""What a backup says of itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

FORMAT = 1
"""What a manifest's fields mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is in a backup, as it was counted and hashed in the store at the backup's moment."""

    program: str
    """The version of memory-mcp that made it."""
    schema: int
    made_at: str
    """In stored form."""
    store: str | None
    """The store's id; stores of before schema 13 have none."""
    path: str
    """Where the store lay."""
    counts: Mapping[str, int]
    """How many there are of each noun."""
    to_go: Mapping[str, int]
    """What is kept only so that it can be put back, and goes for good in the end."""
    tables: Mapping[str, str]
    """A digest of each table's rows."""
    digest: str
    """SHA-256 of all of these."""
    format: int = FORMAT

    def to_json(self) -> str:
        """As it is stored inside the backup."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Manifest | None":
        """What was stored; `None` for what is no manifest, or one of another format."""
        try:
            told: Any = json.loads(text)
            if not isinstance(told, dict):
                return None
            fields = cast("dict[str, Any]", told)
            return cls(**fields) if fields.get("format") == FORMAT else None
        except (ValueError, TypeError):
            return None
