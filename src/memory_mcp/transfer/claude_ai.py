"""Claude.ai's export: conversations, what Claude remembers, projects; in one zip or several.

A conversation is a tree, since a message may be edited and an answer asked for again; the branch in
use is imported, the others are counted. What Claude remembers, and a project's description,
instructions and documents, become passages with the project's name as a tag.

Files are told apart by what is in them, as their names have changed: `memories.json` is
`memories/….json` in newer exports, `projects.json` is a file for each project.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from memory_mcp.domain.host_events import tool_in_short
from memory_mcp.domain.json_values import (
    as_list,
    as_object,
    as_text,
    first_text,
    moment_of,
    name_of,
    objects,
    text_in,
    told_of,
)
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.redact import redact
from memory_mcp.transfer.pieces import pieces
from memory_mcp.transfer.report import Item, Report, dated, storable, tags_of
from memory_mcp.transfer.source import Source, items_of

MEMBER = r"(^|/)(conversations|memories|projects|users|design_chats?)([-_0-9]*|/[^/]+)\.jsonl?$"
KNOWN = {r"(^|/)(export_)?manifest\.json$": "the table of contents of the export"}
ATTACHED_CHARS_MAX = 100_000
"""So much of an attachment's text is kept with the message that it is attached to."""
_ROLES: dict[str, Role] = {"human": "user", "user": "user", "assistant": "assistant"}
_NOT_SHOWN = re.compile(
    r"(```\s*)?This block is not supported on your current device yet\.(\s*```)?"
)
"""What stands in the flat text of a message for everything that is no text."""
_SECTION = re.compile(r"^(?=\*\*[^*\n]+\*\*:?\s*$|#{1,6} )", re.M)
_CALLS = {"tool_use", "server_tool_use", "mcp_tool_use"}
_LEFT_OUT = {
    "thinking": "thoughts",
    "redacted_thinking": "thoughts",
    "token_budget": "notes of how many tokens are left",
    "flag": "flags of the moderation",
}
_MEMORY = {"conversations_memory", "project_memories", "memory_files"} | {
    "account_uuid", "uuid", "created_at", "updated_at",
}  # fmt: skip
_NIL = re.compile(r"0{8}-0{4}-[04]0{3}-[08]0{3}-0{12}")
"""The parent of a message that is the first of its branch."""
_STOPPED = {"user_canceled", "interrupted", "error", "max_tokens"}


def read(source: Source, report: Report) -> Iterator[Item]:
    """Every message of the branch in use of every conversation; memories and projects."""
    projects: dict[str, str] = {}
    memories: list[tuple[dict[str, Any], str]] = []
    for document in source.documents(MEMBER, "conversations.json", KNOWN):
        name = document.name
        with document.opened() as stream:
            for number, told in items_of(stream, report, name):
                if isinstance(told.get("chat_messages"), list):
                    yield from _conversation(told, f"{name}, conversation {number:,}", report)
                elif told.keys() & {"conversations_memory", "project_memories", "memory_files"}:
                    memories.append((told, name))
                elif told.keys() & {"docs", "prompt_template"}:
                    projects[as_text(told.get("uuid"))] = as_text(told.get("name"))
                    yield from _project(told, f"{name}, project {number:,}", report)
                elif told.keys() & {"full_name", "email_address"}:
                    report.left_out["account data (users.json)"] += 1
                elif isinstance(told.get("messages"), list) and "uuid" in told:
                    yield from _design_chat(told, f"{name}, chat {number:,}", report)
                else:
                    what = " (ChatGPT writes such: import chatgpt)" if "mapping" in told else ""
                    report.not_understand(
                        f"records of an unknown kind{what}", f"{name}, record {number:,}"
                    )
    for told, name in memories:  # when all projects' names are known
        yield from _memories(told, name, projects, report)


# --- Conversations ---


