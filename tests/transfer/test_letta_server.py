"""A running Letta server: everything of every agent comes in, once, or is named with the reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.transfer.conftest import DATA, bring_into
from tests.transfer.letta_server import Letta, serving
from tests.transfer.test_agent_file import held

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import ImportRefused
from memory_mcp.services import Services
from memory_mcp.testing import open_memory
from memory_mcp.transfer.formats import FORMATS, items_of, source_of
from memory_mcp.transfer.importing import import_items
from memory_mcp.transfer.letta import client
from memory_mcp.transfer.report import Report


@pytest.fixture
def letta() -> Iterator[Letta]:
    """A server with four agents: one of the newest kind, two of one name, one with a helper."""
    with serving(Letta()) as served:
        yield served


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited, without that it does."""
    waited: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    return waited


async def visit(
    services: Services,
    address: str,
    *,
    agent: str | None = None,
    token: str | None = None,
    report: Report | None = None,
) -> Report:
    """Import from an address, and tell the closing report."""
    report = report or Report()
    source = source_of("letta", address, report, agent, token)
    items = items_of("letta", source, report)
    host = FORMATS["letta"].host
    await import_items(items, services, AgentChoice(name=agent), report, host=host)
    return report


async def test_everything_of_every_agent_comes_in(letta: Letta, services: Services) -> None:
    report = await visit(services, letta.url)

    told = await held(services)
    assert [name for name, *_ in told["agents"]] == [
        "Okapi",
        "Sam",
        "Sam-42695615",
        "Sleepy",
        "Sleepy-sleeptime",
    ]
    assert sorted(
        (value, [(each, label) for each, label, _ in places])
        for places, value, *_ in told["blocks"]
        if len(places) > 1
    ) == snapshot(
        [
            ("H", [("Sleepy", "human"), ("Sleepy-sleeptime", "human")]),
            ("P", [("Sleepy", "persona"), ("Sleepy-sleeptime", "persona")]),
            ("We ship on Fridays.", [("Okapi", "team"), ("Sam", "team")]),
        ]
    )
    okapi = [(who, text[:32]) for agent, _, who, text in told["messages"] if agent == "Okapi"]
    assert okapi == snapshot(
        [
            ("user", "Hello, where do okapis live?"),
            ("assistant", "Noted, the okapi answers: 91a482"),
            ("user", 'Please CALL {"name": "core_memor'),
            ("assistant", "Noted, the okapi answers: b0392f"),
            ("user", 'Please CALL {"name": "archival_m'),
            ("assistant", "Noted, the okapi answers: 8838ff"),
            ("user", 'Please CALL {"name": "archival_m'),
            ("assistant", "Noted, the okapi answers: 37a178"),
            ("user", 'Please CALL {"name": "conversati'),
            ("assistant", "Noted, the okapi answers: d884ca"),
            ("user", "In another conversation: remembe"),
            ("assistant", "Noted, the okapi answers: c7eaa6"),
        ]
    )
    assert told["passages"] == snapshot(
        [
            ("Okapi", "Passage 0: the gate code is 770.", ["gate", "n0"]),
            ("Okapi", "Passage 1: the gate code is 771.", ["gate", "n1"]),
            ("Okapi", "Passage 2: the gate code is 772.", ["gate", "n2"]),
            ("Okapi", "Okapis live in the Ituri forest.", ["zoo"]),
        ]
    )
    assert dict(report.left_out) == snapshot(
        {
            "setting agent_type": 5,
            "setting llm_config, but for model and context window": 5,
            "setting embedding_config": 5,
            "setting model_settings": 5,
            "setting compaction_settings": 5,
            "setting tool_exec_environment_variables": 1,
            "setting secrets": 1,
            "setting last_stop_reason": 5,
            "setting timezone": 5,
            "setting max_files_open": 5,
            "setting per_file_view_window_char_limit": 5,
            "tool rules on memory tools that are not here": 8,
            "setting enable_sleeptime": 1,
            "compiled prompts": 6,
            "uses of memory tools, whose effect is in memory": 4,
            "thoughts": 2,
            "answers of send_message": 3,
            "heartbeats and logins": 1,
            "identity 'Ana'": 1,
            "groups of agents (all agents here may talk to each other)": 1,
        }
    )
    assert report.is_whole
    agent = await services.agents.named("Okapi")
    assert agent.context_tokens == 24_000


