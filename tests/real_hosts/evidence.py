"""What a day left behind: the requests that reached the model, the hooks, and the store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.real_hosts.model.server import Exchange
from tests.real_hosts.workplace import HookRun

OUR_TOOLS = (
    "core_memory_append",
    "core_memory_replace",
    "conversation_search",
    "archival_insert",
    "archival_search",
    "send_to_agent",
)


SETTINGS = {".json", ".jsonc", ".toml", ".yaml", ".js", ".ts", ".md"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An entry of recall."""

    role: str
    content: str
    agent: str
    conversation: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the day: something was typed, and answered."""

    name: str
    history: str
    """Which history of the model's it belongs to: a session begins one, and so does a compaction,
    since nothing of what was told before it is left."""
    exchanges: Sequence[Exchange] = ()
    hooks: Sequence[HookRun] = ()
    failed: str = ""
    """Why the host did not do it."""

    @property
    def turns(self) -> list[Exchange]:
        """The requests of the main conversation."""
        return [each for each in self.exchanges if each.given.kind == "turn"]

    @property
    def reached(self) -> list[Exchange]:
        """Its turns that are answers to what was typed in this very step."""
        return [each for each in self.turns if each.given.key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it."""

    abilities: frozenset[str]
    steps: Mapping[str, Step]
    typed: Sequence[str] = ()
    """What the user typed, or would have where the host allows it."""
    instructions: str = ""
    """As the server gives them."""
    recall: Sequence[Message] = ()
    """Everybody's, before anything was imported."""
    imported: Sequence[Message] | None = None
    """The same after the host's transcripts were imported; `None` where nothing was."""
    import_failed: str = ""
    alone: Sequence[Message] | None = None
    """What the import alone stores, in a store where no hook recorded."""
    agents: Sequence[str] = ()
    """Those that have messages, or what the model filed."""
    left_behind: Sequence[str] = ()
    """Files that still name memory-mcp after it was uninstalled."""
    uninstall_failed: str = ""
    notes: list[str] = field(default_factory=list[str])

    @property
    def histories(self) -> dict[str, list[Step]]:
        """The steps of each history, in order."""
        found: dict[str, list[Step]] = {}
        for step in self.steps.values():
            found.setdefault(step.history, []).append(step)
        return found

    def last_request(self, history: str) -> Exchange | None:
        """The last one of a history: it holds all that was told in it."""
        turns = [turn for step in self.histories[history] for turn in step.turns]
        return turns[-1] if turns else None

    def said(self) -> dict[str, int]:
        """What the model said in the main conversations, and how often."""
        found: dict[str, int] = {}
        for step in self.steps.values():
            for each in step.turns:
                if each.given.answer.text and not each.given.refused:
                    text = each.given.answer.text.strip()
                    found[text] = found.get(text, 0) + 1
        return found

    def with_text(self, text: str, *roles: str) -> list[Message]:
        """Entries of recall that hold a text."""
        return [
            each
            for each in self.recall
            if text in each.content and (not roles or each.role in roles)
        ]


def filers(text: str) -> set[str]:
    """The agents that have passages in `memory-mcp export jsonl`."""
    told = map(json.loads, text.splitlines())
    return {line["agent"] for line in told if line.get("kind") == "passage"}


def exported(text: str) -> list[Message]:
    """The messages of `memory-mcp export jsonl`."""
    found: list[Message] = []
    for line in text.splitlines():
        told = json.loads(line)
        if told.get("kind") == "message":
            found.append(
                Message(
                    role=told["role"],
                    content=told["content"],
                    agent=told.get("agent") or "",
                    conversation=told.get("conversation") or "",
                    name=told.get("name"),
                )
            )
    return found


def naming(home: Path, word: str) -> list[str]:
    """Files below a home whose text holds a word, in the folders where hosts keep settings."""
    found: list[str] = []
    for path in home.rglob("*"):
        if path.suffix not in SETTINGS or not path.is_file():
            continue
        text = path.read_text("utf-8", "replace")
        if word in text:
            found.append(str(path.relative_to(home)))
    return sorted(found)
