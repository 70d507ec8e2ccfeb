"""The store: can it be used, do its indexes fit, what waits for a worker, what hooks left."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from memory_mcp.app import check_store, could_be_made, schema_version
from memory_mcp.capture.intake import LOOK_SECONDS, Intake, spooled
from memory_mcp.cli.doctor.finding import Finding
from memory_mcp.config import Settings
from memory_mcp.domain.errors import MemoryMCPError
from memory_mcp.domain.texts import counted
from memory_mcp.domain.times import age
from memory_mcp.rendezvous import Rendezvous
from memory_mcp.services import Services

REPAIR = "memory-mcp doctor --repair"
RESTORE = (
    "the disk or the memory of this machine is at fault: save what there is with memory-mcp export "
    "jsonl FILE --all, then memory-mcp restore BACKUP"
)
CHANGED = ("not what was stored", "are damaged")


def not_there(settings: Settings) -> Finding:
    """A store that nobody needed yet; looking makes none."""
    path = settings.database
    if not could_be_made(path):
        cure = "choose another place, with --database or MEMORY_MCP_DATABASE"
        return Finding("store", "wrong", f"the store {path} cannot be made", cure)
    return Finding("store", "ok", f"there is no store {path} yet; the first session makes it")


async def look(
    services: Services, settings: Settings, *, rebuild: bool, repair: bool
) -> AsyncIterator[Finding]:
    """The open store; with `repair` what can be mended from its own texts is."""
    if services.upkeep.is_read_only:
        told = f"the store {settings.database} can be read and not be written"
        yield Finding("store", "wrong", told, "the warning above says why; nothing can be stored")
    else:
        told = f"the store {settings.database} can be opened and written"
        yield Finding("store", "ok", f"{told} (schema {schema_version()})")
    yield _encryption(services, settings)
    problems = await check_store(settings)
    mends = repair and problems and not _is_damaged(problems)
    other = settings.embedder != "none" and (await _index_note(services, settings)) is not None
    if rebuild or mends or (repair and other):
        made = await services.indexing.rebuild()
        yield Finding("indexes", "ok", f"the indexes were made anew, with {made:,} vectors")
        problems = await check_store(settings)
    agent = await services.agents.find(settings.agent)
    state = (await services.view.statistics(agent.id)).index
    if state.note is None:
        told = f"search runs on {state.embedder}, {state.waiting:,} rows waiting"
        yield Finding("search", "ok", told)
    elif settings.embedder == "none":
        yield Finding("search", "note", state.note)
    else:
        yield Finding("search", "wrong", state.note, REPAIR)
    if not problems:
        yield Finding("soundness", "ok", "SQLite finds the store sound, and every text as stored")
    elif any(line.endswith(CHANGED) for line in problems):
        told = "; ".join(problems)
        yield Finding("soundness", "wrong", told, RESTORE)
    elif _is_damaged(problems):
        cure = "end every session, copy the file, and save what can be read with SQLite's .recover"
        yield Finding("soundness", "wrong", "; ".join(problems), cure)
    else:
        yield Finding("soundness", "wrong", "; ".join(problems), REPAIR)
    yield await _shadow(services)
    async for finding in _spool(services, settings, repair=repair):
        yield finding


def _encryption(services: Services, settings: Settings) -> Finding:
    if (encryption := services.encryption) is not None:
        told = f"the store is encrypted by {encryption.cipher}; its key: {encryption.source}"
        return Finding("encryption", "ok", told)
    key_file = settings.usual_key_file
    if key_file is not None and key_file.exists():
        told = f"there is a key file {key_file}, but the store is not encrypted"
        return Finding("encryption", "note", told, "memory-mcp rekey")
    return Finding("encryption", "ok", "the store is not encrypted")


def _is_damaged(problems: list[str]) -> bool:
    """Whether it is the file itself, which no index made anew can mend."""
    return any(
        (line.startswith("SQLite: ") and "fts5" not in line.lower()) or line.endswith(CHANGED)
        for line in problems
    )


async def _index_note(services: Services, settings: Settings) -> str | None:
    agent = await services.agents.find(settings.agent)
    return (await services.view.statistics(agent.id)).index.note


async def _shadow(services: Services) -> Finding:
    state = await services.ledger.state()
    told = f"the shadow agent is {state.doing}"
    if state.last_run_state == "failed":
        return Finding("worker", "note", f"{told}; its last run failed", "memory-mcp shadow runs")
    return Finding("worker", "ok", told)


async def _spool(services: Services, settings: Settings, *, repair: bool) -> AsyncIterator[Finding]:
    rendezvous = Rendezvous(str(settings.database))
    lies = spooled(rendezvous.spool)
    served = rendezvous.is_held()
    if lies.waiting and repair and not served:
        intake = Intake(services, Path(settings.database), rendezvous.spool)
        try:
            await intake.sweep()
        except MemoryMCPError as error:
            yield Finding("spool", "wrong", f"what hooks left cannot be stored: {error}")
        taken, lies = lies.waiting, spooled(rendezvous.spool)
        if taken > lies.waiting:
            told = f"stored just now: {counted(taken - lies.waiting, 'call')} of hooks"
            yield Finding("spool", "ok", told)
    if lies.since is not None:
        since = age(datetime.fromtimestamp(lies.since, UTC), services.clock.now())
        told = f"waiting to be stored: {counted(lies.waiting, 'call')} of hooks, the oldest {since}"
        if served and time.time() - lies.since > 2 * LOOK_SECONDS:
            cure = f"memory-mcp daemon restart (its log: {rendezvous.log})"
            yield Finding("spool", "wrong", told, cure)
        else:
            yield Finding("spool", "note", told, f"the next session stores them, or {REPAIR}")
    elif not lies.refused:
        yield Finding("spool", "ok", "nothing that hooks told waits to be stored")
    if lies.refused:
        told = f"not understood, and put aside: {counted(lies.refused, 'call')} of hooks"
        yield Finding("spool", "note", told, f"look at {rendezvous.spool}, then delete *.refused")
