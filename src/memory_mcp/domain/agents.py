"""Agents: who owns memory, and which of them a process speaks for."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePath

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import UNMADE, AgentId
from memory_mcp.domain.names import name_key
from memory_mcp.domain.redact import redact
from memory_mcp.domain.texts import check_text, require_name, require_tags
from memory_mcp.domain.tool_rules import ToolRule

DEFAULT_AGENT = "default"
DESCRIPTION_CHARS_MAX = 1_000
SYSTEM_PROMPT_CHARS_MAX = 100_000
MODEL_CHARS_MAX = 200
KEPT_AFTER_DELETION = timedelta(days=30)
"""How long a deleted agent can be restored."""
_RESERVED = "/\\?#%"
RESERVED_NAMES = frozenset({"shadow"})
"""Who is written to besides agents: nobody should make one of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Owner of memory; its identity outlives every client."""

    id: AgentId
    name: str
    description: str
    project: str | None
    """The folder it was made for, as an absolute path; `None` for agents chosen by name."""
    created_at: datetime
    context_tokens: int | None = None
    """How many tokens its view may take; `None`: as many as the process's settings say."""
    tool_rules: tuple[ToolRule, ...] = ()
    """Which of its tools may be called when."""
    tags: tuple[str, ...] = ()
    """The groups it is in; mail to all of some tags reaches it by them."""
    system_prompt: str = ""
    model: str | None = None
    """The model it runs on by itself; `None`: only a host's model speaks for it."""
    deleted_at: datetime | None = None

    @property
    def is_made(self) -> bool:
        """Whether it is there; else it is what an agent would be that nobody wrote for yet."""
        return unmade_name(self.id) is None


def unmade(name: str, project: str | None = None) -> Agent:
    """An agent to read for that isn't there yet: it has nothing but what all agents share."""
    return Agent(
        id=AgentId(f"{UNMADE}{name}"),
        name=name,
        description="",
        project=project,
        created_at=datetime.fromtimestamp(0, UTC),
    )


def unmade_name(agent_id: str) -> str | None:
    """The name that an agent will get that isn't there yet; `None` for one that is."""
    return agent_id.removeprefix(UNMADE) if agent_id.startswith(UNMADE) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What is to be set for an agent; what is `None` stays as it is."""

    description: str | None = None
    tags: tuple[str, ...] | None = None
    system_prompt: str | None = None
    persona: str | None = None
    """The value of its `persona` block, which becomes its own where it was shared."""
    model: str | None = None
    """Empty: none."""
    context_tokens: int | None = None
    """0: as many as the process's settings say."""
    tool_rules: tuple[ToolRule, ...] | None = None

    def require(self) -> "AgentSettings":
        """The same as it may be stored: redacted.

        Raises:
            InvalidInput: some of it cannot.
        """
        if self.tags is not None:
            require_tags(list(self.tags))
        check_text(self.description or "", "the description", DESCRIPTION_CHARS_MAX)
        check_text(self.system_prompt or "", "the system prompt", SYSTEM_PROMPT_CHARS_MAX)
        check_text(self.model or "", "the model's name", MODEL_CHARS_MAX)
        return replace(
            self,
            description=_redacted(self.description),
            tags=None if self.tags is None else tuple(map(redact, self.tags)),
            system_prompt=_redacted(self.system_prompt),
            persona=_redacted(self.persona),
        )


def _redacted(text: str | None) -> str | None:
    return None if text is None else redact(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What goes with an agent when it is deleted, in numbers."""

    blocks: int
    """Those that no other agent has."""
    messages: int
    conversations: int
    passages: int
    unread: int
    """Mail that came to it and that it has not seen."""


@dataclass(frozen=True, slots=True)
class AgentChoice:
    """How a process or an address chose its agent: by name, or by project folder."""

    name: str | None = None
    project: str | None = None
    formerly: tuple[str, ...] = ()
    """Folders that aren't there any more: an agent made for one of them goes first."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An agent that has another project now."""

    agent: Agent
    gave_way: Agent | None = None
    """The agent that had it, which was empty and was deleted."""


def require_agent_name(name: str) -> str:
    """An agent's name: one line, at most 100 characters, usable in an address.

    Raises:
        InvalidInput: it is none.
    """
    trimmed = require_name(name, "the agent's name")
    if any(char in trimmed for char in _RESERVED):
        raise InvalidInput(f"the agent's name {trimmed!r} may not hold / \\ ? # or %.")
    return trimmed


def require_new_name(name: str) -> str:
    """The name of an agent that is to be made: one by which it can be told from all others.

    Raises:
        InvalidInput: it is none.
    """
    wanted = require_agent_name(name)
    if name_key(wanted) in RESERVED_NAMES:
        raise InvalidInput(
            f"no agent can be called {wanted!r}: mail to 'shadow' goes to the shadow agent; choose "
            "another name."
        )
    return wanted


def project_agent_names(project: str) -> tuple[str, str]:
    """The name an agent for the folder `project` gets, and the one it gets if that is taken."""
    usable = [
        char for char in PurePath(project).name if char.isprintable() and char not in _RESERVED
    ]
    plain = "".join(usable)[:80].strip() or "project"
    digest = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return plain, f"{plain}-{digest}"
