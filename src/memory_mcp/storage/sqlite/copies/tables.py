"""What becomes of every table and column of the schema when a whole store is copied.

A test compares this with a new store: a column that is not here is one that somebody forgot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Carried:
    """A table whose rows go along, as copies of these kinds.

    A column is the field of its name, or the one that `called` names; of the others `apart` says
    how they come to be in the new store.
    """

    kinds: tuple[str, ...]
    called: Mapping[str, str] = field(default_factory=dict[str, str])
    apart: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class NotCarried:
    """A table that is made anew from what is carried, or stays behind; and why."""

    fate: Literal["made anew", "stays behind"]
    why: str


_PLACE = {"seq": "each store's own place, given anew in the same order"}
_LINES: Mapping[str, str] = dict.fromkeys(
    ["noun", "place", "number", "ids"], "in a receipt's `lines`"
)
_AGENT = {"agent_seq": "agent"}

TABLES: Mapping[str, Carried | NotCarried] = {
    "agents": Carried(
        ("agent", "deleted"),
        called={"context_limit": "context_tokens"},
        apart={
            **_PLACE,
            "name_key": "made from the name",
            "reflected_seq": "`reflected`, by the id of a message",
            "compared_seq": "0: near-duplicates are looked for anew",
        },
    ),
    "blocks": Carried(
        ("block",), called={"limit_chars": "limit", "group_tag": "group"}, apart=_PLACE
    ),
    "agent_blocks": Carried(
        ("block",),
        apart=dict.fromkeys(("agent_seq", "label", "block_seq", "position"), "a block's `agents`"),
    ),
    # Without the lines that were forgotten since.
    "block_history": Carried(
        ("block_version",),
        called={"block_seq": "block"},
        apart={"pack": "unpacked; each store packs its own"},
    ),
    "block_packs": NotCarried("made anew", "of older versions of blocks, which go along whole"),
    "conversations": Carried(
        ("conversation", "session"),
        called={**_AGENT, "external_id": "conversation"},
        apart={**_PLACE, "messages": "counted as they come"},
    ),
    "host_sessions": Carried(("session",), called={"conversation_seq": "conversation"}),
    "messages": Carried(
        ("message",),
        called={**_AGENT, "conversation_seq": "conversation"},
        apart={**_PLACE, "checksum": "made from the text"},
    ),
    "message_aliases": Carried(
        ("message", "forgotten"),
        called={**_AGENT, "external_id": "aliases", "message_id": "id"},
    ),
    "forgotten": Carried(("forgotten", "forgotten_text"), called=_AGENT),
    "passages": Carried(
        ("passage",),
        called=_AGENT,
        apart={
            **_PLACE,
            "identity": "made from text, date and source",
            "dated": "made from the times",
        },
    ),
    "passage_tags": Carried(("passage",), called={**_AGENT, "tag": "tags", "passage_seq": "id"}),
    # What was superseded, and by a passage that is still there; what was forgotten stays behind.
    "removed": Carried(
        ("superseded",),
        called={"id": "passage", "agent_seq": "passage", "row": "passage"},
        apart={"noun": "passage", "receipt": "stays behind: what has one was forgotten"},
    ),
    "summaries": Carried(
        ("summary",),
        called={**_AGENT, "first_seq": "first_message", "last_seq": "last_message"},
        apart=_PLACE,
    ),
    "mail": Carried(
        ("mail",), called={"sender_seq": "sender", "recipient_seq": "recipient"}, apart=_PLACE
    ),
    # Of runs since which something was forgotten only what they cost and when.
    "runs": Carried(
        ("run",),
        called={
            **_AGENT,
            "kind": "run_kind",
            "first_seq": "first_message",
            "last_seq": "last_message",
        },
        apart=_PLACE,
    ),
    "run_calls": Carried(("run_call",), called={"run_seq": "run"}),
    "run_changes": Carried(("run_change",), called={"run_seq": "run"}),
    # What a receipt tells of can be put back in its own store only.
    "receipts": Carried(("receipt",)),
    "receipt_lines": Carried(("receipt",), called={"receipt_id": "id"}, apart=_LINES),
    # Of these only what is said of the shadow agent; the rest is about this file.
    "settings": Carried(("setting",)),
    "near_duplicates": NotCarried("made anew", "compared by meaning, when vectors are there"),
    "counts": NotCarried("made anew", "counted as rows come"),
    "waiting": NotCarried("made anew", "what has no vector yet"),
    "message_vectors": NotCarried("made anew", "by the embedder of the new store"),
    "message_signs": NotCarried("made anew", "from the vectors"),
    "passage_vectors": NotCarried("made anew", "by the embedder of the new store"),
    "passage_signs": NotCarried("made anew", "from the vectors"),
    "changes": NotCarried("stays behind", "tells other processes what happened in this file"),
    "store": NotCarried("stays behind", "whose backups are whose: each store has an id of its own"),
    "leases": NotCarried("stays behind", "held by a process of this store"),
    "presence": NotCarried("stays behind", "connections to this store"),
    "visits": NotCarried("stays behind", "where a client of this store goes on"),
}
"""Besides, the word indexes (FTS5) are made anew."""
