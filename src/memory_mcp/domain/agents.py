"""Agents: who owns memory, and which of them a process speaks for."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.texts import require_name
from memory_mcp.domain.tool_rules import ToolRule

DEFAULT_AGENT = "default"
_RESERVED = "/\\?#%"


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


@dataclass(frozen=True, slots=True)
class AgentChoice:
    """How a process or an address chose its agent: by name, or by project folder."""

    name: str | None = None
    project: str | None = None


def require_agent_name(name: str) -> str:
    """An agent's name: one line, at most 100 characters, usable in an address.

    Raises:
        InvalidInput: it is none.
    """
    trimmed = require_name(name, "the agent's name")
    if any(char in trimmed for char in _RESERVED):
        raise InvalidInput(f"the agent's name {trimmed!r} may not hold / \\ ? # or %.")
    return trimmed


def project_agent_names(project: str) -> tuple[str, str]:
    """The name an agent for the folder `project` gets, and the one it gets if that is taken."""
    usable = [
        char for char in PurePath(project).name if char.isprintable() and char not in _RESERVED
    ]
    plain = "".join(usable)[:80].strip() or "project"
    digest = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return plain, f"{plain}-{digest}"