def _conversation(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    key = as_text(told.get("uuid")) or place
    project = as_object(told.get("project"))
    more = {"title": as_text(told.get("name")), "project": as_text(project.get("name"))}
    metadata = {name: value for name, value in more.items() if value}
    at = dated(told, place, report, "created_at", "updated_at")
    if as_text(told.get("summary")).strip():
        report.left_out["summaries that Claude.ai wrote"] += 1
    messages = objects(told["chat_messages"])
    if odd := len(told["chat_messages"]) - len(messages):
        report.not_understand("messages that are no objects", place, odd)
    if not messages:
        report.left_out["conversations without a message"] += 1
    path = _in_use(messages, as_text(told.get("current_leaf_message_uuid")))
    if others := len(messages) - len(path):
        report.left_out["messages on other branches than the one in use"] += others
    for number, message in path:
        external = as_text(message.get("uuid")) or f"message-{number}"
        where = f"{place}, message {external}"
        at = dated(message, where, report, "created_at", "updated_at") or at
        sender = first_text(message, "sender", "role")
        if sender not in _ROLES:
            report.not_understand(f"messages of the sender {sender[:40]!r}", where)
            continue
        if at is None:
            report.refuse(where, "neither it nor its conversation has a time")
            continue
        parts = list(_parts(message, _ROLES[sender], where, report))
        if not parts:
            report.left_out["messages without a word"] += 1
        for part, (role, name, text) in enumerate(parts):
            made = NewMessage(
                role=role,
                content=storable(text, report),
                created_at=at,
                conversation=key,
                name=name,
                external_id=f"{external}:{part}" if part else external,
                metadata={"claude_ai": metadata} if metadata else None,
            )
            metadata = {}
            yield Item(made, f"{place}, message {made.external_id}")


def _in_use(messages: Sequence[dict[str, Any]], leaf: str) -> list[tuple[int, dict[str, Any]]]:
    """The messages on the branch in use, with their numbers.

    It ends in the message that the export names, else in the latest of those without an answer.
    Old exports name no parents: there everything is one branch. A message whose parent is not in
    the export goes on from the one before, by time, as do others with the same parent.
    """
    numbered = list(enumerate(messages, 1))
    ids = {as_text(told.get("uuid")): number for number, told in numbered if told.get("uuid")}
    parents = {n: ids.get(as_text(told.get("parent_message_uuid"))) for n, told in numbered}
    if not any(parents.values()) and not any(map(_begins, messages)):
        return numbered
    beginnings = [told for n, told in numbered if parents[n] is None]
    if any(as_text(told.get("sender")) == "assistant" for told in beginnings[1:]):
        # An answer begins no branch: its question is an old one, that was given no id.
        parents |= {n: n - 1 or None for n in parents if parents[n] is None}
    parents |= _bridged(numbered, ids)
    answered = set(parents.values())
    leaves = [number for number, _ in numbered if number not in answered]
    place = ids.get(leaf) or max(leaves or parents, key=lambda n: (_moment(messages[n - 1]), n))
    path: dict[int, None] = {}
    while place is not None and place not in path:  # a circle ends where it closes
        path[place] = None
        place = parents[place]
    return [numbered[number - 1] for number in reversed(path)]


def _bridged(
    numbered: Sequence[tuple[int, dict[str, Any]]], ids: dict[str, int]
) -> dict[int, int | None]:
    """What messages go on from whose parent is missing."""
    by_time = sorted(numbered, key=lambda each: (_moment(each[1]), each[0]))
    found: dict[int, int | None] = {}
    before: int | None = None
    of_parent: dict[str, int | None] = {}
    for number, told in by_time:
        parent = as_text(told.get("parent_message_uuid"))
        if parent and parent not in ids and not _begins(told):
            found[number] = of_parent.setdefault(parent, before)
        before = number
    return found


def _begins(told: dict[str, Any]) -> bool:
    """Whether it says that nothing came before it."""
    return _NIL.fullmatch(as_text(told.get("parent_message_uuid"))) is not None


def _moment(told: dict[str, Any]) -> float:
    at = moment_of(told.get("created_at"))
    return at.timestamp() if at else 0.0


def _parts(
    message: dict[str, Any], role: Role, place: str, report: Report
) -> Iterator[tuple[Role, str | None, str]]:
    """What was said, and each use of a tool by itself."""
    said: list[str] = []
    tools: list[tuple[Role, str | None, str]] = []
    content = message.get("content")
    has_words = False
    listed: list[Any] = [content] if isinstance(content, str | dict) else as_list(content)
    for part in listed:
        told = {"type": "text", "text": part} if isinstance(part, str) else as_object(part)
        kind = as_text(told.get("type"))
        name = name_of(told.get("name")) or "tool"
        text = first_text(told, "text", "transcript")
        if kind in ("text", "voice_note"):
            has_words = has_words or bool(text)
            said += [text] if text else []
        elif kind in _CALLS:
            tools.append(("tool", name, tool_in_short(name, told_of(told.get("input")), "")))
        elif kind.endswith("tool_result"):
            tools.append(("tool", name, tool_in_short(name, "", text_in(told.get("content")))))
        elif kind in ("image", "document", "file"):
            said.append(f"[{first_text(told, 'file_name', 'title', 'name') or kind}]")
            report.left_out["images and files"] += 1
        elif kind in _LEFT_OUT:
            report.left_out[_LEFT_OUT[kind]] += 1
        else:
            report.not_understand(f"parts of messages of the type {kind[:40]!r}", place)
            said += [text] if text else []
    flat = _NOT_SHOWN.sub("", as_text(message.get("text"))).strip()
    if flat and not has_words:
        said.insert(0, flat)
    if as_text(message.get("stop_reason")) in _STOPPED or message.get("truncated") is True:
        report.left_out["marks of answers that were interrupted"] += 1
    said += _attached(message, report)
    if text := "\n\n".join(said):
        yield role, None, text
    yield from tools


def _attached(message: dict[str, Any], report: Report) -> Iterator[str]:
    """What is attached to a message: the text where the export has it, else the name."""
    names: set[str] = set()
    for each in objects(message.get("attachments")):
        name = first_text(each, "file_name") or "pasted text"
        names.add(name)
        text = as_text(each.get("extracted_content"))
        if not text.strip():
            report.left_out["contents of attachments"] += 1
            yield f"[{name}]"
            continue
        if (more := len(text) - ATTACHED_CHARS_MAX) > 0:
            report.left_out[
                f"ends of attachments longer than {ATTACHED_CHARS_MAX:,} characters"
            ] += 1
            text = f"{redact(text)[:ATTACHED_CHARS_MAX]}\n[{more:,} more characters]"
        yield f"[{name}]\n{text}"
    for key in ("files", "files_v2", "sync_sources"):
        for each in as_list(message.get(key)):
            name = first_text(as_object(each), "file_name", "name") or "file"
            if name not in names:
                names.add(name)
                report.left_out["contents of attachments"] += 1
                yield f"[{name}]"


def _design_chat(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    """A chat with Claude Design: its messages have roles, and one thread."""
    messages: list[Any] = [
        {**each, "sender": "human" if as_text(each.get("role")) == "user" else each.get("role")}
        for each in objects(told["messages"])
    ]
    more = {"name": as_text(told.get("title")), "chat_messages": messages}
    yield from _conversation({**told, **more}, place, report)


# --- What Claude remembers, and projects ---


def _memories(
    told: dict[str, Any], name: str, projects: dict[str, str], report: Report
) -> Iterator[Item]:
    at = dated(told, name, report, "updated_at", "created_at")
    account = as_text(told.get("account_uuid"))
    texts: list[tuple[str, str, str]] = [("", "", as_text(told.get("conversations_memory")))]
    for key, each in as_object(told.get("project_memories")).items():
        text = as_text(each) or first_text(as_object(each), "memory", "content", "text")
        texts.append((key, projects.get(key) or key, text))
    for each in as_list(told.get("memory_files")):
        file = as_object(each)
        title = first_text(file, "path", "filename", "name") or "memory"
        texts.append((title, "", first_text(file, "content", "text")))
    for key in told:
        if told[key] and key not in _MEMORY:
            report.not_understand(f"records under {key[:40]!r}", name)
    for key, project, text in texts:
        if not text.strip():
            if key:
                report.left_out["memories without a word"] += 1
            continue
        title = f"What Claude remembers of {project}" if project else "What Claude remembers"
        tags = tags_of("claude-memory", project)
        source = " ".join(("claude.ai memory", *filter(None, (account, key))))
        for section in _SECTION.split(text):
            for piece in pieces(section.strip()) if section.strip() else ():
                yield _passage(f"{title}\n\n{piece}", tags, at, source, None, name, report)


def _project(told: dict[str, Any], place: str, report: Report) -> Iterator[Item]:
    if told.get("is_starter_project") is True:
        report.left_out["projects that Claude.ai gives everybody"] += 1
        return
    name = as_text(told.get("name")).strip() or "a project without a name"
    source = f"claude.ai project {as_text(told.get('uuid')) or name}"
    at = dated(told, place, report, "created_at", "updated_at")
    metadata = {"project": name}
    tags = tags_of("claude-project", name)
    for key, title in (
        ("description", f"The project {name}"),
        ("prompt_template", f"Instructions of the project {name}"),
    ):
        text = as_text(told.get(key)).strip()
        for piece in pieces(text) if text else ():
            yield _passage(f"{title}\n\n{piece}", tags, at, source, metadata, place, report)
    for doc in objects(told.get("docs")):
        file = first_text(doc, "filename", "file_name", "name") or "document"
        text = first_text(doc, "content", "extracted_content").strip()
        if not text:
            report.left_out["contents of projects' files"] += 1
            continue
        when = dated(doc, place, report, "created_at", "updated_at") or at
        more = {**metadata, "file": file}
        for piece in pieces(text):
            content = f"{file}\n\n{piece}"
            yield _passage(content, tags, when, f"{source}/{file}", more, place, report)
    if files := len(as_list(told.get("files"))):
        report.left_out["contents of projects' files"] += files


def _passage(
    content: str,
    tags: tuple[str, ...],
    at: datetime | None,
    source: str,
    metadata: dict[str, Any] | None,
    place: str,
    report: Report,
) -> Item:
    made = NewPassage(
        content=storable(content, report),
        tags=tags,
        occurred_at=at,
        origin="import:claude-ai",
        source=source,
        metadata=metadata,
    )
    return Item(made, place)
