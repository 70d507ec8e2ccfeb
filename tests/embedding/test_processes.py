"""The embedder in processes of its own."""

from pathlib import Path

import pytest

from memory_mcp.app import open_services
from memory_mcp.config import Settings
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import EmbedderGone
from memory_mcp.domain.passages import NewPassage, coming
from memory_mcp.domain.vectors import Packed, packed
from memory_mcp.embedding.processes import ProcessEmbedder
from memory_mcp.embedding.static import StaticEmbedder
from memory_mcp.services.indexing import BULK_ROWS

TEXTS = ["The tides of Porto.", "?!", "東京の潮"]


async def test_its_vectors_are_those_of_the_embedder_itself() -> None:
    embedder = ProcessEmbedder()

    async with embedder.running():
        made = await embedder.embed(TEXTS)

    assert made == packed(StaticEmbedder().embed(TEXTS))


async def test_no_file_of_the_working_folder_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("anyio.py", "pickle.py", "memory_mcp.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    embedder = ProcessEmbedder()

    async with embedder.running():
        assert len(await embedder.embed(TEXTS)) == len(TEXTS)

    assert not (tmp_path / "ran").exists()


async def test_where_its_processes_are_ended_the_rest_is_made_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_: ProcessEmbedder, texts: list[str]) -> list[Packed]:
        raise EmbedderGone(f"no process for {len(texts)} texts")

    monkeypatch.setattr(ProcessEmbedder, "embed", gone)
    rows = 2 * BULK_ROWS + 100
    settings = Settings(
        database=tmp_path / "memory.db", agent=AgentChoice(name="a"), embedder="static"
    )
    async with open_services(settings, bulk=True) as services:
        agent_id = (await services.agents.choose(settings.agent)).id
        await services.archival.take_in(
            agent_id, [coming(NewPassage(content=f"note {n}")) for n in range(rows)]
        )

        assert await services.indexing.catch_up() == rows
        assert (await services.view.statistics(agent_id)).index.waiting == 0
