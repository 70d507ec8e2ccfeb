"""What is compared: a server that can be started, and how its tools are called."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.corpus import Passage, Query
from bench.stdio_client import StdioClient

EMPTY_SERVER = Path(__file__).with_name("floors") / "empty_server.py"
CONFIGURING = ("MEMORY_MCP_", "CLAUDE_")
#: Inherited by everything this run starts, daemons included, and by nothing else.
RUN_MARK = {"BENCH_RUN": f"{os.getpid()}-{time.time_ns()}"}

ToolCall = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One MCP server on one store."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    insert: Callable[[Passage], ToolCall]
    search: Callable[[Query], ToolCall]
    #: Every text in the store, read behind the server's back.
    stored: Callable[[], list[str]]

    def start(self, *, timeout_s: float = 60.0) -> StdioClient:
        return StdioClient(self.command, self.environment, timeout_s=timeout_s)


def empty_server() -> Contender:
    """The floor: the SDK alone, with one tool that does nothing."""
    return Contender(
        name="empty MCPServer",
        command=(sys.executable, str(EMPTY_SERVER)),
        environment=environment(),
        insert=lambda _: ("nothing", {}),
        search=lambda _: ("nothing", {}),
        stored=list,
    )


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would configure a server, with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not _configures(name)}
    return kept | RUN_MARK | extra


def _configures(name: str) -> bool:
    return name.startswith(CONFIGURING)
