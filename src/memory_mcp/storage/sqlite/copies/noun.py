"""What the copying of every noun has in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memory_mcp.domain.copies import Copy
from memory_mcp.domain.names import name_key
from memory_mcp.ports import Page, Place, Put
from memory_mcp.storage.sqlite.session import Row, Session, as_key

STORED = Put(stored=True)
KNOWN = Put(known=True)

_AGENT_SEQ = "SELECT seq FROM agents WHERE name_key = ?"
_MESSAGE_SEQ = "SELECT seq FROM messages WHERE id = ?"

OF_THESE = "IN (SELECT value FROM json_each(:agents))"
"""The agents whose copies are asked for.

With a `+` before it, rows are read in the order of their places, and not sorted anew for each page.
"""
FIRST_MESSAGE = """
(SELECT id FROM messages WHERE agent_seq = {0}.agent_seq AND seq >= {0}.first_seq
    ORDER BY seq LIMIT 1)
"""
LAST_MESSAGE = """
(SELECT id FROM messages WHERE agent_seq = {0}.agent_seq AND seq <= {0}.last_seq
    ORDER BY seq DESC LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page is asked for."""

    agents: str
    """The places of the agents, as JSON."""
    everything: bool
    """Whether it is the whole store, with what is no agent's."""
    after: Place
    limit: int


@dataclass(frozen=True, slots=True)
class Noun:
    """How the copies of one kind come out of the store and into it."""

    page: Callable[[Session, Asked], Page]
    put: Callable[[Session, Any, str], Put]
    """Stores one; the last argument is the present moment, in stored form."""


def paged(
    sql: str, made: Callable[[Row], Copy], first: Place = (-1,)
) -> Callable[[Session, Asked], Page]:
    """Pages of a statement, whose first columns are the place; `first` is before all of them.

    It knows :agents, :limit, :everything, and the place to go on after as :a and :b.
    """
    key = len(first)

    def page(session: Session, asked: Asked) -> Page:
        told = {
            "agents": asked.agents,
            "limit": asked.limit,
            "everything": asked.everything,
            **dict(zip(("a", "b"), asked.after or first, strict=False)),
        }
        return [(tuple(row[:key]), made(row[key:])) for row in session.all(sql, told)]

    return page


def agent_seq(session: Session, name: str) -> int | None:
    """The row of the agent of that name, a deleted one too."""
    return session.value(_AGENT_SEQ, (name_key(as_key(name)),))


def message_seq(session: Session, message_id: str | None) -> int | None:
    """The place of a message, if it is here."""
    return session.value(_MESSAGE_SEQ, (message_id,)) if message_id else None


def without_agent(name: str) -> Put:
    """What is told of a copy whose agent is not here."""
    return Put(note=f"there is no agent {name!r} here that it could belong to")
