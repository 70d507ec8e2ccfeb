"""Reads what the program says by its documented frames, and by nothing else (docs/security.md).

It knows none of the texts that are stored: what it finds is what a careful reader would believe.
"""

import re
from dataclasses import dataclass, field

HEAD = re.compile(r"- (\d{4}-\d\d-\d\d(?: \d\d:\d\d)?) \(([^()]*)\) (.*)", re.S)
END = re.compile(r"(.*)\[((?:message|passage)-[0-9a-f]{32})\]", re.S)
MESSAGE = re.compile(r"\[(\d{4}-\d\d-\d\d(?: \d\d:\d\d)?)\] ([^\n]*?): (.*)", re.S)
CONTEXT = re.compile(
    r"<memory_blocks>\n(?P<blocks>.*?)\n</memory_blocks>\n\n"
    r"<memory_metadata>\n(?P<metadata>.*?)\n</memory_metadata>"
    r"(?:\n\n<summary>\n(?P<summary>.*?)\n</summary>)?"
    r"(?:\n\n<recent_messages>\n(?P<messages>.*?)\n</recent_messages>)?",
    re.S,
)
BLOCK = re.compile(
    r"<(?P<tag>[\w.\-]+)>\n<description>\n(?P<description>.*?)\n</description>\n"
    r"<metadata>\n(?P<metadata>.*?)\n</metadata>\n<value>\n(?P<value>.*?)\n</value>\n"
    r"(?P<cut>\[cut: [^\n]*\]\n)?</(?P=tag)>\n\n?",
    re.S,
)


def lines_of(text: str) -> list[str]:
    """The lines, for a reader who takes every character for a line break that any program does."""
    return text.splitlines()


def items(text: str) -> list[str]:
    """The program's lines, each with the stored lines that follow it."""
    told: list[str] = []
    for line in lines_of(text):
        if line.startswith(" ") or (told and not line):
            told[-1] += f"\n{line.removeprefix(' ')}"
        else:
            told.append(line)
    return told


@dataclass
class Hit:
    """One hit of a search."""

    id: str
    said: str
    tags: str = ""
    notes: list[str] = field(default_factory=list[str])


def hits(text: str) -> tuple[list[Hit], list[str]]:
    """The hits of an answer, and the program's other lines.

    A hit goes on in lines of its neighbours and of its tags and id, which stands last.
    """
    grouped: list[list[str]] = []
    others: list[str] = []
    for item in items(text):
        if HEAD.match(item):
            grouped.append([item])
        elif grouped and not others and item.startswith(("(before, ", "(after, ", "#", "[")):
            grouped[-1].append(item)
        elif item.strip():
            others.append(item)
    return [_hit(group) for group in grouped], others


def _hit(group: list[str]) -> Hit:
    *before, last = group
    ended = END.fullmatch(last.rstrip("\n"))
    assert ended is not None, last
    rest, known = ended.groups()
    if not before:
        place = rest.find("#", rest.rfind("\n") + 1)
        place = len(rest) if place == -1 else place
        said, notes, tags = rest[:place].removesuffix(" "), [], rest[place:].strip()
    elif rest.startswith(("(before, ", "(after, ")):
        said, notes, tags = before[0], [*before[1:], rest.rstrip()], ""
    else:
        said, notes, tags = before[0], before[1:], rest.strip()
    head = HEAD.fullmatch(said)
    assert head is not None, said
    return Hit(known, head[3], tags, notes)


@dataclass
class View:
    """What a context holds."""

    blocks: dict[str, str]
    descriptions: dict[str, str]
    cut: set[str]
    metadata: list[str]
    summary: str | None
    messages: list[tuple[str, str]]
    """Speakers, and what they said."""


def view(text: str) -> View:
    """A context, read by its tags; each of them stands in it once."""
    found = CONTEXT.fullmatch(text)
    assert found is not None, text
    for tag in ("memory_blocks", "memory_metadata", "summary", "recent_messages"):
        assert text.count(f"<{tag}>") == text.count(f"</{tag}>") <= 1
    core = found["blocks"].partition("\n\n")[2]
    blocks = list(BLOCK.finditer(core + "\n"))
    assert "".join(each[0] for each in blocks).strip() == core.strip(), core
    messages: list[tuple[str, str]] = []
    for item in items(found["messages"] or ""):
        message = MESSAGE.fullmatch(item)
        assert message is not None, item
        messages.append((message[2], message[3]))
    return View(
        blocks={each["tag"]: each["value"] for each in blocks},
        descriptions={each["tag"]: each["description"] for each in blocks},
        cut={each["tag"] for each in blocks if each["cut"]},
        metadata=found["metadata"].split("\n"),
        summary=found["summary"],
        messages=messages,
    )
