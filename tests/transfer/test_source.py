"""What is read from: JSON files read whole, zips, and what each does with what is broken."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from tests.transfer.conftest import Bring

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.transfer import packed
from memory_mcp.transfer.report import Report
from memory_mcp.transfer.source import Source, whole_json


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_file_may_be_wrapped_in_a_text_and_in_any_unicode(encoding: str) -> None:
    told = json.dumps(json.dumps({"a": "ü"}))
    assert whole_json(io.BytesIO(told.encode(encoding)), "x") == {"a": "ü"}


async def test_a_zip_bomb_ends_the_import_with_its_numbers(
    bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "BYTES_FREE", 1_000_000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("conversations.json", b'[{"mapping": {"a": "' + b"a" * 30_000_000)

    with pytest.raises(ImportRefused, match=r"conversations\.json looks like a zip bomb: it has"):
        await bring("chatgpt", archive)


async def test_a_zip_that_lies_about_its_size_is_watched_all_the_same(
    bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "BYTES_FREE", 1_000_000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("conversations.json", b"[" + b" " * 30_000_000)
    told = bytearray(archive.read_bytes())
    size = (30_000_001).to_bytes(4, "little")
    for place in (told.find(size), told.rfind(size)):
        told[place : place + 4] = (1_000).to_bytes(4, "little")
    archive.write_bytes(told)

    with pytest.raises(ImportRefused):
        await bring("chatgpt", archive)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 and then nothing", "is no zip that can be read"),
        (b"PK\x05\x06" + b"\0" * 18, r"there is no conversations\.json in .*; it has: nothing"),
    ],
    ids=["broken", "empty"],
)
async def test_a_zip_that_cannot_be_read_is_refused(
    bring: Bring, tmp_path: Path, content: bytes, reason: str
) -> None:
    archive = tmp_path / "export.zip"
    archive.write_bytes(content)

    with pytest.raises(ImportRefused, match=reason):
        await bring("chatgpt", archive)


async def test_a_zip_of_something_else_says_what_is_in_it(bring: Bring, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("sea.jpg", b"x")

    with pytest.raises(ImportRefused, match=r"no conversations\.json in .*; it has: sea\.jpg"):
        await bring("chatgpt", archive)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="No such file"):
        Source(str(tmp_path / "nowhere"), Report())
