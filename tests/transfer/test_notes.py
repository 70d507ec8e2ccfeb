"""Notes in Markdown as people and their programs write them. All of them are made up."""

import os
import re
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from tests.transfer.conftest import Bring

from memory_mcp.domain.copies import PassageCopy
from memory_mcp.domain.ids import AgentId
from memory_mcp.services import Services
from memory_mcp.transfer.pieces import PIECE_CHARS
from memory_mcp.transfer.report import Report


class Vault:
    """A folder of notes that is imported as it stands."""

    def __init__(self, folder: Path, bring: Bring, services: Services) -> None:
        self.folder = folder
        self._bring = bring
        self._services = services

    def write(self, name: str, text: str | bytes) -> None:
        """Write a note."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    async def read(
        self, name: str = "", text: str | bytes = ""
    ) -> tuple[list[PassageCopy], Report]:
        """Import it, with one more note."""
        if name:
            self.write(name, text)
        report = await self._bring("markdown", self.folder)
        rows = [copy async for copy in self._services.copies.rows("passage")]
        return [copy for copy in rows if isinstance(copy, PassageCopy)], report


@pytest.fixture
def vault(tmp_path: Path, bring: Bring, services: Services) -> Vault:
    """An empty folder of notes."""
    folder = tmp_path / "vault"
    folder.mkdir()
    return Vault(folder, bring, services)


# --- What a note is called ---


async def test_a_note_is_found_by_its_name_in_every_section(
    vault: Vault, services: Services, agent_id: AgentId
) -> None:
    vault.write("Pelican Project.md", "## Tasks\n\n- call Bob\n\n## Costs\n\nNone.\n")
    vault.write("Heron Project.md", "## Tasks\n\n- send the invoice\n")
    await vault.read()

    found = await services.archival.search(agent_id, "Pelican tasks")

    assert found.hits[0].passage.content == "Pelican Project > Tasks\n\n- call Bob"


@pytest.mark.parametrize(
    ("name", "text", "begins"),
    [
        ("plain.md", "Words.", "plain\n\nWords."),
        ("tides.md", "---\ntitle: Tides\n---\nWords.", "Tides\n\nWords."),
        ("tides.md", "# Tides\n\nWords.", "Tides\n\nWords."),
        ("n.md", "---\ntitle: Tides\n---\n# Porto\nWords.", "Tides (n) > Porto\n\nWords."),
        ("cpp.md", "---\ntitle: C\n---\n# C++\nWords.", "C (cpp) > C++\n\nWords."),
        ("2026-11-02.md", "# Monday\nWords.", "Monday (2026-11-02)\n\nWords."),
        ("Ana.md", "---\naliases: [Annie, Ana]\n---\nWords.", "Ana (Annie)\n\nWords."),
        ("Ana.md", "---\nalias: Annie, A.\n---\nWords.", "Ana (Annie, A.)\n\nWords."),
        ("tides/README.md", "Words.", "tides\n\nWords."),
        ("Tides " + "0" * 24 + "deadbeef.md", "# Tides\nWords.", "Tides\n\nWords."),
        ("t.md", "---\ntitle: 2023-01-01\n---\nWords.", "2023-01-01 (t)\n\nWords."),
    ],
)
async def test_a_passage_begins_with_what_its_note_is_called(
    vault: Vault, name: str, text: str, begins: str
) -> None:
    passages, _ = await vault.read(name, text)

    assert [each.content for each in passages] == [begins]


async def test_two_notes_of_the_same_words_have_names_of_their_own(vault: Vault) -> None:
    vault.write("a.md", "---\ntitle: Mood\n---\nSlept badly.")
    vault.write("sub/b.md", "---\ntitle: Mood\n---\nSlept badly.")
    passages, report = await vault.read()

    assert [each.content for each in passages] == [
        "Mood (a)\n\nSlept badly.",
        "Mood (b)\n\nSlept badly.",
    ]
    assert report.is_whole


async def test_two_notes_that_read_the_same_stay_two(vault: Vault) -> None:
    vault.write("one/Tasks.md", "- call Bob")
    vault.write("two/Tasks.md", "- call Bob")
    passages, _ = await vault.read()

    assert [(each.content, each.source) for each in passages] == [
        ("Tasks\n\n- call Bob", "one/Tasks.md"),
        ("Tasks\n\n- call Bob", "two/Tasks.md"),
    ]


# --- When it was ---


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("date: 2024-01-05", "2024-01-05T00:00:00"),
        ("created: 2024-01-05 10:11", "2024-01-05T10:11:00"),
        ("created: 2022-01-13 06:41:03Z", "2022-01-13T06:41:03"),
        ("date: '2014-04-30 03:55:32 +0100'", "2014-04-30T02:55:32"),
        ("date: 2024/01/05", "2024-01-05T00:00:00"),
        ("date: 5.1.2024", "2024-01-05T00:00:00"),
        ("date: 25-12-2024", "2024-12-25T00:00:00"),
        ("date: Jan 5, 2024", "2024-01-05T00:00:00"),
        ("date: 5th of January 2024", "2024-01-05T00:00:00"),
        ("date created: Tuesday, May 13th 2025, 2:16:40 pm", "2025-05-13T14:16:40"),
        ("created: 2024-05-30, 08:08 PM", "2024-05-30T20:08:00"),
        ('created: "[[2024-01-05]]"', "2024-01-05T00:00:00"),
        ('Created: "[[2024 09 25]]"', "2024-09-25T00:00:00"),
        ("created: 1625999651454", "2021-07-11T10:34:11"),
        ("created: 1625999651", "2021-07-11T10:34:11"),
        ("date: 20240105", "2024-01-05T00:00:00"),
        ("date: [2024-01-05, 2024-02-01]", "2024-01-05T00:00:00"),
        ("date: 2024年1月5日", "2024-01-05T00:00:00"),
        ("date: 2024-01-05 to 2024-01-09", "2024-01-05T00:00:00"),
        ("date: 2024-01-05 – 2024-01-09", "2024-01-05T00:00:00"),
        ("date: 2024-01-05 - 2024-01-09", "2024-01-05T00:00:00"),
        ("date: 2024-01-05/2024-01-09", "2024-01-05T00:00:00"),
        ("date: 2024-01-05T10:00:00Z/PT1H", "2024-01-05T10:00:00"),
        ("date: 2024-01-05T10:00:00+01:00 (Europe/Berlin)", "2024-01-05T09:00:00"),
        ("date: Jan 5, 2024 10:00 – 11:00", "2024-01-05T10:00:00"),
        (
            "date: Fri Jan 05 2024 10:00:00 GMT+0100 (Central European Standard Time)",
            "2024-01-05T09:00:00",
        ),
        ("date: Jan 5 2024 10:00 GMT+1", "2024-01-05T09:00:00"),
        ("date: 2024-01-05 10:00 CET", "2024-01-05T09:00:00"),
        ("date: 2024-07-05T10:00 Europe/Berlin", "2024-07-05T08:00:00"),
        ("date: 2024-07-05T10:00:00+02:00[Europe/Berlin]", "2024-07-05T08:00:00"),
        ("date: 1/15/24", "2024-01-15T00:00:00"),
        ("date: 15.1.24", "2024-01-15T00:00:00"),
        ("date: 31/1/99", "1999-01-31T00:00:00"),
        ("created: 2024-01-05\nupdated: 2025-01-05", "2024-01-05T00:00:00"),
        ("updated: 2025-01-05", "2025-01-05T00:00:00"),
    ],
)
async def test_a_date_is_read_in_its_usual_spellings(vault: Vault, written: str, day: str) -> None:
    passages, report = await vault.read("a.md", f"---\n{written}\n---\nWords.")

    assert [(each.occurred_at or "")[:19] for each in passages] == [day]
    assert report.is_whole


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("created: 05/01/2024", "created '05/01/2024' may be two days"),
        ("date: 5/1/24", "date '5/1/24' may be two days"),
        ("date: 15/1/24", "date '15/1/24' may be two days"),
        ("date: 2024-01-05 10:00 Europe/Nowhere", "cannot be read as a date"),
        ("date: 05-01-2024", "date '05-01-2024' may be two days"),
        ("date: 2024-02-30", "date '2024-02-30' cannot be read as a date"),
        ("date: May", "date 'May' cannot be read as a date"),
        ("date: May 2024", "date 'May 2024' cannot be read as a date"),
        ("date: 10:11", "date '10:11' cannot be read as a date"),
        ("date: 2024-01-05 10:11 IST", "cannot be read as a date"),
        ("created: next week", "created 'next week' cannot be read as a date"),
    ],
)
async def test_a_date_that_cannot_be_read_is_told_of_and_kept(
    vault: Vault, written: str, says: str
) -> None:
    passages, report = await vault.read("a.md", f"---\n{written}\n---\nWords.")

    assert [(each.content, each.occurred_at) for each in passages] == [
        (f"a\n\n{written}\n\nWords.", None)
    ]
    assert [(place, says in reason) for place, reason in report.bad_places] == [("a.md", True)]


async def test_how_a_date_was_read_is_told(vault: Vault) -> None:
    vault.write("b.md", "---\ncreated: Feb 1, 2024\n---\nWords.")
    _, report = await vault.read("a.md", "---\ncreated: Jan 5, 2024\n---\nWords.")

    assert report.interpreted == {"front matter 'created' read as a date": 2}
    assert list(report.examples.values()) == ["'Jan 5, 2024' as 2024-01-05"]


async def test_the_end_of_a_span_stays_in_the_text(vault: Vault) -> None:
    passages, report = await vault.read("a.md", "---\ndate: 2024-01-05 to 2024-01-09\n---\nFair.")

    assert [(each.content, (each.occurred_at or "")[:10]) for each in passages] == [
        ("a\n\ndate: 2024-01-05 to 2024-01-09\n\nFair.", "2024-01-05")
    ]
    assert list(report.interpreted) == ["front matter 'date' read as a date"]


async def test_a_date_that_is_the_title_counts(vault: Vault) -> None:
    vault.write("a.md", "---\ntitle: 2023-01-01\n---\nWords.")
    passages, _ = await vault.read("b.md", "# November 2nd, 2026\nWords.")

    assert [(each.occurred_at or "")[:10] for each in passages] == ["2023-01-01", "2026-11-02"]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2026-11-02.md", "2026-11-02T00:00:00"),
        ("2026-11-02 Title.md", "2026-11-02T00:00:00"),
        ("20261102.md", "2026-11-02T00:00:00"),
        ("2026_11_02.md", "2026-11-02T00:00:00"),
        ("_posts/2024-01-05-my-post.md", "2024-01-05T00:00:00"),
        ("2026/11/02.md", "2026-11-02T00:00:00"),
        ("2026/11/2026-11-02.md", "2026-11-02T00:00:00"),
        ("Meeting 2026-11-02.md", "2026-11-02T00:00:00"),
        ("November 2nd, 2026.md", "2026-11-02T00:00:00"),
        ("Meeting 3 Nov 2026.md", "2026-11-03T00:00:00"),
        ("2 Nov 2026 call.md", "2026-11-02T00:00:00"),
        ("Call_Nov_2_2026_notes.md", "2026-11-02T00:00:00"),
        ("Plan, September 4th, 2026 (old).md", "2026-09-04T00:00:00"),
        ("Treffen 2.11.2026 Porto.md", "2026-11-02T00:00:00"),
        ("3. November 2026 Notiz.md", "2026-11-03T00:00:00"),
        ("Meeting 25-11-2026.md", "2026-11-25T00:00:00"),
        ("Meeting 03-11-2026.md", ""),
        ("tool v1.2.2026.md", ""),
        ("From 2 Nov 2026 and 3 Nov 2026.md", ""),
        ("Marching 3 2026.md", ""),
        ("202601021030 Zettel.md", "2026-01-02T10:30:00"),
        ("Budget 2026.md", ""),
        ("1984.md", ""),
        ("2026-13-45.md", ""),
        ("12345678.md", ""),
    ],
)
async def test_a_date_in_the_name_of_the_file_counts(vault: Vault, name: str, day: str) -> None:
    passages, _ = await vault.read(name, "Words.")

    assert [(each.occurred_at or "")[:19] for each in passages] == [day]


async def test_a_templates_mark_is_no_date_and_nobodys_fault(vault: Vault) -> None:
    passages, report = await vault.read("t.md", "---\ndate: {{date}}\n---\n# {{title}}\n\nWords.")

    assert [each.content for each in passages] == ["{{title}} (t)\n\ndate: {{date}}\n\nWords."]
    assert report.is_whole


# --- Front matter ---


async def test_front_matter_is_found_and_stays_as_it_is_written(vault: Vault) -> None:
    front = (
        "title: Tides\nversion: 1.10\nstatus: on\ngeo:\n  port: Leixões\n  at: [41.18, -8.70]\n"
        "people:\n  - '[[Ana]]'\n  - name: Bo\nempty:\ncssclasses: wide\n"
    )
    passages, report = await vault.read("tides.md", f"---\n{front}---\nHigh at noon.\n\n# More\nX.")

    assert [each.content for each in passages] == [
        "Tides\n\nversion: 1.10\nstatus: on\ngeo.port: Leixões\ngeo.at: 41.18, -8.70\n"
        "people: [[Ana]]\npeople.name: Bo\n\nHigh at noon.",
        "Tides > More\n\nX.",
    ]
    assert dict(report.left_out) == snapshot(
        {"front matter without a value": 1, "front matter 'cssclasses'": 1}
    )


async def test_a_note_of_nothing_but_properties_is_a_passage(vault: Vault) -> None:
    vault.write("Ana.md", "---\ntype: person\nphone: '123'\ntags: friend\n---\n")
    passages, _ = await vault.read("Bo.md", "---\ntags: [friend]\n---\n")

    assert [(each.content, each.tags) for each in passages] == [
        ("Ana\n\ntype: person\nphone: 123", ["friend"]),
        ("Bo", ["friend"]),
    ]


async def test_a_note_without_any_text_is_named(vault: Vault) -> None:
    vault.write("a.md", "---\n---\n\n")
    _, report = await vault.read("b.md", "Words.")

    assert dict(report.left_out) == {"a.md: a note without any text": 1}


@pytest.mark.parametrize(
    "text",
    [
        '+++\ntitle = "Tides"\ndate = 2024-01-05\ntags = ["sea"]\nversion = 1.10\n+++\nWords.',
        '{"title": "Tides", "date": "2024-01-05", "tags": ["sea"], "version": 1.10}\n\nWords.',
        "---\ntitle: Tides\ndate: 2024-01-05\ntags:\n- sea\nversion: 1.10\n...\nWords.".replace(
            "\n", "\r\n"
        ),
    ],
)
async def test_front_matter_may_be_yaml_toml_or_json(vault: Vault, text: str) -> None:
    passages, report = await vault.read("tides.md", text)

    (passage,) = passages
    assert passage.content == "Tides\n\nversion: 1.10\n\nWords."
    assert (passage.occurred_at or "")[:10] == "2024-01-05"
    assert passage.tags == ["sea"]
    assert report.is_whole


@pytest.mark.parametrize(
    ("front", "says"),
    [
        ("title: Fwd: Tides\ndate: 2024-01-05\ntags: [sea, 'porto']", "mapping values"),
        ("title: Tides\ndate: 2024-01-05\ntags:\n  - sea\n  - porto\n\tx: 1", "not YAML"),
        (
            "title: Tides\ndate: 2024-01-05\ntags: sea, porto\ntitle: Other",
            "'title' is there twice",
        ),
        ("title: Tides\ndate: 2024-01-05\ntags: sea, porto\na: " + "[" * 5_000, "not YAML"),
    ],
)
async def test_front_matter_that_is_broken_is_told_of_and_kept(
    vault: Vault, front: str, says: str
) -> None:
    passages, report = await vault.read("a.md", f"---\n{front}\n---\nWords.")

    assert len(passages) == 1
    assert front in passages[0].content
    assert passages[0].content.endswith("\n\nWords.")
    assert (passages[0].occurred_at or "")[:10] == "2024-01-05"
    assert sorted(passages[0].tags) == ["porto", "sea"]
    assert [says in reason for _, reason in report.bad_places] == [True]


async def test_a_yaml_bomb_does_not_go_off(vault: Vault) -> None:
    levels = "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    long = "".join(
        f"{b}: &{b} [" + f"*{a}," * 9 + "]\n" for a, b in zip("abcd", "bcde", strict=True)
    )
    for name, front in (("a.md", levels), ("b.md", long)):
        vault.write(name, f"---\na: &a [{'x' * 2_000}]\n{front}---\nWords of {name}")
    passages, report = await vault.read()

    assert report.bad == 2
    assert sum(len(each.content) for each in passages) < 100_000
    assert [each.content[-13:] for each in passages] == ["Words of a.md", "Words of b.md"]


async def test_lines_between_two_rules_are_text(vault: Vault) -> None:
    passages, report = await vault.read("a.md", "---\nWords between rules.\n---\nMore.")

    assert [each.content for each in passages] == ["a\n\n---\nWords between rules.\n---\nMore."]
    assert report.is_whole


# --- Headings and text ---


async def test_headings_without_text_are_kept(vault: Vault) -> None:
    vault.write("todo.md", "# Buy milk\n# Pay the rent\n## Of May\n##\n")
    passages, report = await vault.read()

    assert [each.content for each in passages] == [
        "todo > Buy milk",
        "todo > Pay the rent > Of May",
    ]
    assert dict(report.left_out) == {"headings without a word": 1}


async def test_no_word_of_a_long_name_is_lost(vault: Vault) -> None:
    long = " ".join(f"word{n}" for n in range(100))
    names = [f"name{n}" for n in range(30)]
    text = f"---\ntitle: {long} title\naliases: {names}\n---\n# {long} heading\n## \n"
    passages, _ = await vault.read("a.md", text)

    kept = " ".join(each.content for each in passages)
    assert f"{long} title" in kept
    assert f"{long} heading" in kept
    assert set(names) <= set(re.findall(r"\w+", kept))


async def test_headings_are_those_of_markdown(vault: Vault) -> None:
    text = """\
