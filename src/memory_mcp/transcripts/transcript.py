"""What the readers of all hosts' transcripts have in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, own_tool, tool_event, words_key
from memory_mcp.domain.json_values import as_list, as_object, as_text
from memory_mcp.domain.own_output import holds_own_output, names_own_rows

LeftOut = Counter[str]
"""What was not taken, by kind, with how often it came."""
THOUGHTS = "thoughts"
MEDIA = "images, sound and documents (their contents)"
SUBAGENTS = "messages of subagents"
_ANSWER_MEDIA = frozenset(
    {"audio", "blob", "document", "encrypted_content", "file", "image", "image_url"}
    | {"input_audio", "input_file", "input_image", "resource", "resource_link", "video"}
)
OWN_TOOLS_USED = "uses of memory's own tools"


class ToolCalls:
    """Calls of tools, by the host's id, until their answers come."""

    def __init__(self, left_out: LeftOut, occurrences: "Occurrences") -> None:
        self._left_out = left_out
        self._occurrences = occurrences
        self._called: dict[str, tuple[str, Any]] = {}
        self._awaited: set[str] = set()
        self._answered: set[str] = set()

    def __bool__(self) -> bool:
        """Whether an answer is still to be expected."""
        return bool(self._awaited)

    def called(self, call: str, name: str, asked: Any) -> None:
        """A tool was called."""
        if call not in self._answered:
            self._called[call] = (name, asked)
            self._awaited.add(call)

    def answered(
        self, call: str, answer: str, session: str, *, name: str = "tool", **more: Any
    ) -> Iterator[HostEvent]:
        """Its answer came: one event of kind tool, or none where it was a tool of ours.

        What nobody has seen called (the file begins later) is known by what it says. An answer that
        stands in the file twice counts once.
        """
        if call and call in self._answered:
            return
        if call:
            self._answered.add(call)
        self._awaited.discard(call)
        name, asked = self._called.pop(call, (name, ""))
        own = own_tool(name) or holds_own_output(answer)
        if own or (name == "tool" and names_own_rows(answer)):
            self._left_out[OWN_TOOLS_USED] += 1
        elif found := tool_event(session, name, asked, answer, key=call or None, **more):
            yield found
        else:
            self._left_out["searches for tools"] += 1

    def answered_by_name(
        self, name: str, answer: str, session: str, *, at: datetime | None, **more: Any
    ) -> Iterator[HostEvent]:
        """The same where a host gives its calls no ids: the last one of that tool is answered."""
        self._answered.discard(name)
        for event in self.answered(name, answer, session, name=name, at=at, **more):
            yield replace(event, key=self._occurrences.key(session, "tool", event.text, at))

    def given_up(self) -> None:
        """Somebody spoke again: what has no answer by now is waited for no more."""
        self._awaited.clear()

    def ended(self) -> None:
        """The file is at its end: what has no answer was interrupted."""
        if self._called:
            self._left_out["uses of tools that have no answer (interrupted)"] += len(self._called)
            self._called.clear()
            self._awaited.clear()


class Occurrences:
    """Keys for what a host gives no id: the words, their moment, and how often both came so far."""

    def __init__(self) -> None:
        self._times = Counter[str]()

    def key(self, session: str, kind: str, text: str, at: datetime | None) -> str:
        """The key of these words, said at that moment once more."""
        moment = int(at.timestamp() * 1000) if at else 0
        told = f"{words_key(session, kind, text)}:{moment}"
        self._times[told] += 1
        times = self._times[told]
        return told if times == 1 else f"{told}:{times}"


class Transcript(ABC):
    """One file, as far as it was read. Its records come in one by one, in their order."""

    def __init__(
        self, session: str, left_out: LeftOut, not_understood: LeftOut | None = None
    ) -> None:
        self.session = session
        """The host's id of the session; what the file is named after until a record says it."""
        self.folder: str | None = None
        """Where the session works, once a record has said so."""
        self.parent: str | None = None
        """The session that this one was forked from, once a record has said so."""
        self.has_lost_context = False
        """Whether the history, as far as the file tells it, no longer holds what we told."""
        self.whole = True
        """Whether the file is read from its beginning: else a history tells nothing new."""
        self._left_out = left_out
        self._not_understood = Counter[str]() if not_understood is None else not_understood
        self._occurrences = Occurrences()
        self._calls = ToolCalls(left_out, self._occurrences)

    @abstractmethod
    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a record tells; without a time where it has none."""

    def finish(self) -> Iterator[HostEvent]:
        """What only the end of a whole file tells."""
        self._calls.ended()
        yield from ()

    @property
    def waits(self) -> bool:
        """Whether a tool was called whose answer has not come yet."""
        return bool(self._calls)

    def _answer(self, content: Any) -> str:
        """The text of a tool's answer, of the parts it has; the others are counted."""
        texts: list[str] = []
        for part in map(as_object, parts_of(content)):
            inside = as_object(part.get("resource"))
            text = part.get("text", inside.get("text"))
            if isinstance(text, str):
                texts.append(text)
            elif as_text(part.get("type")) in _ANSWER_MEDIA:
                self._left_out[MEDIA] += 1
            else:
                self._unknown("parts of answers", part.get("type"))
        return "\n".join(text for text in texts if text)

    def _unknown(self, what: str, kind: Any) -> None:
        """Count a record or part of a kind that this reader does not know."""
        self._not_understood[f"{what} of the type {as_text(kind)[:40] or 'none'!r}"] += 1


def parts_of(content: Any) -> list[dict[str, Any]]:
    """The parts of a content: one that is a text becomes a part of the type `text`."""
    parts: list[Any] = [content] if isinstance(content, str | dict) else as_list(content)
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


NewTranscript = Callable[[str, LeftOut, LeftOut], Transcript]
"""Begins to read a file: what it is named after, and where what is left out, and what is not
understood, is counted."""
