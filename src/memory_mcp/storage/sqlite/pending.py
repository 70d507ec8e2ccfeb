"""What was shown and waits for its word: one an agent at a time, among the settings."""

import json
from collections import defaultdict
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.forgetting import CONFIRM_MINUTES, Found, Holder, Pending, Wanted
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import Window, from_iso, to_iso
from memory_mcp.storage.sqlite.session import Session

_PENDING = "SELECT value FROM settings WHERE name = ?"
_SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_UNSET = "DELETE FROM settings WHERE name = ?"
_EXPIRED = """
DELETE FROM settings
WHERE CASE WHEN name LIKE 'forget:%' THEN json_extract(value, '$.expires_at') END < ?
"""


def hold(session: Session, agent_id: AgentId, found: Found, pending: Pending) -> None:
    """Let what was found wait for its word, in place of what waited before."""
    lines: dict[Holder, dict[str, list[str]]] = {"block": {}, "version": {}}
    ids: dict[Holder, list[str]] = defaultdict(list)
    for match in found.matches:
        if match.noun in lines:
            lines[match.noun].setdefault(match.id, []).append(match.text)
        else:
            ids[match.noun].append(match.id)
    told = {
        "wanted": asdict(pending.wanted),
        "code": pending.code,
        "expires_at": to_iso(pending.expires_at),
        "told": pending.told,
        "ids": ids,
        "blocks": lines["block"],
        "versions": lines["version"],
    }
    mark(session, agent_id, told)


def mark(session: Session, agent_id: AgentId, told: dict[str, Any]) -> None:
    """Keep how far a forgetting of several steps has got."""
    session.run(_SET, (_waits_for(agent_id), json.dumps(told)))


def let_go(session: Session, agent_id: AgentId) -> None:
    """Nothing waits any more."""
    session.run(_UNSET, (_waits_for(agent_id),))


def let_expired_go(session: Session, now: str) -> None:
    """What waited too long, of every agent, waits no longer."""
    session.run(_EXPIRED, (now,))


def due(session: Session, agent_id: AgentId, code: str, now: datetime) -> dict[str, Any]:
    """What waits for this word.

    Raises:
        InvalidInput: nothing waits, it waited too long, or for another word.
    """
    told = pending_of(session, agent_id)
    if told is None:
        raise InvalidInput(
            'nothing waits to be confirmed; nothing was forgotten. forget "text" shows '
            "what would go, and the code that lets it."
        )
    if from_iso(told["expires_at"]) <= now:
        raise InvalidInput(
            f"that waited for {CONFIRM_MINUTES} minutes and no longer; nothing was "
            'forgotten. Ask again: forget "text".'
        )
    if told["code"] != code.strip().upper():
        raise InvalidInput(
            f"{clip(code, 20)!r} is not the code that was shown last; nothing was "
            'forgotten. Look at the code again, or ask again: forget "text".'
        )
    return told


def _waits_for(agent_id: AgentId) -> str:
    return f"forget:{agent_id}"


def pending_of(session: Session, agent_id: AgentId) -> dict[str, Any] | None:
    """What waits for its word, as it was kept, if anything does."""
    told: dict[str, Any] = json.loads(session.value(_PENDING, (_waits_for(agent_id),)) or "{}")
    return told if "wanted" in told else None  # an earlier version kept it otherwise


def wanted_in(told: dict[str, Any]) -> Wanted:
    """What was asked for."""
    wanted = Wanted(**told["wanted"])
    return replace(wanted, window=Window(**told["wanted"]["window"]))
