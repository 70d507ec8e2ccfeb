"""Shapes that exports have in the wild, each as its public report shows it, with made-up words."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.transfer.conftest import Bring
from tests.transfer.test_formats import messages, passages

from memory_mcp.services import Services

ROOT = "00000000-0000-4000-8000-000000000000"
"""What Claude.ai names as the parent of a first message."""


def write(folder: Path, files: dict[str, Any]) -> Path:
    """A folder of files: JSON, or a zip where the value is another dictionary of texts."""
    folder.mkdir()
    for name, told in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as out:
                for member, content in told.items():
                    out.writestr(member, content if isinstance(content, str | bytes) else
                                 json.dumps(content))  # fmt: skip
        else:
            path.write_text(told if isinstance(told, str) else json.dumps(told))
    return folder


def lines(*told: Any) -> str:
    """JSON lines."""
    return "".join(json.dumps(each) + "\n" for each in told)


async def said(services: Services) -> list[str]:
    """Who said what, in order."""
    return [told.split(" ", 2)[2] for told in await messages(services)]


async def filed(services: Services) -> list[str]:
    """What passages say, without times and tags."""
    return [told.split(": ", 1)[1] for told in await passages(services)]


# --- Claude.ai ---


def claude(uuid: str, sender: str, text: str, parent: str = ROOT, **more: Any) -> dict[str, Any]:
    """A message."""
    content = [{"type": "text", "text": text}] if text else []
    told = {"uuid": uuid, "sender": sender, "text": text, "content": content}
    return {**told, "created_at": "2026-05-01T10:00:00Z", "parent_message_uuid": parent, **more}


def chat(*told: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A conversation."""
    return {"uuid": "c", "created_at": "2026-05-01T10:00:00Z", "chat_messages": list(told), **more}


async def test_a_single_conversation_saved_from_the_page_names_the_branch_in_use(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # CherryHQ/cherry-studio#18135: one object, and the words are in `content` alone.
    told = chat(
        claude("q", "human", "Which port?") | {"text": ""},
        claude("a", "assistant", "8447.", "q", created_at="2026-05-01T10:01:00Z") | {"text": ""},
        claude("b", "assistant", "443.", "q", created_at="2026-05-01T10:05:00Z") | {"text": ""},
        current_leaf_message_uuid="a",
    )
    report = await bring("claude-ai", write(tmp_path / "x", {"chat.json": told}) / "chat.json")

    assert await said(services) == ["user: Which port?", "assistant: 8447."]
    assert dict(report.left_out) == {"messages on other branches than the one in use": 1}
    assert report.is_whole


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            [
                claude("a1", "assistant", "one!", "h1"), claude("h1", "human", "one?"),
                claude("h2", "human", "two?", "a1"), claude("a2", "assistant", "two!", "h2"),
            ],
            ["one?", "one!", "two?", "two!"],
            id="out-of-order",  # Superkikim/nexus-ai-chat-importer#65
        ),
        pytest.param(
            [
                claude("h1", "human", "one?"), claude("a1", "assistant", "one!", "h1"),
                claude("h2", "human", "one, please?"), claude("a2", "assistant", "two!", "h2"),
            ],
            ["one, please?", "two!"],
            id="the-first-message-was-edited",  # CherryHQ/cherry-studio#16164
        ),
        pytest.param(
            [{k: v for k, v in claude(f"m{n}", sender, text).items() if k != "parent_message_uuid"}
             for n, (sender, text) in enumerate([("human", "one?"), ("assistant", "one!")])],
            ["one?", "one!"],
            id="before-there-were-parents",
        ),
        pytest.param(
            [
                claude("h1", "human", "one?", "m9"), claude("a1", "assistant", "one!", "gone"),
                claude("h2", "human", "two?", "a1"),
            ],
            ["one?", "one!", "two?"],
            id="a-parent-is-missing",
        ),
        pytest.param(
            [
                claude("h1", "human", "one?"), claude("a1", "assistant", "one!", "h1"),
                claude("h2", "human", "two?", "gone"), claude("a2", "assistant", "two!", "h2"),
            ],
            ["one?", "one!", "two?", "two!"],
            id="a-question-whose-parent-is-missing",
        ),
        pytest.param(
            [
                claude("h1", "human", "one?"), claude("a1", "assistant", "one!", "gone"),
                claude("a2", "assistant", "one again!", "gone"),
            ],
            ["one?", "one again!"],
            id="two-answers-to-what-is-missing",
        ),
        pytest.param(
            [claude("h1", "human", "one?", "a1"), claude("a1", "assistant", "one!", "h1")],
            ["one?", "one!"],
            id="a-circle",
        ),
    ],
)  # fmt: skip
async def test_the_branch_in_use_comes_in_its_order(
    bring: Bring, services: Services, tmp_path: Path, told: list[Any], expected: list[str]
) -> None:
    folder = write(tmp_path / "x", {"conversations.json": [chat(*told)]})

    report = await bring("claude-ai", folder)

    assert [text.split(": ")[1] for text in await said(services)] == expected
    others = report.left_out["messages on other branches than the one in use"]
    assert others == len(told) - len(expected)