async def test_each_conversation_of_an_agent_is_one(letta: Letta, services: Services) -> None:
    await visit(services, letta.url)

    okapi = await services.agents.named("Okapi")
    told = await services.recall.conversations(okapi.id)
    assert {each.external_id: each.messages for each in told} == snapshot(
        {"letta:Okapi/conv-1592bbac-c650-44de-b483-09bbb1e2716c": 2, "letta:Okapi": 10}
    )


async def test_the_same_server_again_brings_nothing_new(letta: Letta, services: Services) -> None:
    first = await visit(services, letta.url)
    before = await held(services)
    again = await visit(services, f"{letta.url}/v1/")

    assert again.stored == 0
    assert again.known == first.stored
    assert await held(services) == before


async def test_an_agents_file_and_its_server_tell_the_same_messages(
    letta: Letta, tmp_path: Path
) -> None:
    stores: list[dict[str, Any]] = []
    for number, order in enumerate((("file", "server"), ("server", "file"))):
        async with open_memory(tmp_path / f"{number}.db") as services:
            for door in order:
                if door == "file":
                    await bring_into(services, "af", DATA / "letta-0.16.8.af")
                else:
                    await visit(services, letta.url)
            told = await held(services)
            said = [(text, who) for agent, _, who, text in told["messages"] if agent == "Okapi"]
            stores.append({"said": sorted(said), "passages": sorted(told["passages"])})
            assert len(said) == len(set(said)) == 12
    assert stores[0] == stores[1]


async def test_small_pages_and_large_ones_tell_the_same(
    letta: Letta, services: Services, tmp_path: Path
) -> None:
    await visit(services, letta.url)
    letta.largest_page = 1

    async with open_memory(tmp_path / "other.db") as other:
        await visit(other, letta.url)
        assert await held(other) == await held(services)


@pytest.mark.parametrize("page", [1, 3, 1_000])
async def test_a_server_that_gives_the_newest_first_tells_the_same(
    letta: Letta, services: Services, tmp_path: Path, page: int
) -> None:
    await visit(services, letta.url)
    letta.newest_first, letta.largest_page = True, page

    async with open_memory(tmp_path / "other.db") as other:
        await visit(other, letta.url)
        assert await held(other) == await held(services)


async def test_a_message_that_the_server_cannot_tell_costs_that_one_alone(
    letta: Letta, services: Services
) -> None:
    parts = letta.messages("Okapi")
    (broken,) = [each["id"] for each in parts if each.get("content", "").endswith("37a178")]
    letta.broken.add(broken)

    report = await visit(services, letta.url)

    said = [text for agent, *_, text in (await held(services))["messages"] if agent == "Okapi"]
    assert len(said) == 11
    assert said[-1] == "Noted, the okapi answers: c7eaa6"
    assert not any(text.endswith("37a178") for text in said)
    ((place, reason),) = report.bad_places
    assert place.endswith("messages of Okapi")
    assert "import letta-postgres" in reason
    assert not report.is_whole


async def test_a_server_that_ends_midway_leaves_what_came_and_goes_on_another_time(
    letta: Letta, services: Services, tmp_path: Path
) -> None:
    letta.ends_after = 12
    report = Report()
    with pytest.raises(ImportRefused, match="give the same command again"):
        await visit(services, letta.url, report=report)
    assert report.stored > 5
    letta.ends_after = None

    await visit(services, letta.url)

    async with open_memory(tmp_path / "other.db") as other:
        await visit(other, letta.url)
        assert await held(other) == await held(services)


async def test_a_server_that_is_asked_too_often_is_given_time(
    letta: Letta, services: Services, no_waiting: list[float]
) -> None:
    letta.faults = [(429, {"Retry-After": "7"}, b"{}"), (503, {}, b"busy"), (502, {}, b"<html>")]

    report = await visit(services, letta.url)

    assert report.is_whole
    assert no_waiting[:3] == [7, 14, 28]


HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ((200, HTML, b"<html>Sign in</html>"), "answers text/html (status 200) and no JSON"),
        (
            (302, {"Location": "https://elsewhere.example/login"}, b""),
            "sends us on to https://else",
        ),
        ((403, {}, b"no"), "wants a token (status 403). Put the server's password"),
        ((404, {}, b"nothing here"), "a proxy or another program stands there"),
    ],
    ids=["page", "redirect", "forbidden", "other program"],
)
async def test_what_is_no_letta_server_is_said_to_be_none(
    letta: Letta, services: Services, fault: tuple[int, dict[str, str], bytes], told: str
) -> None:
    letta.faults = [fault] * 3

    with pytest.raises(ImportRefused) as refused:
        await visit(services, letta.url)

    assert told in str(refused.value)