Tides
=====

#tag at the beginning, #No heading either
High at noon.

```sh
# in code
~~~
# still in code
```

Sources ###
-----------
Leixões.
- a list
---

%%
# in a comment
%%
<!-- ## in another
## still -->
  ### Charts ##
\t# indented: code
"""
    passages, _ = await vault.read("tides.md", text)

    assert [each.content.split("\n")[0] for each in passages] == [
        "Tides",
        "Tides > Sources ###",
        "Tides > Sources ### > Charts",
    ]
    kept = "".join("".join(each.content.split("\n")[1:]) for each in passages)
    assert "# still in code" in kept
    assert "# in a comment" in kept
    assert "\t# indented: code" in kept


async def test_white_space_is_kept_letter_by_letter(vault: Vault) -> None:
    text = "    first is code\n\n\n- a\n\t- b  \n\n```yaml\nretry:\n    wait:  1\n```"
    passages, _ = await vault.read("a.md", f"\n  \n{text}\n\n")

    assert [each.content for each in passages] == [f"a\n\n{text}"]


async def test_a_long_section_comes_in_pieces_with_nothing_changed(vault: Vault) -> None:
    code = "```py\n" + "\n\n".join(f"    line({n})" for n in range(900)) + "\n```"
    words = [f"word{n}" for n in range(9_000)]
    text = "\n\n".join(
        [
            " ".join(f"Sentence {n}." for n in range(3_000)),
            code,
            " ".join(words),
            "".join(words),
            *(f"- a {n}\n- b" for n in range(200)),
        ]
    )
    passages, report = await vault.read("a.md", text)

    pieces = [each.content.removeprefix("a\n\n") for each in passages]
    assert max(map(len, pieces)) <= PIECE_CHARS
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert sum(code in piece for piece in pieces) == 1
    assert report.is_whole


# --- Tags and links ---


async def test_tags_in_the_text_are_those_of_their_section(vault: Vault) -> None:
    text = """\
