"""Installing: our entries in hosts' files, written so that it can be taken back."""

import difflib
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from memory_mcp.domain.errors import ConfigurationRefused, MemoryMCPError
from memory_mcp.hosts import (
    claude_code,
    claude_desktop,
    cline,
    codex,
    continue_cli,
    copilot_cli,
    cursor,
    gemini,
    goose,
    hermes,
    junie,
    openclaw,
    opencode,
    qwen,
    vscode,
    windsurf,
    zed,
)
from memory_mcp.hosts.formats import json_text, toml_text, yaml_list, yaml_text
from memory_mcp.hosts.host import (
    SERVER,
    Hook,
    Host,
    HostFile,
    Item,
    Places,
    Program,
    Put,
    Script,
    is_our_hook,
)
from memory_mcp.hosts.reading import others_server

HOSTS: dict[str, Host] = {
    host.name: host
    for host in (
        claude_desktop.HOST, claude_code.HOST, cursor.HOST, vscode.HOST, zed.HOST, windsurf.HOST,
        codex.HOST, gemini.HOST, copilot_cli.HOST, qwen.HOST, opencode.HOST, opencode.KILO,
        continue_cli.HOST, cline.HOST, hermes.HOST, openclaw.HOST,
        junie.HOST, goose.HOST,
    )
}  # fmt: skip
BACKUP = ".before-memory-mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one file of a host's."""

    host: Host
    file: HostFile
    before: str | None
    """`None`: it isn't there."""
    after: str | None
    """`None`: it goes."""
    installs: bool
    problem: str = ""
    """Why it is left as it is, if it is."""

    @property
    def is_needed(self) -> bool:
        """Whether anything is to be written."""
        return not self.problem and self.before != self.after

    def difference(self) -> str:
        """The lines that go and come, as `diff -u` tells them."""
        before, after = (
            (text or "").splitlines(keepends=True) for text in (self.before, self.after)
        )
        name = str(self.file.path)
        lines = difflib.unified_diff(before, after, name, name)
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def to_install(host: Host, places: Places, program: Program, *, hooks: bool) -> list[Change]:
    """What installing would change, file by file."""
    wanted = {file.path: file for file in host.files(places, program, hooks)}
    unwanted = {file.path: file for file in host.files(places, program, not hooks)}
    changes: list[Change] = []
    for file in host.files(places, program, True):
        if file.path not in wanted:  # hooks of an earlier time go
            changes.append(_taken_out(host, [file]))
            continue
        kept = wanted[file.path]
        gone = _besides(unwanted.get(file.path, kept), kept)

        def install(text: str | None, gone: HostFile = gone, kept: HostFile = kept) -> str:
            bare = text or ""
            if other := others_server(kept, bare):
                raise ConfigurationRefused(
                    f"its server {SERVER!r} is another program, {other!r}; rename that or take it "
                    "out first."
                )
            return _with_ours(host, kept, _without_ours(host, gone, bare))

        changes.append(_change(host, kept, install, installs=True))
    return changes


def to_uninstall(host: Host, places: Places, program: Program) -> list[Change]:
    """What taking it out again would change, however it was installed."""
    plain = {file.path: file for file in host.files(places, program, False)}
    return [
        _taken_out(host, [file, plain.get(file.path, file)])
        for file in host.files(places, program, True)
    ]


def carry_out(change: Change) -> Path | None:
    """Write it, whole or not at all; where the file as it was before lies now, if anywhere.

    Raises:
        ConfigurationRefused: it cannot be written.
    """
    path = Path(os.path.realpath(change.file.path))  # people link to these from elsewhere
    backup = path.with_name(path.name + BACKUP)
    try:
        if change.after is None:
            path.unlink()
            with suppress(FileNotFoundError):
                backup.unlink()
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        if change.before is not None and change.installs and not _has_ours(change):
            _write(backup, change.before, like=path)
        _write(path, change.after, like=path)
        if not change.installs:
            with suppress(FileNotFoundError):
                backup.unlink()
        return backup if backup.exists() else None
    except OSError as error:
        raise ConfigurationRefused(
            f"{path} cannot be written: {error.strerror or error}; it was left as it is."
        ) from error


def written_out(file: HostFile, host: Host) -> str:
    """The file as it would be if there were none: for copying by hand."""
    return _with_ours(host, file, "")


def _besides(file: HostFile, kept: HostFile) -> HostFile:
    """What of a file is not kept: an entry of another value is, and written anew."""
    places = [entry.path for entry in kept.entries if isinstance(entry, Put)]
    more = tuple(
        entry
        for entry in file.entries
        if entry not in kept.entries and not (isinstance(entry, Put) and entry.path in places)
    )
    return replace(file, entries=more)


def _taken_out(host: Host, ways: Sequence[HostFile]) -> Change:
    """The file without ours; `ways` are what it may have been given."""
    return _change(host, ways[0], lambda text: _put_back(host, ways, text), installs=False)


def _change(
    host: Host,
    file: HostFile,
    become: Callable[[str | None], str | None],
    *,
    installs: bool,
) -> Change:
    before: str | None = None
    try:
        before = _text_of(file.path)
        after = become(before)
    except MemoryMCPError as error:
        problem, after = str(error), before
    else:
        problem = ""
    return Change(
        host=host, file=file, before=before, after=after, installs=installs, problem=problem
    )


