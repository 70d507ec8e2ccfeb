"""What was forgotten or superseded: out of memory and its indexes, kept whole for some days.

One module a noun; `kept` is where all of it waits, `ending` how it comes back or goes for good.
"""

from memory_mcp.storage.sqlite.removed.ending import purge, purge_receipt, restore
from memory_mcp.storage.sqlite.removed.kept import (
    BY_UNDO,
    Kept,
    keep,
    keep_again,
    put_on_receipt,
)
from memory_mcp.storage.sqlite.removed.lines import forget_lines, told_again, without_forgotten
from memory_mcp.storage.sqlite.removed.mail import remove_mail
from memory_mcp.storage.sqlite.removed.messages import (
    forgotten_among,
    forgotten_id,
    has_forgotten,
    remove_messages,
)
from memory_mcp.storage.sqlite.removed.passages import (
    Brought,
    fate_of,
    gone_passages,
    remove_passages,
    told_anew,
)
from memory_mcp.storage.sqlite.removed.summaries import drop_retold, edit_summaries

__all__ = [
    "BY_UNDO",
    "Brought",
    "Kept",
    "drop_retold",
    "edit_summaries",
    "fate_of",
    "forget_lines",
    "forgotten_among",
    "forgotten_id",
    "gone_passages",
    "has_forgotten",
    "keep",
    "keep_again",
    "purge",
    "purge_receipt",
    "put_on_receipt",
    "remove_mail",
    "remove_messages",
    "remove_passages",
    "restore",
    "told_again",
    "told_anew",
    "without_forgotten",
]