---
tags: [sea]
---
#work/Team and (#über-uns), not #123 nor #fff nor #a1b2c3 nor `#code`, C#, a#b,
https://x.example/#part [a](#anchor) [[Note#Heading]] &#35; \\#no

```
#none
```
## Second #ops
#Sea
"""
    passages, _ = await vault.read("a.md", text)

    assert [sorted(each.tags) for each in passages] == [
        ["sea", "work/Team", "über-uns"],
        ["ops", "sea"],
    ]


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ("tags: one, two words", ["one", "two words"]),
        ("tags: one two", ["one", "two"]),
        ("tags: '#one #two'", ["one", "two"]),
        ("tags: [one, two words]", ["one", "two words"]),
        ("tags:\n  - '#one'\n  - a/b", ["a/b", "one"]),
        ("Tags: '[[one]], [[two]]'", ["one", "two"]),
        ("keywords: [one]\ntag: two", ["one", "two"]),
        ("tags:", []),
        ("tags: null\ndate: ~", []),
    ],
)
async def test_tags_of_the_front_matter(vault: Vault, written: str, tags: list[str]) -> None:
    passages, _ = await vault.read("a.md", f"---\n{written}\n---\nWords.")

    assert [sorted(each.tags) for each in passages] == [tags]


async def test_a_tag_of_several_words_is_closed_as_in_bear(vault: Vault) -> None:
    passages, _ = await vault.read(
        "a.md", "#two words# and (#work/big plan#), #one# #sea; #ops and C#, #3 of 5#"
    )

    assert [sorted(each.tags) for each in passages] == [
        ["one", "ops", "sea", "two words", "work/big plan"]
    ]


async def test_links_are_found_by_target_and_by_what_they_show(
    vault: Vault, services: Services, agent_id: AgentId
) -> None:
    text = "See [[Otter Plan|the summary]] and ![[chart.png]]. ^block-1"
    passages, _ = await vault.read("a.md", text)

    assert [each.content for each in passages] == [f"a\n\n{text}"]
    for query in ("Otter", "summary", "chart.png"):
        assert (await services.archival.search(agent_id, query)).hits


# --- Programs ---


async def test_a_page_of_notions_has_its_properties_under_its_title(vault: Vault) -> None:
    text = (
        "# Review\n\nCreated time: December 2, 2024 9:18 AM\nTags: alpha, beta\n: Ana\n"
        "Status: Done\n\nWords."
    )
    passages, report = await vault.read("Review 8f1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e.md", text)

    (passage,) = passages
    assert passage.content == "Review\n\n" + text.removeprefix("# Review\n\n")
    assert ((passage.occurred_at or "")[:16], passage.tags) == (
        "2024-12-02T09:18",
        ["alpha", "beta"],
    )
    assert report.is_whole


async def test_a_page_of_logseqs_has_its_properties_first(vault: Vault) -> None:
    text = "tags:: [[sea]], porto\nalias:: Tides\n\n- TODO look\n\t- twice"
    passages, _ = await vault.read("2026_11_02.md", text)

    (passage,) = passages
    assert passage.content == f"2026_11_02 (Tides)\n\n{text}"
    assert ((passage.occurred_at or "")[:10], sorted(passage.tags)) == (
        "2026-11-02",
        ["porto", "sea"],
    )


async def test_a_note_of_joplins_is_without_its_records(vault: Vault) -> None:
    number = "20ea54cb6dba4192b7d0cdeb9303cb6e"
    record = (
        f"id: {number}\nparent_id: {number}\ncreated_time: 2025-04-15T07:01:38.371Z\n"
        "updated_time: 2025-04-16T07:04:15.216Z\nis_conflict: 0\nauthor: \nis_todo: 0\ntype_: "
    )
    vault.write(f"{number}.md", f"Tides\n\nHigh at noon.\n\n{record}1")
    passages, report = await vault.read("folder.md", f"Sea\n\n{record}2")

    assert [(each.content, (each.occurred_at or "")[:10]) for each in passages] == [
        ("Tides\n\nTides\n\nHigh at noon.", "2025-04-15")
    ]
    assert dict(report.left_out) == snapshot(
        {
            "Joplin's lines at the end of a note": 8,
            "Joplin's records of folders, tags and attachments": 1,
        }
    )


async def test_what_plugins_keep_in_a_note_is_counted_not_kept(vault: Vault) -> None:
    board = (
        "---\n\nkanban-plugin: board\n\n---\n\n## Todo\n\n- [ ] one #task\n\n## Done\n\n"
        '%% kanban:settings\n```\n{"kanban-plugin":"board"}\n```\n%%\n'
    )
    picture = f"Look: ![](data:image/png;base64,{'iVBOR' * 100})\n\n<!-- {{BearID:7696-AA}} -->\n"
    vault.write("board.md", board)
    passages, report = await vault.read("look.md", picture)

    assert [(each.content, each.tags) for each in passages] == [
        ("board > Todo\n\n- [ ] one #task", ["task"]),
        ("board > Done", []),
        ("look\n\nLook: ![](data:)", []),
    ]
    assert dict(report.left_out) == snapshot(
        {
            "settings that a program keeps in a note": 2,
            "front matter 'kanban-plugin'": 1,
            "pictures written into the text": 1,
        }
    )


async def test_other_files_of_a_vault_are_counted_by_kind(vault: Vault) -> None:
    for name in (".obsidian/app.json", "a.canvas", "b.base", "c.png", "d.pdf", "e.txt", "f.org"):
        vault.write(name, "{}")
    _, report = await vault.read("note.md", "Words.")

    assert set(report.left_out) == {
        "hidden files and folders",
        "canvases (.canvas)",
        "views of properties (.base)",
        "images",
        "PDF files",
    }
    assert sorted(each[:20] for each in report.not_understood) == [
        "files ending in .org",
        "files ending in .txt",
    ]


async def test_notes_are_read_in_utf_16_too_and_others_named(vault: Vault) -> None:
    vault.write("wide.md", "Wörter".encode("utf-16"))
    vault.write("old.md", b"W\xf6rter")
    passages, report = await vault.read("big.md", b"x" * (16 * 2**20 + 1))

    assert [each.content for each in passages] == ["wide\n\nWörter"]
    assert report.bad_places == [
        ("big.md", "the file is longer than 16 MiB"),
        ("old.md", "the file is not UTF-8"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
async def test_a_name_in_no_encoding_is_spelled_out(vault: Vault) -> None:
    try:
        Path(os.fsdecode(os.fsencode(vault.folder) + b"/caf\xe9.md")).write_text("Words.")
    except OSError:
        pytest.skip("this file system has no such names")
    passages, report = await vault.read()

    assert [each.content for each in passages] == ["caf\\xe9\n\nWords."]
    assert report.is_whole


async def test_the_same_vault_again_stores_nothing(vault: Vault) -> None:
    text = "---\ntags: a\ndate: Jan 5, 2024\nx: 1\n---\n# A\nWords. #b\n## B\n## C\nMore.\n"
    first, _ = await vault.read("a.md", text)
    again, report = await vault.read()

    assert (report.stored, report.known) == (0, 3)
    assert again == first
