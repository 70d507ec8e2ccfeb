"""Each format: what comes out of a file as its program writes it, once however often it comes."""

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.transfer.conftest import DATA, Bring

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import MessageCopy, PassageCopy
from memory_mcp.domain.errors import ImportRefused
from memory_mcp.services import Services
from memory_mcp.transfer.formats import FORMATS, guessed
from memory_mcp.transfer.json_stream import ITEM_BYTES_MAX

FILES = {
    "chatgpt": "chatgpt.json",
    "claude-ai": "claude_ai.json",
    "claude-code": "claude_code.jsonl",
    "codex": "codex.jsonl",
    "gemini": "gemini.json",
    "qwen": "qwen.jsonl",
    "copilot": "copilot.jsonl",
    "server-memory": "server_memory.jsonl",
    "mem0": "mem0.json",
    "af": "new.af",
    "markdown": "notes",
}


async def messages(services: Services) -> list[str]:
    """What recall holds: conversation, time, speaker, words."""
    return [
        f"{copy.conversation} {copy.created_at[:19]} {copy.name or copy.role}: {copy.content}"
        async for copy in services.copies.rows("message")
        if isinstance(copy, MessageCopy)
    ]


async def passages(services: Services) -> list[str]:
    """What archival memory holds: time, tags, words."""
    return [
        f"{copy.occurred_at} {','.join(copy.tags)}: {copy.content}"
        async for copy in services.copies.rows("passage")
        if isinstance(copy, PassageCopy)
    ]


async def test_of_a_chatgpt_export_comes_the_path_to_the_current_node(
    bring: Bring, services: Services
) -> None:
    report = await bring("chatgpt", DATA / "chatgpt.json")

    assert await messages(services) == snapshot(
        [
            "conv-tides 2023-11-14T22:13:21 user: When are the tides high in Porto?",
            'conv-tides 2023-11-14T22:13:23 browser: browser(search("tides Porto"))',
            """\
conv-tides 2023-11-14T22:13:24 browser: browser()
→ High at 15:30\
""",
            "conv-tides 2023-11-14T22:13:26 assistant: At half past three.",
            """\
conv-tides 2023-11-14T22:13:26 user: [image]
And here?\
""",
            "conv-odd 2023-11-14T22:15:00 user: In a circle.",
            "conv-odd 2023-11-14T22:15:00 assistant: Half: � and �.",
        ]
    )
    assert dict(report.left_out) == snapshot(
        {
            "hidden messages (instructions and context that ChatGPT added)": 1,
            "thoughts": 1,
            "images and files": 1,
            "messages on other branches than the last": 1,
            "messages with NUL or half a character, replaced by �": 1,
        }
    )
    assert report.bad == 0


async def test_of_a_claude_ai_export_come_words_and_tools(bring: Bring, services: Services) -> None:
    report = await bring("claude-ai", DATA / "claude_ai.json")

    assert await messages(services) == snapshot(
        [
            """\
conv-1 2026-03-01T10:00:01 user: Postgres or SQLite?

[notes.txt]
long\
""",
            """\
conv-1 2026-03-01T10:00:09 assistant: Let me look.

SQLite, for one file.\
""",
            "conv-1 2026-03-01T10:00:09 web_search: web_search(query=sqlite limits)",
            """\
conv-1 2026-03-01T10:00:09 web_search: web_search()
→ 281 TB\
""",
        ]
    )
    assert dict(report.left_out) == snapshot({"thoughts": 1})


