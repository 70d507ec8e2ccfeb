"""One build's year, for `bench/year.py`; only what both builds have is used."""

import asyncio
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from memory_mcp.app import open_services
from memory_mcp.config import load_settings
from memory_mcp.domain.agents import AgentSettings
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.storage.sqlite.driver import sqlite_module

QUARTER_DAYS = 91
LINES = 60


class Calendar:
    """A clock that the year moves on."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, 8, tzinfo=UTC)

    def now(self) -> datetime:
        """The moment it shows."""
        return self.at


def sizes(store: Path, day: int) -> dict[str, Any]:
    """Bytes of the files, and of what each table's rows hold."""
    connection = sqlite_module().connect(store)
    tables: dict[str, int] = {}
    names = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
    ).fetchall()
    for (name,) in names:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        each = " + ".join(f'coalesce(length(CAST("{column}" AS BLOB)), 0)' for column in columns)
        (number,) = connection.execute(f"SELECT sum({each}) FROM {name}").fetchone()
        tables[name] = number or 0
    connection.close()
    log = store.with_name(f"{store.name}-wal")
    return {
        "day": day,
        "file": store.stat().st_size,
        "log": log.stat().st_size if log.exists() else 0,
        "tables": tables,
    }


async def live(store: Path, days: int, calls: int) -> None:
    """Every day the same, and the figures at the end of each quarter."""
    chance, clock = random.Random(1), Calendar()
    settings = load_settings(database=str(store), environment={"MEMORY_MCP_EMBEDDER": "none"})
    async with open_services(settings, clock=clock) as services:
        agent = await services.agents.create("busy", AgentSettings())
        lines = [f"line {number} {'of the block ' * 4}" for number in range(LINES)]
        reader = None
        for day in range(1, days + 1):
            for call in range(calls):
                clock.at += timedelta(seconds=86_400 / calls / 2)
                lines[chance.randrange(LINES)] = f"{day} {call} {'of the block ' * 4}"
                await services.core_memory.set(agent.id, "persona", "\n".join(lines), None)
                text = f"passage {day} {call} about {chance.random()}"
                await services.archival.file(agent.id, [NewPassage(content=text)])
                said = NewMessage(
                    conversation=f"day-{day}", role="user", content=text, created_at=clock.at
                )
                await services.recall.append(agent.id, [said])
            if reader is not None:
                reader.close()
                reader = None
            elif day % 10 == 0:
                reader = sqlite_module().connect(store, isolation_level=None)
                reader.execute("BEGIN")
                reader.execute("SELECT 1 FROM sqlite_schema").fetchone()
            clock.at += timedelta(hours=12)
            await services.upkeep.round(rested=False)
            await services.housekeeping.run()
            if day % QUARTER_DAYS == 0 or day == days:
                print(json.dumps(sizes(store, day)), flush=True)


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
