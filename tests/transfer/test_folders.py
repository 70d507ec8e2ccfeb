"""Whatever lies under the path is read, or the report says what it is and why it is not."""

import bz2
import gzip
import importlib
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from tests.transfer.conftest import DATA, Bring
from tests.transfer.test_formats import messages

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.services import Services
from memory_mcp.transfer import packed
from memory_mcp.transfer.folder import entries
from memory_mcp.transfer.formats import guessed

PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".zst": zstd.compress,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def said(session: str, words: str) -> bytes:
    """A session of Claude Code in which one thing was said."""
    told: dict[str, Any] = {
        "type": "user", "uuid": f"u-{session}", "sessionId": session, "cwd": "/w",
        "timestamp": "2026-07-01T10:00:00Z", "promptId": f"p-{session}",
        "message": {"role": "user", "content": words},
    }  # fmt: skip
    return json.dumps(told).encode() + b"\n"


def chats(key: str, words: str) -> bytes:
    """A list of one conversation, as Claude.ai exports it."""
    message = {
        "uuid": f"m-{key}", "sender": "human", "text": words, "created_at": "2026-02-01T10:00:00Z"
    }  # fmt: skip
    return json.dumps([{"uuid": key, "chat_messages": [message]}]).encode()


@pytest.fixture
def claimed(tmp_path: Path) -> Path:
    """The folder that is imported."""
    folder = tmp_path / "claimed"
    folder.mkdir()
    return folder


async def words(services: Services) -> list[str]:
    """What was said, in order of the words."""
    return sorted(told.split(": ", 1)[1] for told in await messages(services))


