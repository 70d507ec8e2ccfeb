"""The composition root: the one place that knows which adapter stands behind which port."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

from anyio import to_thread

from memory_mcp.app.encryption import key_of, settle
from memory_mcp.beside import FilesBeside
from memory_mcp.config import Settings
from memory_mcp.domain.redact import put_in_force
from memory_mcp.domain.runs import Caps
from memory_mcp.embedding.processes import ProcessEmbedder
from memory_mcp.embedding.static import StaticEmbedder
from memory_mcp.llm.tokens import Tokens
from memory_mcp.ports import Clock, Embedder, Stores
from memory_mcp.rendezvous import Rendezvous
from memory_mcp.services import Services
from memory_mcp.services.archival import Archival
from memory_mcp.services.capture import Capture
from memory_mcp.services.copies import Copies
from memory_mcp.services.core_memory import CoreMemory
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.forgetting import Forgetting
from memory_mcp.services.housekeeping import Housekeeping
from memory_mcp.services.indexing import Indexing
from memory_mcp.services.ledger import Ledger, Policy
from memory_mcp.services.mail import Mail
from memory_mcp.services.presence import Presence
from memory_mcp.services.recall import Recall
from memory_mcp.services.requests import Requests
from memory_mcp.services.upkeep import Upkeep
from memory_mcp.services.view import View
from memory_mcp.snapshots import Snapshots
from memory_mcp.storage.sqlite.agents import SqliteAgents
from memory_mcp.storage.sqlite.blocks import SqliteBlocks
from memory_mcp.storage.sqlite.copies import SqliteCopies
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import (
    WAL_RESET_FIXED,
    sqlite_module,
    sqlite_version,
    vec_extension,
)
from memory_mcp.storage.sqlite.forgetting import SqliteForgetting
from memory_mcp.storage.sqlite.host_sessions import SqliteHostSessions
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.leases import SqliteLeases
from memory_mcp.storage.sqlite.mail import SqliteMail
from memory_mcp.storage.sqlite.messages import SqliteMessages
from memory_mcp.storage.sqlite.migrations import known_migrations
from memory_mcp.storage.sqlite.outbox import SqliteOutbox
from memory_mcp.storage.sqlite.passages import SqlitePassages
from memory_mcp.storage.sqlite.presence import SqlitePresence
from memory_mcp.storage.sqlite.runs import SqliteRuns
from memory_mcp.storage.sqlite.soundness import problems
from memory_mcp.storage.sqlite.statistics import SqliteStatistics
from memory_mcp.storage.sqlite.summaries import SqliteSummaries
from memory_mcp.storage.sqlite.terms import begin_term
from memory_mcp.storage.sqlite.upkeep import SqliteUpkeep
from memory_mcp.storage.sqlite.visits import SqliteVisits


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
    bulk: bool = False,
    is_alone: Callable[[], bool] | None = None,
    takes_over: bool = False,
) -> AsyncGenerator[Services]:
    """Open the store and everything on it; close it in reverse.

    `bulk` is for an import: the log is folded less often, and vectors are made on every core.
    `is_alone` is for the daemon: says whether its lock is still its own, and `takes_over` that
    there may be another one, which must not write any more.

    Raises:
        StoreError: the store cannot be used; the text says why and what to do.
    """
    terms = is_alone, takes_over
    async with open_all(settings, clock, embedder, bulk=bulk, terms=terms) as (services, _):
        yield services


@asynccontextmanager
async def open_all(
    settings: Settings,
    clock: Clock | None,
    embedder: Embedder | None,
    *,
    bulk: bool = False,
    terms: tuple[Callable[[], bool] | None, bool] = (None, False),
) -> AsyncGenerator[tuple[Services, Stores]]:
    """The services, and the stores behind them.

    Raises:
        StoreError: the store cannot be used; the text says why and what to do.
    """
    clock = clock or SystemClock()
    if embedder is None and settings.embedder == "static":
        embedder = StaticEmbedder()
    put_in_force(settings.redaction)
    snapshots = Snapshots(str(settings.database))
    snapshots.clear(stale=True)  # of a process that was killed
    key = await to_thread.run_sync(key_of, settings)
    database = await Database.open(settings.database, key=key, bulk=bulk)
    database.after_commit = snapshots.clear
    is_alone, takes_over = terms
    try:
        if is_alone is not None:
            await begin_term(database, is_alone, takes_over=takes_over)
        encryption = await settle(database, Rendezvous(str(settings.database)))
        indexes = Indexes(database, embedder.name if embedder else None)
        await indexes.prepare()
        everywhere = ProcessEmbedder() if bulk and isinstance(embedder, StaticEmbedder) else None
        indexing = Indexing(indexes, embedder, everywhere)
        tokens = Tokens()
        agents = SqliteAgents(database, clock)
        blocks = SqliteBlocks(database, indexes, clock)
        messages = SqliteMessages(database, indexes, clock)
        summaries = SqliteSummaries(database, clock)
        runs = SqliteRuns(database, indexes, clock, settings.zone)
        leases = SqliteLeases(database, clock)
        removed = SqliteForgetting(database, indexes, clock)
        statistics = SqliteStatistics(database, indexes, clock)
        mail = SqliteMail(database, clock)
        outbox = SqliteOutbox(database)
        limit = settings.context_tokens
        eviction = Eviction(agents, blocks, messages, summaries, tokens, limit, settings.zone)
        beside = FilesBeside(settings.database)
        forgetting = Forgetting(removed, beside, agents, indexing, eviction, clock)
        upkeep = Upkeep(agents, SqliteUpkeep(database, indexes, clock), removed)
        policy = _policy(settings)
        ledger = Ledger(runs, leases, summaries, mail, policy, clock, settings.zone)
        requests = Requests(ledger, forgetting, upkeep, eviction, settings.zone)
        core_memory = CoreMemory(blocks, indexing, eviction)
        recall = Recall(messages, indexing, eviction)
        view = View(blocks, messages, summaries, statistics, eviction, indexing, tokens, clock)
        services = Services(
            agents=agents,
            copies=Copies(SqliteCopies(database, clock)),
            core_memory=core_memory,
            recall=recall,
            eviction=eviction,
            archival=Archival(SqlitePassages(database, indexes, clock), indexing),
            capture=Capture(SqliteHostSessions(database, clock), recall, core_memory, view),
            view=view,
            forgetting=forgetting,
            upkeep=upkeep,
            indexing=indexing,
            ledger=ledger,
            requests=requests,
            outbox=outbox,
            mail=Mail(
                mail,
                agents,
                outbox,
                is_resident=lambda agent: bool(agent.model) and policy is not None,
                ask_shadow=requests.answer,
            ),
            presence=Presence(SqlitePresence(database, clock)),
            visits=SqliteVisits(database, clock),
            housekeeping=Housekeeping(agents, mail, ledger, clock),
            tokens=tokens,
            clock=clock,
            zone=settings.zone,
            encryption=encryption,
        )
        yield (
            services,
            Stores(runs=runs, messages=messages, summaries=summaries, mail=mail, leases=leases),
        )
    finally:
        await database.close()


def _policy(settings: Settings) -> Policy | None:
    if (model := settings.model) is None:
        return None
    caps = Caps(run_tokens=model.run_tokens, day_tokens=model.day_tokens, day_usd=model.day_usd)
    return Policy(model=model.name, caps=caps, reflect_turns=model.reflect_turns)


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
    key = await to_thread.run_sync(key_of, settings)
    database = await Database.open(settings.database, key=key)
    try:
        return await problems(database)
    finally:
        await database.close()


def could_be_made(path: Path) -> bool:
    """Whether a store could be made at a path where there is none; nothing is left there."""
    around = next((each for each in path.parents if each.exists()), path.parent)
    try:
        with TemporaryFile(dir=around):
            return True
    except OSError:
        return False


def schema_version() -> int:
    """The schema that every store has once it was opened."""
    return known_migrations()[-1].version


def check_embedder() -> None:
    """Compare the embedding table with its checksum.

    Raises:
        EmbedderError: it is missing or damaged.
    """
    StaticEmbedder().verify()
