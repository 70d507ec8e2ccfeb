"""Whoever sends a secret through a tool is told that it was masked, and finds the mask."""

from typing import Any

import anyio
import pytest
from tests.server.connecting import WAIT_SECONDS, Connect, tell

TOKEN = "ghp_" + "Ab3dEf9hIj" * 4
SAID = f"The token is {TOKEN}, and DB_PASSWORD=Kestrel42!Marble"
TOLD = (
    "2 secrets were masked (GitHub token, password): in their place memory keeps "
    "[redacted: GitHub token]."
)

WRITES: list[tuple[str, dict[str, Any]]] = [
    ("core_memory_append", {"label": "human", "content": SAID}),
    ("core_memory_replace", {"label": "human", "new_content": SAID}),
    ("archival_insert", {"content": "A fact.", "tags": [TOKEN, "PGPASSWORD=Kestrel42!Marble"]}),
    ("archival_insert", {"content": SAID}),
    ("conversation_append", {"role": "user", "content": SAID}),
    ("send_to_agent", {"message": SAID, "to": "another"}),
]


@pytest.mark.parametrize(("tool", "arguments"), WRITES)
async def test_the_answer_of_a_tool_says_what_was_masked(
    connect_in_memory: Connect, tool: str, arguments: dict[str, Any]
) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with connect_in_memory() as client, connect_in_memory("another") as other:
            await tell(other, "core_memory_append", label="project", content="Tides.")
            answer = await tell(client, tool, **arguments)
            plain = await tell(client, "core_memory_append", label="human", content="No secret.")

    assert TOLD in answer
    assert TOKEN not in answer
    assert "masked" not in plain


async def test_a_search_for_a_secret_is_told_nothing(connect_in_memory: Connect) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with connect_in_memory() as client:
            assert "masked" not in await tell(client, "archival_search", query=TOKEN)