async def test_a_claude_code_transcript_goes_to_its_folders_agent(
    bring: Bring, services: Services
) -> None:
    report = await bring("claude-code", DATA / "claude_code.jsonl")

    assert await messages(services) == snapshot(
        [
            "sess-1 2026-11-20T09:00:00 user: Where is the parser?",
            """\
sess-1 2026-11-20T09:00:03 Grep: Grep(pattern=def parse)
→ src/parse.py:12\
""",
            "sess-1 2026-11-20T09:00:04 assistant: In src/parse.py, line 12.",
        ]
    )
    assert dict(report.left_out) == snapshot(
        {
            "titles, names and links of the session": 1,
            "thoughts": 1,
            "messages that Claude Code wrote itself": 1,
            "commands and messages that Claude Code wrote itself": 1,
            "messages of subagents": 1,
        }
    )
    agent = await services.agents.named("tides")
    assert agent.project == "/home/ana/tides"
    assert await services.recall.conversations(agent.id)


async def test_a_transcript_goes_to_the_agent_that_is_named(
    bring: Bring, services: Services
) -> None:
    await bring("claude-code", DATA / "claude_code.jsonl", agent="work")

    assert [agent.name for agent in await services.agents.all()] == ["default", "work"]
    agent = await services.agents.named("work")
    (conversation,) = await services.recall.conversations(agent.id)
    assert (conversation.external_id, conversation.host) == ("sess-1", "claude-code")


async def test_of_a_codex_session_come_words_and_tools(bring: Bring, services: Services) -> None:
    report = await bring("codex", DATA / "codex.jsonl")

    assert await messages(services) == snapshot(
        [
            "codex-1 2026-11-20T10:00:02 user: Run the tests.",
            """\
codex-1 2026-11-20T10:00:05 shell: shell(command=["pytest"])
→ 4 passed\
""",
            "codex-1 2026-11-20T10:00:06 assistant: All four pass.",
        ]
    )
    assert dict(report.left_out) == snapshot(
        {
            "instructions to the model": 1,
            "context that Codex added": 1,
            "thoughts": 1,
            "notices of what stands in the file as a message or a tool's use, too": 1,
        }
    )


