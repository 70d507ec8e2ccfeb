"""Typed, prefixed, time-ordered ids: `passage-0199…`.

The number is a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then random bits, so ids sort
by the time they were made, and two processes never agree on one by accident.
"""

import os
import time
from typing import Literal, NewType

AgentId = NewType("AgentId", str)
BlockId = NewType("BlockId", str)
ConversationId = NewType("ConversationId", str)
MailId = NewType("MailId", str)
MessageId = NewType("MessageId", str)
PassageId = NewType("PassageId", str)
RunId = NewType("RunId", str)
SummaryId = NewType("SummaryId", str)

Noun = Literal[
    "agent",
    "block",
    "conversation",
    "hook",
    "mail",
    "message",
    "passage",
    "receipt",
    "run",
    "session",
    "summary",
]


def new_id(noun: Noun) -> str:
    """A fresh id for one `noun`, for example `message-019a…` (noun, hyphen, 32 hex digits)."""
    chance = os.urandom(10).hex()
    variant = "89ab"[chance.encode()[3] & 3]  # binary 10, then two bits by chance
    return f"{noun}-{time.time_ns() // 1_000_000:012x}7{chance[:3]}{variant}{chance[4:19]}"


UNMADE = "none-yet:"
"""How the ids begin of what isn't there yet and is read for; a name or label follows."""
