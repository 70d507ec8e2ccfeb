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
    "agent", "block", "conversation", "mail", "message", "passage", "run", "session", "summary"
]


def new_id(noun: Noun) -> str:
    """A fresh id for one `noun`, for example `message-019a…` (noun, hyphen, 32 hex digits)."""
    millis = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10))
    value = (millis & (1 << 48) - 1) << 80 | random_bits
    value = value & ~(0xF << 76) | 0x7 << 76  # version 7
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant 10
    return f"{noun}-{value:032x}"


UNMADE = "none-yet:"
"""How the ids begin of what isn't there yet and is read for; a name or label follows."""
