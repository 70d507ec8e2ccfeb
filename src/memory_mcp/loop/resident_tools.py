"""A resident agent's tools: what it calls is done at once, and once, though the turn be resumed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import AgentId, MailId
from memory_mcp.domain.mail import WAIT_SECONDS_MAX, Letter, letter_text
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.reasoning import without_reasoning
from memory_mcp.domain.texts import clip, counted, require_text
from memory_mcp.domain.times import parse_moment
from memory_mcp.loop.memory_tools import (
    ArchivalInsert,
    ArchivalSearch,
    ConversationSearch,
    found_messages,
    found_passages,
    schema_of,
    why,
)
from memory_mcp.loop.react import HEARTBEAT
from memory_mcp.ports import Edited
from memory_mcp.services import Services

SEND = "send_message"
WORD_CHARS_MAX = 50_000
MAIL_SHOWN_CHARS = 4_000
ORIGIN = "agent"


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CoreMemoryAppend(_Arguments):
    """Add a line to one of your blocks."""

    label: str
    content: str


class CoreMemoryReplace(_Arguments):
    """Replace one exact piece of a block; empty: delete it; no old_content: rewrite the block."""

    label: str
    new_content: str
    old_content: str | None = None


class SendToAgent(_Arguments):
    """Write to one agent, or to all with every tag. Answers come later, or in wait_seconds."""

    message: str
    to: str | None = None
    tags: list[str] = Field(default_factory=list)
    wait_seconds: Annotated[int, Field(ge=0, le=WAIT_SECONDS_MAX)] = 0
    in_reply_to: str | None = None


class SendMessage(_Arguments):
    """Your answer to whoever wrote to you. It ends your turn."""

    message: str


_TOOLS: dict[str, type[BaseModel]] = {
    "core_memory_append": CoreMemoryAppend,
    "core_memory_replace": CoreMemoryReplace,
    "conversation_search": ConversationSearch,
    "archival_insert": ArchivalInsert,
    "archival_search": ArchivalSearch,
    "send_to_agent": SendToAgent,
    SEND: SendMessage,
}
NAMES = tuple(_TOOLS)
_BEAT = {"type": "boolean", "description": "Go on after this call"}


class ResidentTools:
    """The `Tools` of one turn of a resident agent. `word` is what it said at its end."""

    def __init__(
        self,
        services: Services,
        agent_id: AgentId,
        key: str,
        *,
        letter: Letter,
        question: MailId | None = None,
        calls: int = 0,
        word: str = "",
    ) -> None:
        """`key` makes writes once; what is sent follows from `letter`.

        `question` is the mail that `SEND` answers.
        """
        self.calls = calls
        self.word = word
        self._services = services
        self._agent_id = agent_id
        self._key = key
        self._letter = letter
        self._question = question

    @property
    def names(self) -> tuple[str, ...]:
        """The tools' names."""
        return NAMES

    @property
    def schemas(self) -> Sequence[Mapping[str, Any]]:
        """The tools as a chat request takes them, each but the last with a heartbeat."""
        schemas = [schema_of(name, arguments) for name, arguments in _TOOLS.items()]
        for schema in schemas:
            if schema["function"]["name"] != SEND:
                schema["function"]["parameters"]["properties"][HEARTBEAT] = _BEAT
        return schemas

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """What the tool answers.

        Raises:
            MemoryMCPError: it did nothing; the text is for the model.
        """
        self.calls += 1
        key = f"{self._key}:{self.calls}"
        try:
            given = _TOOLS[name].model_validate(arguments)
        except ValidationError as error:
            raise InvalidInput(f"{name} was not called: {why(error)}. Send it again.") from None
        services, agent_id = self._services, self._agent_id
        match given:
            case CoreMemoryAppend(label=label, content=content):
                return _edited(await services.core_memory.append(agent_id, label, content, key=key))
            case CoreMemoryReplace(label=label, new_content=new, old_content=old):
                return _edited(
                    await services.core_memory.replace(agent_id, label, new, old, key=key)
                )
            case ArchivalInsert():
                at, zone = given.occurred_at, services.zone
                passage = NewPassage(
                    content=given.content,
                    tags=tuple(given.tags),
                    occurred_at=parse_moment(at, "occurred_at", zone) if at else None,
                    origin=ORIGIN,
                )
                (filed,) = await services.archival.file(agent_id, [passage])
                return f"{'Refreshed' if filed.refreshed else 'Filed'}: {filed.passage.id}."
            case ArchivalSearch():
                return await found_passages(services, agent_id, given)
            case ConversationSearch():
                return await found_messages(services, agent_id, given)
            case SendToAgent():
                return await self._send(given, key)
            case SendMessage(message=message):
                said = without_reasoning(message)
                self.word = require_text(said, "message", WORD_CHARS_MAX)
                return "Said."
            case _:
                raise AssertionError(f"{name} has no function")

    async def _send(self, given: SendToAgent, key: str) -> str:
        if self._question is not None and given.in_reply_to == self._question:
            # A mail is answered once: the word at the end of the turn would be lost.
            raise InvalidInput(
                f"your answer to {self._question} is the message of {SEND}; nothing was sent. "
                "Leave in_reply_to out to write to somebody meanwhile."
            )
        sending = await self._services.mail.send(
            self._agent_id,
            given.message,
            to=given.to,
            tags=given.tags or None,
            wait_seconds=given.wait_seconds,
            in_reply_to=given.in_reply_to,
            key=key,
            hops=self._letter.hops + 1,
            root=self._letter.root,
        )
        if sending.from_shadow is not None:
            return sending.from_shadow
        lines = [
            letter_text(one.answer, MAIL_SHOWN_CHARS, self._services.zone)
            if one.answer
            else f"To {one.letter.recipient!r} ({one.reach}): {one.letter.id}, no answer yet."
            for one in sending.sent
        ]
        lines += [f"To {name!r}: its mailbox is full." for name in sending.full]
        return "\n".join(lines)


def _edited(edited: Edited) -> str:
    after = edited.after
    text = f"Block {after.label}: {len(after.value):,} of {after.limit_chars:,} characters."
    if edited.evicted:
        moved = counted(len(edited.evicted), "line")
        text += f" {moved} moved to archival memory, tag {clip(f'block:{after.label}', 80)}."
    return text
