"""Every error a caller may want to catch, and nothing else.

MemoryMCPError
├── InvalidInput          a text, number, date or cursor that cannot be meant
├── NotFound
│   ├── AgentNotFound
│   ├── BlockNotFound
│   ├── ConversationNotFound
│   ├── MailNotFound
│   ├── PassageNotFound
│   └── RunNotFound
├── BlockLimitExceeded    an edit would make a block longer than its limit
├── ReadOnlyBlock         an edit of a block nobody may edit
├── EditMismatch          the text to replace is absent, or there more than once
├── Conflict              a whole rewrite met a block that has moved on
├── Taken                 a name or label that somebody has already
├── MailboxFull           an agent has as much unread mail as it can have
├── ToolRuleViolation     a call that the agent's tool rules do not allow now
├── ImportRefused         a file that cannot be imported at all
├── ConfigurationRefused  a host's configuration that is left as it is
├── ExportRefused         a place that an export cannot be written to
├── BackupRefused         a backup that cannot be made there, or not be restored
├── ModelError
│   ├── ModelUnavailable  no answer this time: unreachable, busy, too slow, cut off
│   └── ModelRefused      no answer next time either: wrong key, unknown model, no tools
├── EmbedderError         the embedder's table is missing or damaged
└── StoreError
    ├── StoreBusy         other processes held the write lock too long
    ├── StoreUnusable     not a store, damaged, or in a place that cannot be written
    ├── StoreFull         the disk is full
    ├── StoreGone         its file was moved, deleted or replaced while it was open
    ├── LeaseLost         another worker has taken over
    └── StoreTooNew       made by a newer memory-mcp

Messages are written for the model or person who reads them: what happened, the numbers, the next
move. Some quote a block, so they are not for a log.
"""

from memory_mcp.domain.usage import Usage


class MemoryMCPError(Exception):
    """Base of the tree. Its text is meant to be shown."""


class InvalidInput(MemoryMCPError):
    """An argument that cannot be meant; the text says which and what would do."""


class NotFound(MemoryMCPError):
    """Something named in an argument does not exist."""


class AgentNotFound(NotFound):
    """No agent has that name or id."""


class BlockNotFound(NotFound):
    """The agent has no block with that label."""


class ConversationNotFound(NotFound):
    """The agent has no conversation with that id."""


class MailNotFound(NotFound):
    """No mail with that id came to the agent."""


class PassageNotFound(NotFound):
    """The agent has no passage with that id."""


class RunNotFound(NotFound):
    """The ledger has no run with that id."""


class BlockLimitExceeded(MemoryMCPError):
    """The edit would make the block longer than its limit. Nothing was changed."""


class ReadOnlyBlock(MemoryMCPError):
    """The block refuses every edit. Nothing was changed."""


class EditMismatch(MemoryMCPError):
    """The text to replace was not found exactly once. Nothing was changed."""


class Conflict(MemoryMCPError):
    """The block changed since the version the edit was based on. Nothing was changed."""


class Taken(MemoryMCPError):
    """A name or label is in use already. Nothing was changed."""


class MailboxFull(MemoryMCPError):
    """The recipient has as much unread mail as it can have. Nothing was sent."""


class ToolRuleViolation(MemoryMCPError):
    """A tool rule refuses the call now; the text says which rule, and which tools are valid."""


class ImportRefused(MemoryMCPError):
    """The file cannot be imported at all; single bad lines are reported, not raised."""


class ConfigurationRefused(MemoryMCPError):
    """A host's configuration file cannot be changed safely. It was left as it is."""


class ExportRefused(MemoryMCPError):
    """The export cannot be written there. Nothing that was there is touched."""


class BackupRefused(MemoryMCPError):
    """A backup cannot be made there, or not be put in a store's place. Nothing was changed."""


class ModelError(MemoryMCPError):
    """A model could not be asked. The text never quotes a key."""

    def __init__(
        self,
        text: str,
        *,
        charged: bool = False,
        usage: Usage | None = None,
        answer: object = None,
        wait_seconds: float = 0,
    ) -> None:
        """`charged`: the provider may have done the work, and will want to be paid.

        `usage` is what it says that came to, `answer` what it sent, and `wait_seconds` how long it
        wants to be left alone.
        """
        super().__init__(text)
        self.charged = charged
        self.usage = usage
        self.answer = answer
        self.wait_seconds = wait_seconds


class ModelUnavailable(ModelError):
    """It gave no answer this time: unreachable, busy, too slow, or cut off. Try again later."""


class ModelRefused(ModelError):
    """It will give no answer as it is asked: a wrong key, an unknown model, no tool calling."""


class EmbedderError(MemoryMCPError):
    """The embedder cannot run; search goes on lexically."""


class EmbedderGone(MemoryMCPError):
    """A process that made vectors was ended from outside; others can make them."""


class StoreError(MemoryMCPError):
    """The store could not do what was asked. What was acknowledged before is safe."""


class StoreBusy(StoreError):
    """Other processes kept the write lock longer than we wait."""


class StoreUnusable(StoreError):
    """The file is not a store, is damaged, or lies where we may not write."""


class StoreFull(StoreError):
    """There is no room left on the disk. Nothing was half-written."""


class StoreGone(StoreError):
    """The file at the store's path is not, or no longer, the one that is open."""

    def __init__(self, text: str, *, is_replaced: bool = False) -> None:
        """`is_replaced`: another one is there, that can be opened in its place."""
        super().__init__(text)
        self.is_replaced = is_replaced


class LeaseLost(StoreError):
    """Another worker has taken over; this one must not write any more. Nothing was changed."""


class StoreTooNew(StoreError):
    """A newer memory-mcp made this store; an older one must not touch it."""