async def test_a_limit_that_does_not_end_is_told(letta: Letta, services: Services) -> None:
    letta.faults = [(429, {}, b"{}")] * 10

    with pytest.raises(ImportRefused, match="lets nobody ask so often"):
        await visit(services, letta.url)


async def test_a_server_of_another_kind_has_no_agents_to_read(
    letta: Letta, services: Services
) -> None:
    letta.told = {"health/": {"version": "2.0"}, "lists": {}}

    with pytest.raises(ImportRefused, match="no list of agents as Letta's V1 servers have"):
        await visit(services, letta.url)

    letta.told["lists"]["agents/"] = []
    with pytest.raises(ImportRefused, match=r"holds no agent that can be read \(Letta 2.0\)"):
        await visit(services, letta.url)


async def test_a_password_is_sent_where_one_is_wanted_and_never_told(
    letta: Letta, services: Services
) -> None:
    letta.password = "s3cret-s3cret"

    with pytest.raises(ImportRefused, match="wants a token"):
        await visit(services, letta.url)
    with pytest.raises(ImportRefused, match="does not take the token") as refused:
        await visit(services, letta.url, token="not-this-one")
    report = await visit(services, letta.url, token=letta.password)

    assert "not-this-one" not in str(refused.value)
    assert report.nouns["agent"] == 5
    assert "s3cret" not in repr(report)


async def test_an_address_where_nobody_answers_says_so(services: Services) -> None:
    with serving(Letta()) as gone:
        address = gone.url
    with pytest.raises(ImportRefused, match="does not answer"):
        await visit(services, address)


@pytest.mark.parametrize(
    "address", ["memory.af", "ftp://localhost", "http://", "http://[::1", "http://a:port"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ImportRefused, match="address"):
        source_of("letta", address, Report())


def test_an_address_for_a_format_of_files_is_told_where_to_go() -> None:
    with pytest.raises(ImportRefused, match="memory-mcp import letta ADDRESS"):
        source_of("af", "http://localhost:8283", Report())


async def test_only_the_address_that_was_named_is_asked_and_only_to_tell(
    letta: Letta, services: Services
) -> None:
    await visit(services, letta.url)

    assert all(path.startswith("/v1/") for path in letta.asked)


async def test_a_server_of_several_agents_is_not_renamed_to_one(
    letta: Letta, services: Services
) -> None:
    with pytest.raises(ImportRefused, match="has 5 agents; --agent can rename only one"):
        await visit(services, letta.url, agent="one")


async def test_older_servers_know_fewer_lists(letta: Letta, services: Services) -> None:
    lists = letta.lists
    for path in [each for each in lists if each.startswith(("conversations", "archives", "mcp"))]:
        del lists[path]
    lists["sources/"] = [{"id": "source-1", "name": "handbook"}]
    del lists["folders/"]

    report = await visit(services, letta.url)

    assert report.is_whole
    assert report.left_out["source 'handbook'"] == 1
    assert report.nouns["message"] == 21


async def test_agents_that_a_server_counts_and_does_not_list_are_missed(
    letta: Letta, services: Services
) -> None:
    letta.told["agents/count"] = 7

    report = await visit(services, letta.url)

    assert report.bad_places == [(letta.url, "it counts 7 agents and lists 5 of them")]


async def test_secrets_of_agents_are_told_to_nobody(letta: Letta, services: Services) -> None:
    agent = letta.agent("Okapi")
    agent["secrets"] = [{"key": "API_KEY", "value": "not-to-be-shown"}]
    agent["tool_exec_environment_variables"] = agent["secrets"]

    report = await visit(services, letta.url)

    assert "not-to-be-shown" not in repr(report)
    assert "not-to-be-shown" not in repr(await held(services))
    assert report.left_out["setting secrets"] == 1


async def test_parts_of_an_unknown_kind_are_counted(letta: Letta, services: Services) -> None:
    parts = letta.messages("Okapi")
    parts.append({**parts[-1], "id": "message-new", "message_type": "dream_message"})

    report = await visit(services, letta.url)

    assert dict(report.not_understood) == {"messages of the type 'dream_message'": 1}


async def test_what_a_user_wrote_as_json_stays_as_it_was_written(
    letta: Letta, services: Services
) -> None:
    written = json.dumps({"type": "user_message", "message": "inner"})
    parts = letta.messages("Okapi")
    parts.append({**parts[1], "id": "message-new", "content": written})

    await visit(services, letta.url)

    assert written in [text for *_, text in (await held(services))["messages"]]
