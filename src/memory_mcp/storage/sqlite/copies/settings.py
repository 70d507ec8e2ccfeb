"""What holds for the whole store, copied: what a person or the day's cap said of the shadow."""

import json

from memory_mcp.domain.copies import SettingCopy
from memory_mcp.ports import Put
from memory_mcp.storage.sqlite.copies.noun import KNOWN, STORED, Noun, paged
from memory_mcp.storage.sqlite.session import Row, Session

CARRIED = ("shadow_capped", "shadow_paused")
"""The others are about this file and its indexes, or wait for a person's word here."""

_SETTINGS = f"""
SELECT name, name, value FROM settings
WHERE :everything AND name > :a AND name IN (SELECT value FROM json_each('{json.dumps(CARRIED)}'))
ORDER BY name LIMIT :limit
"""
_PUT = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING name"


def _setting(row: Row) -> SettingCopy:
    return SettingCopy(name=row[0], value=row[1])


def _put_setting(session: Session, copy: SettingCopy, _: str) -> Put:
    if copy.name not in CARRIED:
        return Put(note=f"setting {copy.name!r} is unknown here")
    return STORED if session.value(_PUT, (copy.name, copy.value)) else KNOWN


SETTING = Noun(paged(_SETTINGS, _setting, first=("",)), _put_setting)
