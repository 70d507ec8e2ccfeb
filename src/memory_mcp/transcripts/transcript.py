"""What the readers of all hosts' transcripts have in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import HostEvent, digest, own_tool, tool_event
from memory_mcp.domain.own_output import holds_own_output, names_own_rows

LeftOut = Counter[str]
"""What was not taken, by kind, with how often it came."""


class ToolCalls:
    """Calls of tools, by the host's id, until their answers come."""

    def __init__(self, left_out: LeftOut, occurrences: "Occurrences") -> None:
        self._left_out = left_out
        self._occurrences = occurrences
        self._called: dict[str, tuple[str, Any]] = {}
        self._answered: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._called)

    def called(self, call: str, name: str, asked: Any) -> None:
        """A tool was called."""
        if call not in self._answered:
            self._called[call] = (name, asked)

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
        name, asked = self._called.pop(call, (name, ""))
        own = own_tool(name) or holds_own_output(answer)
        if own or (name == "tool" and names_own_rows(answer)):
            self._left_out["uses of memory's own tools"] += 1
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
        """Somebody spoke again: what has no answer by now was interrupted."""
        if self._called:
            self._left_out["uses of tools that were interrupted"] += len(self._called)
            self._called.clear()


class Occurrences:
    """Keys for what a host gives no id: the words, their moment, and how often both came so far."""

    def __init__(self) -> None:
        self._times = Counter[str]()

    def key(self, session: str, kind: str, text: str, at: datetime | None) -> str:
        """The key of these words, said at that moment once more."""
        moment = int(at.timestamp() * 1000) if at else 0
        told = f"{session}:{digest(f'{kind} {text}')}:{moment}"
        self._times[told] += 1
        times = self._times[told]
        return told if times == 1 else f"{told}:{times}"


class Transcript(ABC):
    """One file, as far as it was read. Its records come in one by one, in their order."""

    def __init__(self, session: str, left_out: LeftOut) -> None:
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
        self._occurrences = Occurrences()
        self._calls = ToolCalls(left_out, self._occurrences)

    @abstractmethod
    def events(self, record: dict[str, Any]) -> Iterator[HostEvent]:
        """What a record tells; without a time where it has none."""

    @property
    def waits(self) -> bool:
        """Whether a tool was called whose answer has not come yet."""
        return bool(self._calls)


NewTranscript = Callable[[str, LeftOut], Transcript]
"""Begins to read a file: what it is named after, and where what is left out is counted."""
