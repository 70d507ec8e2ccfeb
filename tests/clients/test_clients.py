"""Every client library lists, calls and reads everything, against the real server.

They are no part of the default run: `just clients` makes their environments and runs them.
"""

from pathlib import Path

import pytest
from tests.acceptance.processes import http_server
from tests.clients.libraries import CALLS, LIBRARIES, Library, Played, scratch_folder
from tests.clients.table import Seen, keep

from memory_mcp.server.tools import TOOL_SETS, names_of

pytestmark = pytest.mark.clients

RESOURCES = {
    "memory://context",
    "memory://blocks",
    "memory://stats",
    "memory://inbox",
    "memory://agents",
    "memory://conversations",
    "memory://shadow/runs",
    "memory://payload",
}
SAYS = {
    "archival_insert": "Stored; 1 passage in archival memory.",
    "archival_search": "1 passage",
    "core_memory_append": "now reads:",
    "core_memory_replace": "Goal: a tide calendar.",
    "conversation_append": "Recorded; 1 message in recall.",
    "conversation_search": "message",
    "send_to_agent": "neither to nor tags was given; nothing was sent.",
}
"""What each answer says of a call without its optional arguments; nothing else is a success."""
TOTALS = ('"total":', "'total':", '\\"total\\":')
"""A field of the structure, however a library writes it down."""
EMPTY_OLD_CONTENT = "old_content is empty, which says no place; nothing was changed."


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.name)
def library(request: pytest.FixtureRequest) -> Library:
    """One library that is installed."""
    found: Library = request.param
    if not found.is_installed(scratch_folder()):
        pytest.skip(f"{found.name} is not installed; `just clients` does it")
    return found


def check(library: Library, played: Played) -> None:
    """Everything was listed, called and read."""
    assert set(played.tools) >= set(CALLS)
    for tool, text in SAYS.items():
        if tool == "core_memory_replace" and "--strict" in library.options:
            text = EMPTY_OLD_CONTENT  # a model that must fill it in, and left it empty
        assert text in played.answers[tool], f"{tool}: {played.answers[tool]}"
    if library.has_resources:
        assert set(played.resources) == RESOURCES
        assert all(played.resources.values())


def test_it_lists_calls_and_reads_everything_over_stdio(library: Library, tmp_path: Path) -> None:
    played = library.play(scratch_folder(), tmp_path / "memory.db")
    check(library, played)

    both = library.play(scratch_folder(), tmp_path / "another.db", "--structured")
    found = both.answers["archival_search"]
    seen = Seen(
        name=library.name,
        version=played.version,
        sends=library.sends,
        text="1 of 1 passage" in found,
        structure=any(one in found for one in TOTALS),
        resources=len(played.resources),
        note=played.note,
    )
    assert "1 of 1 passage" in played.answers["archival_search"]
    keep(scratch_folder(), seen)


def test_it_does_so_over_http(library: Library, tmp_path: Path) -> None:
    with http_server(tmp_path / "memory.db", "--tools", "capture") as server:
        check(
            library,
            library.play(scratch_folder(), tmp_path / "memory.db", url=f"{server.url}/mcp"),
        )


def test_every_tool_there_is_is_called() -> None:
    assert set(CALLS) == set(SAYS) == set(names_of(list(TOOL_SETS)))