async def test_pasted_text_that_is_attached_is_found(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # lugia19/Claude-QoL#43: the message itself is empty then.
    pasted = {"file_name": "", "file_type": "txt", "extracted_content": "The quagga report."}
    endless = {"file_name": "log.txt", "extracted_content": "x" * 150_000}
    told = chat(
        claude("h", "human", "", attachments=[pasted]),
        claude("i", "human", "See.", "h", attachments=[endless], files=[{"file_name": "a.png"}]),
    )

    report = await bring("claude-ai", write(tmp_path / "x", {"conversations.json": [told]}))

    first, second = await said(services)
    assert first == "user: [pasted text]\nThe quagga report."
    assert second.endswith("x\n[50,000 more characters]\n\n[a.png]")
    assert dict(report.left_out) == {
        "contents of attachments": 1, "ends of attachments longer than 100,000 characters": 1
    }  # fmt: skip


async def test_parts_of_every_known_type_are_taken_or_counted_and_others_are_not_understood(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    parts = [
        {"type": "voice_note", "title": "note", "text": "Spoken ibis."},
        {"type": "token_budget"},
        {"type": "thinking", "thinking": "hm"},
        {"type": "flag", "flag": "x"},
        {"type": "image", "file_name": "sea.png"},
        {"type": "hologram", "text": "A heron stands."},
        {"type": "hologram"},
    ]
    tool = {"type": "tool_use", "name": "search", "input": {"q": "tides"}}
    shown = "```\nThis block is not supported on your current device yet.\n```\n\nLet me look."
    told = chat(
        claude("h", "human", "", content=parts),
        claude("a", "assistant", shown, "h", content=[tool], stop_reason="user_canceled"),
        claude("e", "assistant", "", "a"),
    )

    report = await bring("claude-ai", write(tmp_path / "x", {"conversations.json": [told]}))

    assert await said(services) == [
        "user: Spoken ibis.\n\n[sea.png]\n\nA heron stands.",
        "assistant: Let me look.",
        "search: search(q=tides)",
    ]
    assert dict(report.left_out) == {
        "notes of how many tokens are left": 1, "thoughts": 1, "flags of the moderation": 1,
        "images and files": 1, "marks of answers that were interrupted": 1,
        "messages without a word": 1,
    }  # fmt: skip
    assert dict(report.not_understood) == {"parts of messages of the type 'hologram'": 2}


MEMORIES = {
    "conversations_memory": "**Work context**\n\nAna pilots ships.\n\n**Personal**\n\nSails.",
    "project_memories": {"p-1": "Knots only."},
    "account_uuid": "acct",
}
PROJECT = {
    "uuid": "p-1", "name": "Harbour", "description": "Pilot plans", "is_starter_project": False,
    "prompt_template": "Answer in knots.", "created_at": "2026-03-01T00:00:00Z",
    "docs": [{"filename": "tides.md", "content": "High at nine."}],
}  # fmt: skip
STARTER = {"uuid": "p-0", "name": "How to use Claude", "docs": [], "is_starter_project": True}


@pytest.mark.parametrize(
    "files",
    [
        {"memories.json": [MEMORIES], "projects.json": [PROJECT, STARTER], "users.json": [
            {"uuid": "acct", "full_name": "Ana", "email_address": "ana@example.org"}]},
        # Superkikim/nexus-ai-chat-importer#22: each project has a file in exports of 2026.
        {"memories/acct.json": MEMORIES, "projects/p-0.json": STARTER, "projects/p-1.json": PROJECT,
         "users.json": [{"uuid": "acct", "email_address": "ana@example.org"}]},
    ],
    ids=["2025", "2026"],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
async def test_what_claude_remembers_and_projects_become_passages(
    bring: Bring, services: Services, tmp_path: Path, files: dict[str, Any], zipped: bool
) -> None:
    files = {**files, "conversations.json": []}
    folder = write(tmp_path / "x", {"export.zip": files} if zipped else files)

    report = await bring("claude-ai", folder / "export.zip" if zipped else folder)
    again = await bring("claude-ai", folder)

    assert sorted(await passages(services)) == [
        "2026-03-01T00:00:00.000Z Harbour,claude-project: Instructions of the project Harbour\n\n"
        "Answer in knots.",
        "2026-03-01T00:00:00.000Z Harbour,claude-project: The project Harbour\n\nPilot plans",
        "2026-03-01T00:00:00.000Z Harbour,claude-project: tides.md\n\nHigh at nine.",
        "None Harbour,claude-memory: What Claude remembers of Harbour\n\nKnots only.",
        "None claude-memory: What Claude remembers\n\n**Personal**\n\nSails.",
        "None claude-memory: What Claude remembers\n\n**Work context**\n\nAna pilots ships.",
    ]
    assert dict(report.left_out) == {
        "account data (users.json)": 1, "projects that Claude.ai gives everybody": 1
    }  # fmt: skip
    assert report.is_whole
    assert (again.stored, again.known) == (0, 6)


async def test_an_export_may_come_in_a_zip_for_each_kind(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    files = {
        "2026-09-04/conversations-000.zip": {
            "conversations.json": [chat(claude("h", "human", "In a part."))]
        },
        "2026-09-04/memories-000.zip": {
            "memories/acct.json": {
                "conversations_memory": "", "project_memories": {}, "horoscope": "Rain.",
                "memory_files": [{"path": "likes.md", "content": "- Likes rye"}],
            }
        },
        "2026-09-04/design_chats/d.json": {
            "uuid": "d", "title": "Logo", "created_at": "2026-04-01T00:00:00Z", "messages": [
                {"role": "user", "content": "A heron, please."},
                {"role": "assistant", "content": [{"type": "text", "text": "Here."}]},
            ],
        },
    }  # fmt: skip
    report = await bring("claude-ai", write(tmp_path / "x", files))

    assert await said(services) == [
        "user: In a part.", "user: A heron, please.", "assistant: Here."
    ]  # fmt: skip
    assert await filed(services) == ["What Claude remembers\n\n- Likes rye"]
    assert report.examples == {
        "records under 'horoscope'": "2026-09-04/memories-000.zip/memories/acct.json"
    }


async def test_what_is_in_a_claude_ai_file_and_not_known_is_counted(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    odd: Any = "odd"
    told = [
        {"uuid": "x", "chats": []}, chat(name="Empty"), "words",
        chat(claude("h", "robot", "Beep.")), chat(odd, claude("i", "human", "Hi."), summary="S"),
        {"padding": "x" * 70_000}, {"mapping": {}},
    ]  # fmt: skip
    report = await bring("claude-ai", write(tmp_path / "x", {"conversations.json": told}))

    assert await said(services) == ["user: Hi."]
    assert dict(report.not_understood) == {
        "records of an unknown kind": 2,
        "records of an unknown kind (ChatGPT writes such: import chatgpt)": 1,
        "messages of the sender 'robot'": 1,
        "messages that are no objects": 1,
    }
    assert dict(report.left_out) == {
        "conversations without a message": 1, "summaries that Claude.ai wrote": 1
    }  # fmt: skip
    assert [place for place, _ in report.bad_places] == ["conversations.json, line 1, item 3"]


# --- ChatGPT ---


async def test_an_answer_that_was_still_being_written_comes_when_it_is_whole(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    asked = gpt("q", "user", {"content_type": "text", "parts": [None, "Which port?"]})
    half = gpt("a", "assistant", "Port", status="in_progress")
    early = write(tmp_path / "x", {"conversations.json": [tree(asked, half)]})
    report = await bring("chatgpt", early)

    assert await said(services) == ["user: Which port?"]
    assert dict(report.left_out) == {
        "answers that were still being written (export again for them)": 1,
        "parts of messages with nothing in them": 1,
    }
    assert report.is_whole

    whole = gpt("a", "assistant", "Port 8447.", status="finished_successfully")
    late = write(tmp_path / "y", {"conversations.json": [tree(asked, whole)]})
    await bring("chatgpt", late)

    assert await said(services) == ["user: Which port?", "assistant: Port 8447."]


async def test_an_unfinished_answer_that_was_replied_to_is_what_was_said(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    told = tree(gpt("a", "assistant", "Port", status="in_progress"), gpt("q", "user", "Go on."))

    await bring("chatgpt", write(tmp_path / "x", {"conversations.json": [told]}))

    assert await said(services) == ["assistant: Port", "user: Go on."]


def gpt(key: str, role: str, content: Any, **more: Any) -> dict[str, Any]:
    """A message; a text stands for its content."""
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    told = {"id": key, "author": {"role": role}, "create_time": 1760000000.0, "content": content}
    return {**told, "recipient": "all", "metadata": {}, **more}


def tree(*told: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A conversation of one branch."""
    nodes: dict[str, Any] = {}
    last = None
    for message in told:
        nodes[message["id"]] = {"message": message, "parent": last}
        last = message["id"]
    return {"id": "c", "create_time": 1760000000.0, "mapping": nodes, "current_node": last, **more}


async def test_spoken_words_and_documents_beside_a_conversation_are_kept(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # marklubin/synix#6: what was said is in a part of its own, beside the recording.
    spoken = [
        {"content_type": "audio_transcription", "text": "Spoken heron.", "direction": "in"},
        {"content_type": "real_time_user_audio_video_asset_pointer", "audio_asset_pointer": {}},
    ]
    canvas = {"name": "plan", "type": "document", "content": "word " * 200 + "axolotl"}
    change = {"updates": [{"pattern": ".*", "multiple": False, "replacement": "Only newts."}]}
    image = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://x"}
    files = [{"name": "sea.png", "mime_type": "image/png"}, {"name": "a.pdf", "mime_type": "x"}]
    told = tree(
        gpt("1", "user", {"content_type": "multimodal_text", "parts": spoken}),
        gpt("2", "assistant", {"content_type": "code", "text": json.dumps(canvas)},
            recipient="canmore.create_textdoc"),
        gpt("3", "assistant", {"content_type": "code", "text": json.dumps(change)},
            recipient="canmore.update_textdoc"),
        gpt("4", "user", {"content_type": "multimodal_text", "parts": [image]},
            metadata={"attachments": files}),
        gpt("5", "assistant", "In \ue200entity\ue202[\"city\",\"Porto\"]\ue201 it rains."
            "\ue200cite\ue202turn0search1\ue201 So【4†source】."),
        gpt("6", "assistant", ""),
    )  # fmt: skip
    report = await bring("chatgpt", write(tmp_path / "x", {"conversations.json": [told]}))

    spoken_of, written, changed, shown, cited = await said(services)
    assert spoken_of == "user: Spoken heron."
    assert written.startswith("assistant: [canvas plan]\nword")
    assert written.endswith("axolotl")
    assert changed == "assistant: [canvas]\nOnly newts."
    assert shown == "user: [image]\n[a.pdf]"
    assert cited == "assistant: In Porto it rains. So."
    assert dict(report.left_out) == {
        "images and files": 2, "contents of attachments": 1, "messages without a word": 1
    }  # fmt: skip
    assert report.is_whole


async def test_contents_that_chatgpt_adds_are_counted_and_unknown_ones_are_not_understood(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    told = tree(
        gpt("1", "user", {"content_type": "user_editable_context", "user_profile": "x"}),
        gpt("2", "assistant", {"content_type": "model_editable_context", "model_set_context": "x"}),
        gpt("3", "assistant", {"content_type": "thoughts", "thoughts": []}),
        gpt("4", "user", {"content_type": "telepathy", "text": "Felt words."}),
        gpt("5", "user", {"content_type": "multimodal_text", "parts": [{"content_type": "scent"}]}),
        gpt("6", "oracle", "Beware."),
        gpt("7", "user", "When?", create_time="soon"),
        gizmo_id="g-p-1",
    )
    report = await bring("chatgpt", write(tmp_path / "x", {"conversations.json": [told, {"a": 1}]}))

    assert await said(services) == ["user: Felt words.", "user: When?"]
    assert dict(report.left_out) == {
        "custom instructions": 1, "what ChatGPT was told of the user's memories": 1,
        "thoughts": 1, "messages without a word": 1,
    }  # fmt: skip
    assert dict(report.not_understood) == {
        "contents of the type 'telepathy'": 1, "parts of messages of the type 'scent'": 1,
        "messages of the role 'oracle'": 1, "times under create_time that cannot be read": 1,
        "records of an unknown kind": 1,
    }  # fmt: skip


async def test_an_export_of_chatgpt_in_parts_has_files_beside_the_conversations(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    files = {
        "conversations-000.json": [tree(gpt("a", "user", "Part zero."))],
        "conversations-001.json": [tree(gpt("b", "user", "Part one."), id="d")],
        "user.json": {}, "chat.html": "<html>", "shared_conversations.json": [],
        "message_feedback.json": [], "export_manifest.json": {}, "file-abc-notes.txt": "x",
        "dalle-generations/file-x.webp": "x", "odd.json": {},
    }  # fmt: skip
    folder = write(tmp_path / "x", {"export.zip": files})

    report = await bring("chatgpt", folder / "export.zip")

    assert await said(services) == ["user: Part zero.", "user: Part one."]
    assert sum(report.left_out.values()) == 7
    assert dict(report.not_understood) == {"files ending in .json": 1}


# --- The memory server's graph ---


GRAPHS = {
    # modelcontextprotocol/servers#3653: a last line without an end, and something was appended.
    "two-in-a-line": '{"type":"entity","name":"Ana","entityType":"person","observations":["Sails"]}'
    '{"type":"relation","from":"Ana","to":"Bo","relationType":"knows"}',
    # modelcontextprotocol/servers#2036: people want the file to be one JSON value.
    "list": json.dumps(
        [
            {"type": "entity", "name": "Ana", "entityType": "person", "observations": ["Sails"]},
            {"type": "relation", "from": "Ana", "to": "Bo", "relationType": "knows"},
        ],
        indent=2,
    ),
    "read_graph": json.dumps(
        {
            "entities": [{"name": "Ana", "entityType": "person", "observations": ["Sails"]}],
            "relations": [{"from": "Ana", "to": "Bo", "relationType": "knows"}],
        },
        indent=2,
    ),
    "by-name": json.dumps(
        {
            "entities": {"Ana": {"entityType": "person", "observations": ["Sails"]}},
            "relations": [{"from": "Ana", "to": "Bo", "relationType": "knows"}],
        }
    ),
    "no-types": lines(
        {"name": "Ana", "entityType": "person", "observations": ["Sails"]},
        {"from": "Ana", "to": "Bo", "relationType": "knows"},
    ),
    # shaneholloman/mcp-knowledge-graph: a mark stands first.
    "marked": lines(
        {"type": "_aim", "source": "mcp-knowledge-graph"},
        {"type": "entity", "name": "Ana", "entityType": "person", "observations": ["Sails"]},
        {"type": "relation", "from": "Ana", "to": "Bo", "relationType": "knows"},
    ),
    "answer": json.dumps(
        {
            "structuredContent": {
                "entities": [{"name": "Ana", "entityType": "person", "observations": "Sails"}],
                "relations": [{"source": "Ana", "target": {"name": "Bo"}, "relation": "knows"}],
            }
        }
    ),
}


@pytest.mark.parametrize("told", GRAPHS.values(), ids=GRAPHS)
async def test_a_graph_is_the_same_however_it_is_written(
    bring: Bring, services: Services, tmp_path: Path, told: str
) -> None:
    file = tmp_path / "memory.json"
    file.write_text(told)

    report = await bring("server-memory", file)

    assert await passages(services) == [
        "None Ana,person: Ana: Sails", "None Ana,Bo,relation: Ana knows Bo."
    ]  # fmt: skip
    assert report.is_whole


async def test_observations_of_forks_are_taken_with_their_times(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # andriyshevchenko/servers: an observation has versions; modelcontextprotocol/servers#4717:
    # entities without a type, observations that are null.
    observations = [
        {"id": "1", "content": "port 1", "timestamp": "2026-01-01T00:00:00Z", "superseded_by": "2"},
        {"id": "2", "content": "port 2", "timestamp": "2026-02-01T00:00:00Z", "supersedes": "1"},
        {"text": "cooks", "timestamp": "whenever"},
        ["sails", 7],
        None,
        {"shape": "odd"},
    ]
    told = lines(
        {"type": "entity", "name": "Ana", "observations": observations, "importance": 0.5},
        {"type": "relation", "from": "Ana", "to": "Bo", "timestamp": "2026-03-01T00:00:00Z"},
        {"type": "relation", "from": "Ana"},
        {"type": "vector", "values": [1]},
        {"kind": "other"},
    )
    file = tmp_path / "memory.jsonl"
    file.write_text(told)

    report = await bring("server-memory", file)

    assert await passages(services) == [
        "2026-02-01T00:00:00.000Z Ana: Ana: port 2", "None Ana: Ana: cooks",
        "None Ana: Ana: sails", "None Ana: Ana: 7",
        "2026-03-01T00:00:00.000Z Ana,Bo,relation: Ana is related to Bo.",
    ]  # fmt: skip
    assert dict(report.left_out) == {
        "observations that a later one took the place of": 1, "empty observations": 1
    }  # fmt: skip
    assert dict(report.not_understood) == {
        "times under timestamp that cannot be read": 1, "observations of an unknown shape": 1,
        "records of the type 'vector'": 1, "records of an unknown kind": 1,
    }  # fmt: skip
    assert report.bad_places == [("line 3", "it is a relation without two ends")]


async def test_what_is_nested_in_entities_and_beside_them_is_a_passage_or_not_understood(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    ana = {
        "name": "Ana", "entityType": "person", "observations": ["Sails"], "aliases": ["Anna"],
        "relations": [{"to": "Bo", "relationType": "knows"}, {"from": "Cy"}],
        "address": {"city": "Porto"}, "log": [{"text": "Moved"}], "embedding": [0.5], "tree": [[1]],
    }  # fmt: skip
    files = {
        "a.jsonl": lines({"type": "entity", **ana}),
        "b.json": {
            "entities": [], "version": "1", "notes": ["Rain."], "summary": "Wet.", "odd": [[1]],
            "observations": [{"entityName": "Ana", "contents": ["Rows"]}],
        },
        "c.jsonl": lines(
            {"type": "relation", "from": "A", "to": "B", "relationType": "is",
             "observations": ["x"]}
        ),
    }  # fmt: skip
    report = await bring("server-memory", write(tmp_path / "x", files))

    assert sorted(await filed(services)) == [
        "A is B.", "A is B: x", "Ana knows Bo.", "Ana: Rows", "Ana: Sails",
        "Ana: address: city Porto", "Ana: aliases: Anna", "Ana: log: Moved",
        "Cy is related to Ana.", "Rain.", "Wet.",
    ]  # fmt: skip
    assert dict(report.left_out) == {"vectors": 1, "what a file says of itself": 1}
    assert dict(report.not_understood) == {"records under 'tree'": 1, "records under 'odd'": 1}


# --- mem0 ---


async def test_memories_of_two_users_stay_two_and_have_their_tags(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    told = [
        {"id": "1", "memory": "Is allergic to penicillin", "user_id": "alice",
         "created_at": "2026-01-01T00:00:00Z"},
        {"id": "2", "memory": "Likes rye", "user_id": "bob", "agent_id": "baker",
         "created_at": "some day", "categories": [{"name": "food"}]},
    ]  # fmt: skip
    report = await bring("mem0", write(tmp_path / "x", {"m.json": told}))

    assert await passages(services) == [
        "2026-01-01T00:00:00.000Z user:alice: Is allergic to penicillin",
        "None agent:baker,food,user:bob: Likes rye",
    ]
    assert dict(report.not_understood) == {"times under created_at that cannot be read": 1}


async def test_memories_of_runs_actors_and_nobody_stay_apart_from_a_users(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    owners = [{"user_id": "alice"}, {"run_id": "r3"}, {"run_id": "r4"}, {"actor_id": "bo"}, {},
              {"userId": "alice", "runId": "r3", "mood": "calm"}]  # fmt: skip
    told = [{"id": str(n), "memory": "Likes tea", **each} for n, each in enumerate(owners)]

    report = await bring("mem0", write(tmp_path / "x", {"m.json": told}))

    assert sorted(await passages(services)) == [
        "None : Likes tea", "None actor:bo: Likes tea", "None run:r3,user:alice: Likes tea",
        "None run:r3: Likes tea", "None run:r4: Likes tea", "None user:alice: Likes tea",
    ]  # fmt: skip
    assert report.is_whole


PAGES: dict[str, Any] = {
    "lines": lines({"id": "1", "memory": "Likes rye"}, {"id": "2", "memory": "Sails"}),
    "pages": lines({"results": [{"memory": "Likes rye"}]}, {"results": [{"memory": "Sails"}]}),
    "lists": '[{"memory": "Likes rye"}]\n[{"memory": "Sails"}]',
    "objects": [{"memory": {"text": "Likes rye"}}, {"memory": {"content": "Sails"}}],
    "by-id": {"memories": {"1": {"memory": "Likes rye"}, "2": {"memory": "Sails"}}},
    "nested": {"data": {"results": [{"memory": "Likes rye"}, {"text": "Sails"}]}},
    "points": {"result": {"points": [{"id": "1", "payload": {"data": "Likes rye"}, "vector": [1]},
                                     {"id": "2", "payload": {"data": "Sails"}, "vector": [1]}]}},
    "v2-page": {"count": 2, "next": None, "previous": None,
                "results": [{"memory": "Likes rye"}, {"memory": "Sails"}]},
}  # fmt: skip


@pytest.mark.parametrize("told", PAGES.values(), ids=PAGES)
async def test_mem0s_pages_are_read_however_they_are_put_together(
    bring: Bring, services: Services, tmp_path: Path, told: Any
) -> None:
    report = await bring("mem0", write(tmp_path / "x", {"m.json": told}))

    assert await filed(services) == ["Likes rye", "Sails"]
    assert report.is_whole


async def test_the_backup_of_an_openmemory_server_is_one_set_of_memories(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    # mem0ai/mem0, openmemory/api/app/routers/backup.py: the same memories stand in both files.
    at = "2026-01-01T00:00:00+00:00"
    backup = {
        "user": {"id": "u-1", "user_id": "ana", "name": "Ana"},
        "apps": [{"id": "a-1", "name": "cursor"}],
        "categories": [{"id": "k-1", "name": "food"}],
        "memories": [
            {"id": "1", "user_id": "u-1", "app_id": "a-1", "content": "Likes rye", "metadata": {},
             "state": "active", "created_at": at, "category_ids": ["k-1"]},
            {"id": "2", "user_id": "u-1", "content": "Gone", "state": "deleted", "created_at": at},
        ],
        "memory_categories": [], "status_history": [{"id": "h"}], "access_controls": [],
        "export_meta": {"version": "1"},
    }  # fmt: skip
    line = {"id": "1", "content": "Likes rye", "metadata": {}, "created_at": at, "state": "active",
            "app": "cursor", "categories": ["food"]}  # fmt: skip
    files = {"memories.json": backup, "memories.jsonl.gz": gzip.compress(lines(line).encode())}
    folder = write(tmp_path / "x", {"backup.zip": files})

    report = await bring("mem0", folder / "backup.zip")

    assert await passages(services) == [
        "2026-01-01T00:00:00.000Z app:cursor,food,user:ana: Likes rye"
    ]
    assert dict(report.left_out) == {
        "memories that were deleted in mem0": 1, "apps of the server": 1,
        "states that memories had before": 1,
    }  # fmt: skip
    assert report.is_whole


async def test_what_mem0_writes_besides_memories_is_taken_or_counted(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    files = {
        "profile.json": {"name": "Ana", "diet": {"likes": ["rye", "tea"], "allergies": None}},
        "history.json": [
            {"id": "1", "memory_id": "m", "old_memory": None, "new_memory": "x", "event": "ADD"}
        ],
        "added.json": {
            "results": [{"id": "9", "memory": "Old.", "event": "DELETE"}, "words"],
            "relations": {"added_entities": [[
                {"source": "ana", "relationship": "lives_in", "target": "porto"}]]},
            "riddles": [1, 2],
        },
        "odd.json": [{"foo": "bar"}, {"id": "3", "memory": {"shape": 1}}, {"id": "4"}],
    }  # fmt: skip
    report = await bring("mem0", write(tmp_path / "x", files))

    assert await filed(services) == [
        "ana lives in porto.", "name: Ana\ndiet likes: rye\ndiet likes: tea"
    ]  # fmt: skip
    assert dict(report.left_out) == {
        "memories that were deleted in mem0": 1, "versions of memories (their history)": 1
    }  # fmt: skip
    assert dict(report.not_understood) == {
        "records under 'riddles'": 2, "records that are no memories": 1,
        "memories with an unknown shape of 'memory'": 1,
    }  # fmt: skip
    assert report.bad_places == [
        ("added.json, memory 2", "it is not a JSON object"),
        ("odd.json, memory 3", "it has no text under memory"),
    ]