@pytest.mark.parametrize("ending", PACKED)
async def test_a_compressed_file_is_read_alone_and_in_its_folder(
    bring: Bring, services: Services, tmp_path: Path, ending: str
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    (folder / f"rollout-1.jsonl{ending}").write_bytes(
        PACKED[ending]((DATA / "codex.jsonl").read_bytes())
    )

    whole = await bring("codex", folder)
    alone = await bring("codex", folder / f"rollout-1.jsonl{ending}")

    assert guessed(folder) == guessed(folder / f"rollout-1.jsonl{ending}") == "codex"
    assert (whole.stored, alone.stored, alone.known) == (3, 0, 3)
    assert whole.is_whole


@pytest.mark.parametrize("kind", ["jsonl", "passages", "chatgpt", "mem0", "server-memory", "af"])
async def test_every_format_may_be_compressed(bring: Bring, tmp_path: Path, kind: str) -> None:
    files = {"chatgpt": "chatgpt.json", "mem0": "mem0.json", "server-memory": "server_memory.jsonl"}
    plain = {
        "jsonl": b'{"role": "user", "content": "Hi.", "created_at": "2026-01-01T00:00:00Z",'
        b' "conversation": "c"}',
        "passages": b'{"content": "Tides."}',
        "af": (DATA / "new.af").read_bytes(),
    }
    told = plain.get(kind) or (DATA / files[kind]).read_bytes()
    file = tmp_path / "export.zst"
    # In two frames, as programs write that compress with several threads.
    file.write_bytes(zstd.compress(told[:20]) + zstd.compress(told[20:]))

    assert (await bring(kind, file)).stored > 0


async def test_a_compressed_file_is_named_with_what_to_install_to_read_it(
    bring: Bring, services: Services, claimed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (claimed / "a.jsonl.zst").write_bytes(zstd.compress(said("a", "Old.")))
    (claimed / "b.jsonl").write_bytes(said("b", "New."))
    there = importlib.import_module

    def without_zstd(name: str) -> Any:
        if "zstd" in name:
            raise ImportError(name)
        return there(name)

    monkeypatch.setattr(packed.importlib, "import_module", without_zstd)
    report = await bring("claude-code", claimed, agent="a")

    assert await words(services) == ["New."]
    ((place, reason),) = report.bad_places
    assert place == "a.jsonl.zst"
    assert reason.startswith("is compressed with zstd, and")
    assert not report.is_whole


async def test_what_is_cut_off_or_a_bomb_is_named_and_the_other_files_come(
    bring: Bring, services: Services, claimed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "BYTES_FREE", 1_000_000)
    (claimed / "a.jsonl.zst").write_bytes(zstd.compress(said("a", os.urandom(999).hex()))[:-9])
    (claimed / "b.jsonl.gz").write_bytes(gzip.compress(b" " * 30_000_000))
    (claimed / "c.jsonl").write_bytes(said("c", "Whole."))

    report = await bring("claude-code", claimed, agent="a")

    assert await words(services) == ["Whole."]
    told = dict(report.bad_places)
    assert told["a.jsonl.zst"].startswith("is damaged or cut off")
    assert told["b.jsonl.gz"].startswith("looks like a zip bomb: it has")


async def test_links_are_followed_and_each_file_is_read_once(
    bring: Bring, services: Services, tmp_path: Path, claimed: Path
) -> None:
    real = tmp_path / "real"
    (real / "deep").mkdir(parents=True)
    (real / "deep" / "x.jsonl").write_bytes(said("x", "Linked."))
    (real / "y.jsonl").write_bytes(said("y", "Linked alone."))
    (claimed / "z.jsonl").write_bytes(said("z", "Plain."))
    (claimed / "a-file.jsonl").symlink_to(real / "y.jsonl")
    (claimed / "a-folder").symlink_to(real)
    (claimed / "again").symlink_to(real)
    (real / "deep" / "round").symlink_to(claimed)
    (claimed / "gone.jsonl").symlink_to(tmp_path / "nowhere")

    report = await bring("claude-code", claimed, agent="a")

    assert await words(services) == ["Linked alone.", "Linked.", "Plain."]
    assert report.stored + report.known == 3
    assert report.bad_places == [("gone.jsonl", "it is a link that points nowhere")]


def test_a_file_has_its_own_paths_name_whatever_links_lead_to_it(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "tides.md").write_text("High at three.")
    (tmp_path / "a-link").symlink_to(tmp_path / "notes")

    assert [entry.name for entry in entries(tmp_path)] == ["notes/tides.md"]


async def test_files_that_are_not_read_are_counted_by_what_they_are(
    bring: Bring, services: Services, claimed: Path
) -> None:
    (claimed / "a.jsonl").write_bytes(said("a", "Hello."))
    (claimed / "empty.jsonl").touch()
    for name in ("b.txt", "c.TXT", "README", "d.jsonl.old", "photo.png", ".hidden.jsonl"):
        (claimed / name).write_bytes(b"x")
    (claimed / ".git").mkdir()
    with zipfile.ZipFile(claimed / "old.zip", "w") as out:
        out.writestr("e.jsonl", said("e", "Zipped."))
    os.mkfifo(claimed / "pipe.jsonl")

    report = await bring("claude-code", claimed, agent="a")

    assert await words(services) == ["Hello."]
    assert dict(report.left_out) == {
        "empty files": 1, "images": 1, "hidden files and folders": 2
    }  # fmt: skip
    assert dict(report.not_understood) == {
        "files ending in .txt": 2,
        "files without an ending": 1,
        "files ending in .old": 1,
        "zip old.zip (unpack it, and import the folder)": 1,
    }  # fmt: skip
    assert report.examples["files ending in .txt"] == "b.txt"
    assert report.bad_places == [("pipe.jsonl", "it is neither a file nor a folder")]


async def test_a_file_that_may_not_be_read_is_named_and_the_rest_comes(
    bring: Bring, services: Services, claimed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (claimed / "a.jsonl").write_bytes(said("a", "Secret."))
    (claimed / "b.jsonl").write_bytes(said("b", "Open."))
    allowed = os.access
    monkeypatch.setattr(  # whoever runs the tests may be allowed to read everything
        os, "access", lambda path, mode: Path(path).name != "a.jsonl" and allowed(path, mode)
    )

    report = await bring("claude-code", claimed, agent="a")

    assert await words(services) == ["Open."]
    assert report.bad_places == [("a.jsonl", "it cannot be read: Permission denied")]


async def test_a_folder_may_hold_several_zips_with_folders_in_them(
    bring: Bring, services: Services, claimed: Path
) -> None:
    for name in ("one", "two"):
        with zipfile.ZipFile(claimed / f"{name}.zip", "w") as out:
            out.writestr(f"data/export/{name}/conversations.json", chats(name, f"In {name}."))
            out.writestr("__MACOSX/data/._conversations.json", b"x")
            out.writestr("inner.zip", b"PK\x03\x04")
            out.writestr("odd.bin", b"x")
    (claimed / "plain").mkdir()
    (claimed / "plain" / "conversations.json").write_bytes(chats("plain", "In a folder."))
    (claimed / "broken.zip").write_bytes(b"PK\x03\x04 and then nothing")

    report = await bring("claude-ai", claimed)

    assert await words(services) == ["In a folder.", "In one.", "In two."]
    assert dict(report.left_out) == {"hidden files and folders": 2}
    assert dict(report.not_understood) == {
        "zip one.zip/inner.zip (unpack it, and import the folder)": 1,
        "zip two.zip/inner.zip (unpack it, and import the folder)": 1,
        "files ending in .bin": 2,
    }
    assert [place for place, _ in report.bad_places] == ["broken.zip"]


@pytest.mark.parametrize("kind", ["codex", "chatgpt", "markdown", "mem0"])
async def test_a_folder_with_nothing_in_it_is_refused_and_says_so(
    bring: Bring, claimed: Path, kind: str
) -> None:
    with pytest.raises(ImportRefused, match=r"there is no .* in the folder .*; it has: nothing"):
        await bring(kind, claimed)


async def test_a_zip_where_none_is_read_says_what_to_do(bring: Bring, tmp_path: Path) -> None:
    archive = tmp_path / "notes.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.md", "Tides.")

    with pytest.raises(ImportRefused, match=r"notes\.zip is a zip\. Unpack it"):
        await bring("markdown", archive)


async def test_a_folder_of_several_exports_is_read_as_what_is_asked_for(
    bring: Bring, services: Services, claimed: Path
) -> None:
    with zipfile.ZipFile(claimed / "a.zip", "w") as out:
        out.write(DATA / "chatgpt.json", "conversations.json")
    with zipfile.ZipFile(claimed / "b.zip", "w") as out:
        out.write(DATA / "claude_ai.json", "conversations.json")

    report = await bring("claude-ai", claimed)

    assert report.stored > 0
    assert [what.split(" (")[1] for what in report.not_understood] == [
        "ChatGPT writes such: import chatgpt)"
    ]
