"""The composition root: the one place that knows which adapter stands behind which port."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from memory_mcp.config import Settings
from memory_mcp.embedding.static import StaticEmbedder
from memory_mcp.llm.tokens import Tokens
from memory_mcp.ports import Clock, Embedder
from memory_mcp.services import Services
from memory_mcp.services.archival import Archival
from memory_mcp.services.capture import Capture
from memory_mcp.services.core_memory import CoreMemory
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.indexing import Indexing
from memory_mcp.services.recall import Recall
from memory_mcp.services.view import View
from memory_mcp.storage.sqlite.agents import SqliteAgents
from memory_mcp.storage.sqlite.blocks import SqliteBlocks
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import (
    WAL_RESET_FIXED,
    sqlite_module,
    sqlite_version,
    vec_extension,
)
from memory_mcp.storage.sqlite.host_sessions import SqliteHostSessions
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.messages import SqliteMessages
from memory_mcp.storage.sqlite.outbox import SqliteOutbox
from memory_mcp.storage.sqlite.passages import SqlitePassages
from memory_mcp.storage.sqlite.soundness import problems
from memory_mcp.storage.sqlite.statistics import SqliteStatistics
from memory_mcp.storage.sqlite.summaries import SqliteSummaries


class SystemClock:
    """The `Clock` port."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    clock: Clock | None = None,
    embedder: Embedder | None = None,
) -> AsyncGenerator[Services]:
    """Open the store and everything on it; close it in reverse.

    Raises:
        StoreError: the store cannot be used; the text says why and what to do.
    """
    clock = clock or SystemClock()
    if embedder is None and settings.embedder == "static":
        embedder = StaticEmbedder()
    database = await Database.open(settings.database)
    try:
        indexes = Indexes(database, embedder.name if embedder else None)
        await indexes.prepare()
        indexing = Indexing(indexes, embedder)
        tokens = Tokens()
        agents = SqliteAgents(database, clock)
        blocks = SqliteBlocks(database, indexes, clock)
        messages = SqliteMessages(database, indexes, clock)
        summaries = SqliteSummaries(database, clock)
        statistics = SqliteStatistics(database, indexes)
        eviction = Eviction(agents, blocks, messages, summaries, tokens, settings.context_tokens)
        core_memory = CoreMemory(blocks, indexing, eviction)
        recall = Recall(messages, indexing, eviction)
        view = View(blocks, messages, summaries, statistics, eviction, indexing, tokens, clock)
        yield Services(
            agents=agents,
            core_memory=core_memory,
            recall=recall,
            eviction=eviction,
            archival=Archival(SqlitePassages(database, indexes, clock), indexing),
            capture=Capture(SqliteHostSessions(database, clock), recall, core_memory, view),
            view=view,
            indexing=indexing,
            outbox=SqliteOutbox(database),
            tokens=tokens,
            clock=clock,
        )
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class SqliteBuild:
    """The SQLite this Python runs on."""

    module: str
    version: str
    loads_extensions: bool
    safe_for_processes: bool


def sqlite_build() -> SqliteBuild:
    """Which SQLite there is, and what it can do."""
    module = sqlite_module()
    return SqliteBuild(
        module=module.__name__.partition(".")[0],
        version=module.sqlite_version,
        loads_extensions=vec_extension() is not None,
        safe_for_processes=sqlite_version() >= WAL_RESET_FIXED,
    )


async def check_store(settings: Settings) -> list[str]:
    """What is wrong with the store's file or indexes, in words; empty when nothing is."""
    database = await Database.open(settings.database)
    try:
        return await problems(database)
    finally:
        await database.close()


def check_embedder() -> None:
    """Compare the embedding table with its checksum.

    Raises:
        EmbedderError: it is missing or damaged.
    """
    StaticEmbedder().verify()
