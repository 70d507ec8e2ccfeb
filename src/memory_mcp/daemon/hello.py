"""The first line of a connection, checked: anybody may have written it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_mcp import __version__
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.texts import clip
from memory_mcp.hosts import codex
from memory_mcp.rendezvous import PROTOCOL, newer
from memory_mcp.server.memos import Memo, memo_in


class Hello(BaseModel):
    """What somebody wants of the daemon. What a newer one says besides is passed over."""

    model_config = ConfigDict(strict=True)

    protocol: int
    version: str = Field(max_length=100)
    role: Literal["session", "command", "hook", "status", "stop"]
    pid: int
    token: str | None = None
    proof: str | None = Field(default=None, max_length=200)
    folder: str | None = None
    environment: dict[str, str] = {}
    agent: str | None = None
    tools: str | None = None
    structured: bool = False
    hooks: str | None = Field(default=None, max_length=40)
    project_by: str | None = None
    session: str | None = Field(default=None, max_length=100)
    memo: str | None = None
    had_store: bool = False
    """Whether its session was served from the store already, so that no new one is made for it."""
    news: str = Field(default="", max_length=1_000)
    """What happened to its daemon or its store meanwhile, for its next answer."""
    command: str = ""
    spooled: str = Field(default="", max_length=100)
    arguments: dict[str, Any] = {}

    def settings(self, database: Path) -> Settings:
        """How its sender wants to be served.

        Raises:
            InvalidInput: one of its settings cannot be meant.
        """
        settings = load_settings(
            database=str(database),
            agent=self.agent,
            tools=self.tools,
            structured=self.structured,
            hooks=self.hooks,
            project_by=self.project_by,
            environment=self.environment,
            folder=Path(self.folder or os.sep),  # `/` is no project; ours is not the session's
        )
        if settings.hooks == codex.HOST.name:
            return replace(settings, hooks_are_trusted=codex.trusts_hooks(self.environment))
        return settings

    def remembered(self) -> Memo | None:
        """What its last life left with its bridge, if that can be read."""
        return memo_in(self.memo)


def heard(line: bytes) -> Hello | str:
    """The hello in a line, or what is wrong with it."""
    try:
        hello = Hello.model_validate_json(line)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        return f"this is no hello of a memory-mcp: {clip(where, 40)} {clip(problem['msg'], 120)}"
    if hello.role != "stop" and hello.protocol != PROTOCOL:
        older = hello.protocol < PROTOCOL or newer(__version__, hello.version)
        mend = "Upgrade it, or" if older else "Run memory-mcp daemon restart with it, or"
        return (
            f"this memory-mcp is version {clip(hello.version, 20)} and the daemon {__version__}; "
            f"they don't understand each other. {mend} serve with --in-process"
        )
    return hello
