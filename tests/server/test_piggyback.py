"""A block that another connection changed ends the next answer: as a difference, once."""

import anyio
import pytest
from inline_snapshot import snapshot
from tests.acceptance.processes import Server, run, text_of
from tests.server.connecting import WAIT_SECONDS, Connect, read, said, tell

ELSEWHERE = "Core memory was changed elsewhere since you last saw it."


async def test_a_change_by_another_connection_ends_the_next_answer_once(connect: Connect) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as reader, connect() as writer:
            await tell(writer, "core_memory_append", label="project", content="Goal: tides.")
            await tell(writer, "core_memory_append", label="project", content="State: begun.")
            await tell(
                writer,
                "core_memory_replace",
                label="project",
                old_content="Goal: tides.",
                new_content="Goal: a tide calendar.",
            )
            first = await tell(reader, "archival_search", query="news")
            second = await tell(reader, "archival_search", query="news")
            own = await tell(writer, "archival_search", query="news")
    assert first == snapshot("""\
Nothing found for 'news' among 0 passages. Nothing is filed here yet, or the filters leave nothing.

Core memory was changed elsewhere since you last saw it.
<project> is at version 4:
 + Goal: a tide calendar.
 + State: begun.\
""")
    assert ELSEWHERE not in second
    assert ELSEWHERE not in own


EVERY_TOOL = [
    ("core_memory_append", {"label": "persona", "content": "I am brief."}),
    ("core_memory_replace", {"label": "persona", "new_content": "I am very brief."}),
    ("conversation_search", {}),
    ("conversation_search", {"query": "news"}),
    ("archival_insert", {"content": "A fact."}),
    ("archival_search", {"query": "news"}),
    ("send_to_agent", {"message": "News?", "to": "another"}),
    ("conversation_append", {"role": "user", "content": "Hello."}),
]


async def test_the_answer_of_any_tool_carries_it(connect_in_memory: Connect) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with (
            connect(structured=True) as reader,
            connect() as writer,
            connect("another"),
        ):
            for number, (tool, arguments) in enumerate(EVERY_TOOL):
                line = f"News {number}."
                await tell(writer, "core_memory_append", label="project", content=line)
                result = await reader.call_tool(tool, arguments)
                assert said(result).endswith(
                    f"\n\n{ELSEWHERE}\n<project> is at version {number + 2}:\n + {line}"
                )
                assert result.structured_content
                assert result.structured_content["core_memory_changes"] == [
                    {"label": "project", "version": number + 2}
                ]