def _put_back(host: Host, ways: Sequence[HostFile], before: str | None) -> str | None:
    """The file without ours: as it was before, byte for byte, if nobody has changed it since."""
    if before is None:
        return None
    there = Path(os.path.realpath(ways[0].path))
    backup = there.with_name(there.name + BACKUP)
    with suppress(ConfigurationRefused):
        then = _text_of(backup)
        if then is not None and any(_with_ours(host, file, then) == before for file in ways):
            return then
    if any(before == _with_ours(host, file, "") for file in ways):
        return None
    after = before
    for file in ways:
        after = _without_ours(host, file, after)
    if after == before:
        return before
    nothing = not after.strip() or after.strip() == "{}"
    return None if ways[0].whole and nothing else after


def _has_ours(change: Change) -> bool:
    before = change.before or ""
    return _without_ours(change.host, change.file, before) != before


def _with_ours(host: Host, file: HostFile, text: str) -> str:
    comments = file.format == "jsonc"
    if file.format in ("json", "jsonc"):
        text = _without_hooks(host, file, text, but_wanted=True)
        for entry in file.entries:
            if isinstance(entry, Hook):
                if not _is_hooked(host, text, entry, comments):
                    text = json_text.add(text, entry.path, entry.item, comments=comments)
            elif isinstance(entry, Item):
                if entry.value not in _items(text, entry.path, comments):
                    text = json_text.add(text, entry.path, entry.value, comments=comments)
            elif isinstance(entry, Put):
                text = json_text.put(text, entry.path, entry.value, comments=comments)
        return text
    if file.format == "yaml":
        for entry in _puts(file):
            text = yaml_text.put(text, entry.path[0], entry.path[1], entry.value)
        return text
    (entry,) = file.entries
    if isinstance(entry, Script):
        _require_ours(entry, text)
        return entry.text
    assert isinstance(entry, Put)
    if file.format == "toml":
        return toml_text.put(text, entry.path, entry.value, adds_to=entry.adds_to)
    return yaml_list.put(text or file.head, entry.path[0], entry.value)


def _without_ours(host: Host, file: HostFile, text: str) -> str:
    if not text.strip() or not file.entries:
        return text
    comments = file.format == "jsonc"
    other = others_server(file, text)
    if file.format in ("json", "jsonc"):
        text = _without_hooks(host, file, text, but_wanted=False)
        for entry in file.entries:
            # A file's version is nobody's; it stays as long as anything else does.
            if isinstance(entry, Put) and entry.path != ("version",) and not other:
                text = json_text.remove(text, entry.path, comments=comments)
            elif isinstance(entry, Item):
                text = _without_item(text, entry, comments)
        return text
    if file.format == "yaml":
        for entry in _puts(file):
            place = entry.path[0], entry.path[1]
            told = isinstance(entry.value, str)
            if yaml_text.read_text(text, *place) != entry.value if told else other:
                continue
            text = yaml_text.remove(text, *place)
        return text
    (entry,) = file.entries
    if isinstance(entry, Script):
        _require_ours(entry, text)
        return ""
    assert isinstance(entry, Put)
    if other:
        return text
    if file.format == "toml":
        return toml_text.remove(text, entry.path)
    return yaml_list.remove(text, entry.path[0], entry.path[1])


def _puts(file: HostFile) -> list[Put]:
    return [entry for entry in file.entries if isinstance(entry, Put)]


def _without_item(text: str, entry: Item, comments: bool) -> str:
    def ours(value: object) -> bool:
        return value == entry.value

    return json_text.remove_items(text, entry.path, ours, comments=comments)


def _require_ours(script: Script, text: str) -> None:
    """Whatever its version, a script of ours says so first."""
    whose = script.first_line.partition(", version ")[0]
    if text.strip() and not text.startswith(f"{whose}, version "):
        raise ConfigurationRefused("it is a file of somebody else's; move it elsewhere first.")


def _without_hooks(host: Host, file: HostFile, text: str, *, but_wanted: bool) -> str:
    """Without our hooks; with `but_wanted` those that are as they should be stay."""
    comments = file.format == "jsonc"
    for entry in file.entries:
        if not isinstance(entry, Hook) or not text.strip():
            continue
        wanted = [entry.item, *entry.item.get("hooks", [])] if but_wanted else []

        def ours(item: object, wanted: Sequence[object] = wanted) -> bool:
            return is_our_hook(item, host.heard_as) and item not in wanted

        for place, item in enumerate(_items(text, entry.path, comments)):
            if not is_our_hook(item, host.heard_as):  # one of ours in a group of somebody's
                inner = (*entry.path, str(place), "hooks")
                text = json_text.remove_items(text, inner, ours, comments=comments)
        text = json_text.remove_items(text, entry.path, ours, comments=comments)
    return text


def _is_hooked(host: Host, text: str, entry: Hook, comments: bool) -> bool:
    """Whether one of ours is in that list, or in a group of it."""
    items = _items(text, entry.path, comments)
    for place in range(len(items)):
        items += _items(text, (*entry.path, str(place), "hooks"), comments)
    return any(is_our_hook(item, host.heard_as) for item in items)


def _items(text: str, path: Sequence[str], comments: bool) -> list[object]:
    if not text.lstrip("\ufeff").strip():
        return []
    node = json_text.find(json_text.read(text, comments=comments), path)
    return [child.value for child in node.children] if node else []


def _text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigurationRefused("it is not UTF-8; it was left as it is.") from error
    except OSError as error:
        raise ConfigurationRefused(f"it cannot be read: {error.strerror or error}.") from error


def _write(path: Path, text: str, *, like: Path) -> None:
    """Replace a file by a whole one, with the rights it had."""
    handle, part = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            os.chmod(part, os.stat(like).st_mode & 0o777)
        os.replace(part, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part)
        raise