async def test_codex_sessions_of_2025_have_bare_items(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
    told = [{"id": "old-1", "timestamp": "2025-06-01T10:00:00Z", "instructions": None}, item]
    file = tmp_path / "rollout.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in told))

    await bring("codex", file)

    assert await messages(services) == ["old-1 2025-06-01T10:00:00 user: Hi."]


async def test_of_a_gemini_chat_come_words_and_tools(bring: Bring, services: Services) -> None:
    report = await bring("gemini", DATA / "gemini.json")

    assert await messages(services) == snapshot(
        [
            "gem-1 2026-11-20T11:00:01 user: What is in this folder?",
            "gem-1 2026-11-20T11:00:02 assistant: A parser.",
            """\
gem-1 2026-11-20T11:00:02 list_directory: list_directory(path=.)
→ parse.py\
""",
        ]
    )
    assert dict(report.left_out) == snapshot({"thoughts": 1, "notices of Gemini CLI": 1})


@pytest.mark.parametrize(("kind", "tool"), [("qwen", "run_shell_command"), ("copilot", "bash")])
async def test_of_a_session_in_lines_come_words_and_tools(
    bring: Bring, services: Services, kind: str, tool: str
) -> None:
    await bring(kind, DATA / FILES[kind])

    said = await messages(services)
    assert f"{kind}-1 2026-11-20T10:00:01 user: Run the tests." in said
    assert f"{kind}-1 2026-11-20T10:00:04 {tool}: {tool}(command=pytest)\n→ 4 passed" in said
    assert f"{kind}-1 2026-11-20T10:00:05 assistant: All four pass." in said
    assert len(said) == (4 if kind == "qwen" else 3)


async def test_each_observation_and_relation_of_a_graph_is_a_passage(
    bring: Bring, services: Services
) -> None:
    report = await bring("server-memory", DATA / "server_memory.jsonl")

    assert await passages(services) == snapshot(
        [
            "None Ana Sousa,person: Ana Sousa: Lives in Porto",
            "None Ana Sousa,person: Ana Sousa: Prefers SQLite",
            "None Tides,project: Tides is of the type project.",
            "None Ana Sousa,Tides,relation: Ana Sousa works on Tides.",
        ]
    )
    assert report.bad_places == [("line 4", "it is an entity without a name")]


async def test_each_memory_of_mem0_is_a_passage(bring: Bring, services: Services) -> None:
    report = await bring("mem0", DATA / "mem0.json")

    assert await passages(services) == snapshot(
        [
            "2026-01-02T11:04:05.678Z food,user:ana: Likes her tea black",
            "None ana,porto,relation: ana lives in porto.",
        ]
    )
    assert report.bad_places == [("mem0.json, memory 2", "it has no text under memory")]


async def test_each_section_of_a_note_is_a_passage(bring: Bring, services: Services) -> None:
    report = await bring("markdown", DATA / "notes")

    assert await passages(services) == snapshot(
        [
            """\
2026-11-18T00:00:00.000Z porto,sea: Tides

mood: calm

Before any heading.\
""",
            """\
2026-11-18T00:00:00.000Z porto,sea: Tides

High at 15:30.\
""",
            """\
2026-11-18T00:00:00.000Z porto,sea: Tides > Sources

Leixões.

```sh
# no heading
```\
""",
            """\
None : plain

Just a text.\
""",
        ]
    )
    assert report.left_out == {}


@pytest.mark.parametrize("kind", FILES)
async def test_a_second_import_stores_nothing(bring: Bring, kind: str) -> None:
    first = await bring(kind, DATA / FILES[kind])
    again = await bring(kind, DATA / FILES[kind])

    assert first.stored > 0
    assert (again.stored, again.known) == (0, first.stored + first.known)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("wrong", ["jsonl", "chatgpt", "af", "mem0", "claude-code"])
async def test_a_file_of_another_format_is_refused_with_the_verb_that_fits(
    bring: Bring, services: Services, kind: str, wrong: str
) -> None:
    if kind == wrong:
        return
    fits = rf"(memory-mcp import {kind} |is a folder)"
    with pytest.raises(ImportRefused, match=fits):
        await bring(wrong, DATA / FILES[kind])
    assert await services.agents.all() == []


def test_each_format_is_known_by_its_file() -> None:
    assert {kind: guessed(DATA / file) for kind, file in FILES.items()} == {k: k for k in FILES}
    assert guessed(DATA / "old.af") == "af"
    of_files = {name for name, each in FORMATS.items() if not each.schemes}
    assert set(FILES) | {"jsonl", "passages"} == of_files


@pytest.mark.parametrize("kind", ["chatgpt", "claude-ai"])
async def test_an_export_may_come_as_its_zip(
    bring: Bring, services: Services, kind: str, tmp_path: Path
) -> None:
    archive = tmp_path / "an export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("user.json", "{}")
        out.write(DATA / FILES[kind], "conversations.json")
    assert guessed(archive) == kind

    zipped = await bring(kind, archive)
    plain = await bring(kind, DATA / FILES[kind])

    assert zipped.stored > 0
    assert (plain.stored, plain.known) == (0, zipped.stored)


async def test_a_folder_of_transcripts_is_read_whole(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    for name, session in (("-home-ana-tides", "sess-1"), ("-home-ana-böte", "sess-2")):
        folder = tmp_path / "projects" / name
        folder.mkdir(parents=True)
        text = (DATA / "claude_code.jsonl").read_text("utf-8")
        cwd = "/home/ana/tides" if session == "sess-1" else "/home/ana/my böte"
        text = text.replace("sess-1", session).replace("/home/ana/tides", cwd)
        (folder / f"{session}.jsonl").write_text(text, "utf-8")

    report = await bring("claude-code", tmp_path / "projects")

    names = [agent.name for agent in await services.agents.all()]
    assert names == ["default", "my böte", "tides"]
    assert report.nouns == {"message": 6}


async def test_windows_line_ends_in_transcripts_are_fine(bring: Bring, tmp_path: Path) -> None:
    file = tmp_path / "sess.jsonl"
    file.write_bytes((DATA / "claude_code.jsonl").read_bytes().replace(b"\n", b"\r\n"))

    assert (await bring("claude-code", file)).bad == 0


async def test_a_message_of_a_hundred_megabytes_is_named_and_the_rest_comes(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    def conversation(key: str, parts: str) -> str:
        return (
            f'{{"id": "{key}", "create_time": 1700000000, "current_node": "n", "mapping": '
            f'{{"n": {{"message": {{"id": "n", "author": {{"role": "user"}}, "content": '
            f'{{"content_type": "text", "parts": ["{parts}"]}}}}}}}}}}'
        )

    file = tmp_path / "conversations.json"
    with file.open("w") as out:
        out.write("[" + conversation("a", "Before.") + ",")
        out.write(conversation("b", '\\\\ \\" [{' * (ITEM_BYTES_MAX // 7)) + ",")
        out.write(conversation("c", "x" * 1_000_001) + ",")
        out.write(conversation("d", "After.") + "]")

    report = await bring("chatgpt", file)

    assert [told[-7:] for told in await messages(services)] == ["Before.", " After."]
    assert [place for place, _ in report.bad_places] == snapshot(
        [
            "conversations.json, line 1, item 2",
            "conversations.json, conversation 3, message n",
        ]
    )
    assert [re.sub(r"[\d,]+ ", "N ", reason)[:40] for _, reason in report.bad_places] == snapshot(
        ["it is longer than N MiBN too long to be ", "content has N characters; the limit is 1"]
    )


async def test_notes_in_hidden_folders_are_nobodys_business(bring: Bring, tmp_path: Path) -> None:
    shutil.copytree(DATA / "notes", tmp_path / "notes")
    shutil.copytree(DATA / "notes", tmp_path / "notes" / ".trash")

    report = await bring("markdown", tmp_path / "notes")

    assert report.nouns == {"passage": 4}


async def test_dates_that_cannot_be_are_taken_from_around(bring: Bring, tmp_path: Path) -> None:
    def told(at: Any) -> dict[str, Any]:
        message = {
            "id": f"m-{at}",
            "author": {"role": "user"},
            "create_time": at,
            "content": {"content_type": "text", "parts": ["Hello."]},
        }
        node = {"message": message, "parent": None}
        return {"id": f"c-{at}", "create_time": 0, "mapping": {"n": node}, "current_node": "n"}

    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([told(at) for at in (-1e18, 1e300, "soon", None, True, [])]))

    report = await bring("chatgpt", file)

    assert (report.stored, report.bad) == (6, 0)


async def test_an_import_may_end_in_the_middle_and_go_on(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    whole = (DATA / "chatgpt.json").read_bytes()
    file = tmp_path / "conversations.json"
    file.write_bytes(whole[:-400])
    report = await bring("chatgpt", file)
    assert [reason for _, reason in report.bad_places] == [
        "it is not JSON (it is cut off in the middle)"
    ]
    before = len(await messages(services))
    file.write_bytes(whole)

    report = await bring("chatgpt", file)

    assert 0 < before == report.known
    assert report.stored > 0


async def test_of_a_long_history_only_the_end_is_summarised(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "chats.jsonl"
    with file.open("w") as out:
        for number in range(1_000):
            told = {
                "role": "user",
                "content": f"Number {number} of the tides, and more words around it. " * 12,
                "created_at": "2026-01-01",
                "conversation": "c",
            }
            out.write(json.dumps(told) + "\n")

    await bring("jsonl", file)

    agent = await services.agents.choose(AgentChoice())
    first, *later = await services.eviction.chain(agent.id)
    assert (first.messages, first.made_by) == (800, "import")
    assert first.text == snapshot(
        "800 messages up to 2026-01-01 came with an import or before it and are not summarised; conversation_search has them."  # noqa: E501 - as it is told
    )
    assert later
    assert (await services.recall.search(agent.id, "Number 3")).total == 1_000