async def test_a_change_that_an_error_followed_is_told_with_the_next_answer(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as reader, connect() as writer:
            await tell(writer, "core_memory_append", label="project", content="News.")
            failed = await reader.call_tool("archival_search", {"query": " "})
            after = await tell(reader, "archival_search", query="news")
    assert failed.is_error
    assert f"{said(failed)}\n{after}".count("+ News.") == 1


async def test_own_edits_are_not_told_back_but_what_others_did_before_is(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as one, connect() as other:
            alone = await tell(one, "core_memory_append", label="project", content="Mine, first.")
            await tell(other, "core_memory_append", label="project", content="Theirs.")
            both = await tell(one, "core_memory_append", label="project", content="Mine, last.")
            after = await tell(one, "archival_search", query="news")
    assert ELSEWHERE not in alone
    answer, _, told = both.partition(f"\n\n{ELSEWHERE}\n")
    assert answer.endswith(" Mine, first.\n Theirs.\n Mine, last.")
    assert "+ Theirs." in told
    assert "Mine, first." not in told
    assert ELSEWHERE not in after


async def test_the_shared_block_of_another_agent_is_told_and_its_own_is_not(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect("work") as work, connect("home") as home:
            await tell(home, "core_memory_append", label="project", content="A secret plan.")
            await tell(home, "core_memory_append", label="human", content="Name: Ana.")
            told = await tell(work, "archival_search", query="news")
            seen = await tell(work, "core_memory_append", label="project", content="Our plan.")
    assert told.partition(f"{ELSEWHERE}\n")[2] == "<human> is at version 2:\n + Name: Ana."
    assert "secret" not in seen


async def test_what_the_prompt_showed_is_not_told_again(connect_in_memory: Connect) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as reader, connect() as writer:
            await tell(writer, "core_memory_append", label="project", content="News.")
            shown = await reader.get_prompt("memory")
            after = await tell(reader, "archival_search", query="news")
    assert "News." in str(shown.messages)
    assert ELSEWHERE not in after


async def test_a_block_changed_and_changed_back_is_not_told_as_a_change_of_nothing(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as reader, connect() as writer:
            await tell(writer, "core_memory_append", label="project", content="News.")
            await tell(writer, "core_memory_replace", label="project", new_content="")
            after = await tell(reader, "archival_search", query="news")
    assert ELSEWHERE not in after


@pytest.mark.parametrize("rounds", [10])
def test_own_edits_made_at_the_same_time_are_not_told_back(server: Server, rounds: int) -> None:
    labels = ("human", "project", "persona")
    told_back: list[str] = []
    server.greet()
    for number in range(rounds):
        asked = {
            server.request(
                "tools/call",
                {
                    "name": "core_memory_append",
                    "arguments": {"label": labels[n % 3], "content": f"Line {number}.{n}"},
                },
            )
            for n in range(30)
        }
        while asked:
            answer = server.receive()
            asked.discard(answer["id"])
            _, elsewhere, told = text_of(answer["result"]).partition(ELSEWHERE)
            told_back += [told] if elsewhere else []
    assert told_back == []


async def test_a_rewrite_of_a_block_that_moved_on_keeps_what_others_added_and_tells_it(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as one, connect() as other:
            await tell(other, "core_memory_append", label="project", content="News.")
            told = await tell(one, "core_memory_replace", label="project", new_content="All new.")
            merged = await read(one, "memory://blocks/project")
    assert merged == "News.\nAll new."
    assert "now reads:\n News.\n All new." in told
    assert "+ News." in told.partition(ELSEWHERE)[2]


async def test_a_rewrite_of_lines_that_others_changed_is_refused_with_what_they_say_now(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    rewrite = {"label": "project", "new_content": "Goal: rivers."}
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as first:
            await tell(first, "core_memory_append", label="project", content="Goal: tides.")
        async with connect() as one, connect() as other:
            change = {"label": "project", "old_content": "tides", "new_content": "lakes"}
            await tell(other, "core_memory_replace", **change)
            refused = await one.call_tool("core_memory_replace", rewrite)
            unchanged = await read(one, "memory://blocks/project")
            accepted = await one.call_tool("core_memory_replace", rewrite)
    assert refused.is_error
    assert said(refused).startswith("block 'project' was changed elsewhere since you last saw it")
    assert said(refused).endswith("Goal: lakes.")
    assert unchanged == "Goal: lakes."
    assert not accepted.is_error, said(accepted)
    assert ELSEWHERE not in said(accepted)


async def test_a_rewrite_does_not_drop_what_was_too_long_to_be_told(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    lines = "\n".join(f"Fact {number}: {'x' * 60}" for number in range(60))
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as one, connect() as other:
            await tell(one, "core_memory_append", label="project", content="Goal: tides.")
            await tell(other, "core_memory_append", label="project", content=lines)
            told = await tell(one, "archival_search", query="x")
            assert "Fact 59" not in told
            await tell(one, "core_memory_replace", label="project", new_content="Goal: lakes.")
            merged = await read(one, "memory://blocks/project")
    assert merged == f"Goal: lakes.\n{lines}"


async def test_a_long_change_is_told_within_bounds(connect_in_memory: Connect) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as reader, connect() as writer:
            lines = "\n".join(f"Line {number}: {'x' * 40}" for number in range(90))
            await tell(writer, "core_memory_replace", label="project", new_content=lines)
            told = (await tell(reader, "archival_search", query="x")).partition(ELSEWHERE)[2]
    assert "+ Line 0:" in told
    assert len(told) < 3_000


async def test_mail_ends_the_answer_of_any_tool_once(connect_in_memory: Connect) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with (
            connect("ada") as ada,
            connect("another", structured=True) as reader,
            connect("another") as twin,
        ):
            for number, (tool, arguments) in enumerate(EVERY_TOOL):
                to = {"to": "ada"} if tool == "send_to_agent" else {}
                await tell(ada, "send_to_agent", message=f"News {number}.", to="another")
                result = await reader.call_tool(tool, {**arguments, **to})
                assert said(result).count(f"> News {number}.") == 1
                assert result.structured_content
                (mail,) = result.structured_content["mail"]
                assert (mail["from"], mail["text"]) == ("ada", f"News {number}.")
                for session in (reader, twin):
                    assert f"> News {number}." not in await tell(session, "conversation_search")


async def test_a_block_that_was_attached_meanwhile_is_shown_whole(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect("ada") as ada:
            await tell(ada, "conversation_search")
            database = connect.database
            for words in (
                ("agents", "tag", "ada", "crew"),
                ("blocks", "create", "plan", "--group", "crew", "--value", "Sail at six."),
            ):
                ended = await anyio.to_thread.run_sync(
                    lambda words=words: run("--database", database, *words, folder=database.parent)
                )
                assert ended.returncode == 0, ended.stderr
            told, after = (
                await tell(ada, "archival_search", query="x"),
                await tell(ada, "archival_search", query="x"),
            )
    assert told.endswith(f"{ELSEWHERE}\n<plan> is at version 1:\n + Sail at six.")
    assert ELSEWHERE not in after
