"""What was typed comes first: through the services, in recall and in archival memory."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services

Ask = Callable[[str], Awaitable[list[str]]]
Fill = Callable[..., Awaitable[Ask]]

START = datetime(2026, 11, 1, 9, tzinfo=UTC)

# Kind, question, the text that answers it, and texts that come close and must come after.
Case = tuple[str, str, str, list[str]]
CASES: list[Case] = [
    (
        "IP address",
        "10.0.1.2",
        "Router 10.0.1.2 is in the cellar.",
        [
            "Router 10.2.0.1 is in the attic.",
            "Router 10.0.1.20 is old.",
            "110.0.1.2 10.0.1.2.7 too",
        ],
    ),
    (
        "IP address in a question",
        "what is wrong with router 10.0.1.2?",
        "At 10.0.1.2 the fan has to be replaced.",
        ["What is wrong with router 10.2.0.1 is its fan.", "Router 10.1.0.2: wrong firmware."],
    ),
    (
        "IP address with a port",
        "10.0.1.2",
        "The proxy listens on 10.0.1.2:8080 there.",
        ["The proxy listens on 10.2.0.1:8080 there.", "10.0.2.1 is the proxy, 10.1.0.2 too."],
    ),
    (
        "network",
        "who uses 10.0.1.0",
        "The printers use 10.0.1.0/24.",
        ["Who uses 10.1.0.0/24 is unknown.", "The 0.0.10.1 net."],
    ),
    (
        "IPv6 address",
        "fe80::1:2a",
        "The NAS answers at fe80::1:2a since May.",
        ["The NAS answers at fe80::2a:1 since May.", "The NAS answers at fe80::1:2a:7 now."],
    ),
    (
        "date",
        "2026-11-02",
        "Backup of 2026-11-02 is broken.",
        ["Backup of 2026-02-11 is complete.", "Backup of 11-02-2026?", "Backup 12026-11-02."],
    ),
    (
        "date before a time",
        "2026-11-02",
        "Log: 2026-11-02T10:00:00Z restarted.",
        ["Log: 2026-02-11T10:00:00Z restarted.", "Log: 02-11-2026 restarted."],
    ),
    (
        "date in words",
        "what was decided on 3 November 2026",
        "Minutes of 3 November 2026: the lease was ended.",
        ["What was decided on 26 November 2003: nothing.", "3 of 2026, November: it was decided."],
    ),
    (
        "version",
        "4.2.1",
        "Build 4.2.1 failed.",
        ["Build 4.1.2 passed.", "Build 14.2.10 passed.", "Build 4.2.11 passed.", "Build 3.4.2.1."],
    ),
    ("version after v", "4.2.1", "Tagged v4.2.1 today.", ["Tagged v4.1.2 today.", "1.4.2, 2.1.4"]),
    (
        "version with v",
        "is v2.0.0-rc.1 out?",
        "We shipped v2.0.0-rc.1 in the evening.",
        ["Is v2.0.0-rc.10 out?", "Is v1.0.0-rc.2 out?", "v2.1.0-rc.0 is out."],
    ),
    (
        "path",
        "app/user/models.py",
        "app/user/models.py holds the view.",
        ["app/models/user.py holds the model.", "models/app/user.py is gone."],
    ),
    (
        "path in a longer one",
        "where is app/user/models.py imported",
        "See /srv/src/app/user/models.py, line 9.",
        ["Where /srv/src/app/models/user.py is imported.", "user/app/models.py is imported."],
    ),
    (
        "path of Windows",
        r"C:\Users\ana\notes.txt",
        r"Copied C:\Users\ana\notes.txt to the stick.",
        [r"Copied C:\ana\Users\notes.txt to the stick.", r"Copied C:\notes\ana\Users.txt."],
    ),
    (
        "time",
        "09:15",
        "Call at 09:15 with Ana.",
        ["Call at 15:09 with Bo.", "Call 109:150.", "Call at 09:150.", "Room 9, 15 people"],
    ),
    (
        "e-mail address",
        "ana.lee@example.org",
        "Write to ana.lee@example.org please.",
        ["Write to lee.ana@example.org please.", "Write to org.example@lee.ana please."],
    ),
    (
        "URL",
        "https://example.org/a/b?x=1",
        "It is at https://example.org/a/b?x=1 now.",
        ["It is at https://example.org/b/a?x=1 now.", "See https://example.org/a/b?x=12."],
    ),
    (
        "hash",
        "commit 3f2a9c1d",
        "Broken since 3f2a9c1d, says bisect.",
        ["The commit commit commit.", "Commit 3f2a9c1 was fine.", "Commit 13f2a9c1d."],
    ),
    (
        "UUID",
        "1b4e28ba-2fa1-11d2-883f",
        "Device 1b4e28ba-2fa1-11d2-883f is Ana's.",
        ["Device 1b4e28ba-11d2-2fa1-883f is Bo's.", "Device 883f-1b4e28ba-2fa1-11d2 is Cy's."],
    ),
    (
        "error code",
        "why ORA-01555",
        "The batch died: ORA-01555, snapshot too old.",
        ["01555 rows at ORA, and why.", "Why ORA-015550?", "Why ORA-01-555?"],
    ),
    (
        "error code with signs",
        "sqlstate[23505]",
        "Insert failed: SQLSTATE[23505], it exists.",
        ["Insert failed: 23505 SQLSTATE rows.", "SQLSTATE 23505x"],
    ),
    (
        "phone number",
        "+44 20 7946 0958",
        "Plumber: +44 20 7946 0958 after five.",
        ["Plumber: +44 7946 20 0958 after five.", "0958 7946 20 44"],
    ),
    (
        "phone number with other separators",
        "who has (555) 010-0199?",
        "Theo left his: 555 010 0199.",
        ["Who has 0199 010 555?", "Who has 555-0199-010?"],
    ),
    ("ticket", "ABC-123", "ABC-123 is closed.", ["123-ABC is closed.", "ABC-1234", "XABC-123"]),
    (
        "ticket in another case",
        "status of abc-123?",
        "ABC-123: waiting for review.",
        ["Status of 123 ABC: open.", "The status of ABC-1234."],
    ),
    (
        "snake_case",
        "get_user_name",
        "Call get_user_name() first.",
        ["Call get_name_user() first.", "Call get_user_names() first.", "name get user"],
    ),
    (
        "camelCase",
        "parseUserName",
        "parseUserName drops a byte.",
        ["parseUserNames drops a byte.", "parseNameUser drops a byte."],
    ),
    (
        "kebab-case",
        "order-status-badge",
        "The order-status-badge flickers.",
        ["The status-badge-order flickers.", "The badge-order-status flickers."],
    ),
    (
        "quoted phrase",
        'who said "never mind the gap"',
        "Bo shouted: never mind the gap!",
        ["Who said mind the gap, never?", "The gap: never said who mind it."],
    ),
    (
        "quoted phrase over two lines",
        "“blue heron lake”",
        "At blue heron\nlake we swam.",
        ["At blue lake heron we swam.", "Lake blue heron."],
    ),
    (
        "file name with spaces",
        "Annual Report 2025 final.pdf",
        "Sent Annual Report 2025 final.pdf to Bo.",
        ["Sent 2025 Annual Report final.pdf to Bo.", "Sent Report Annual final 2025.pdf to Bo."],
    ),
    (
        "file name with spaces in a question",
        "who got Annual Report 2025 final.pdf?",
        "Bo has Annual Report 2025 final.pdf now.",
        ["Who got 2025 Annual Report final.pdf", "Who got Report Annual final 2025.pdf"],
    ),
    ("C++", "C++", "The engine is in C++ now.", ["The engine is in C now.", "The C# engine", "c"]),
    ("C", "C", "The engine is in C now.", ["The C++ engine.", "The C# engine.", "See C."][:2]),
    (
        "C#",
        "who writes C#?",
        "Bo likes C#.",
        ["Who writes C?", "Who writes C++?", "C writes, who?"],
    ),
    (
        ".NET",
        ".NET 8",
        "The service moved to .NET 8.",
        ["The service moved to net 8.", "See example.net, 8 times.", "8 ASP.NET"],
    ),
    ("flag", "--no-verify", "Never push with --no-verify.", ["No, verify the push.", "verify no"]),
    (
        "arrow",
        "foo->bar",
        "Crash in foo->bar() at exit.",
        ["Crash in bar->foo() at exit.", "foo bar"],
    ),
    ("number", "1,200", "The deposit is 1,200 here.", ["200,1", "11,200", "1,200,000", "1.200"]),
    ("decimal", "3.14", "It is 3.14 wide.", ["It is 14.3 wide.", "13.14", "3.141", "3.14.1"]),
    (
        "currency",
        "€45",
        "The hat is €45.",
        ["The hat is $45.", "The hat is £45.", "The hat is €450."],
    ),
    ("percent", "50%", "Boots: 50% off.", ["Boots: 50 pairs.", "50", "150% of 50"]),
    ("percent apart", "50%", "Boots: 50 % off.", ["50 of 50, all 50.", "Boots: 15 % off."]),
    ("sum", "x^2 + 3x - 4 = 0", "Solve x^2+3x-4=0.", ["Solve x^2+4x-3=0.", "x^2 + 3x - 4 = 01"]),
    (
        "long number",
        "serial 0049213",
        "Printer 0049213.",
        ["The serial serial.", "serial 00492131"],
    ),
    ("emoji", "🚀", "We launched 🚀 today", ["We launched today", "We launched 🎉 today"]),
    ("emoji in a question", "who sent 🦊?", "From Bo: 🦊", ["Who sent it?", "Who sent 🐻?"]),
    ("skin tone", "👍", "Ana: 👍🏽", ["Ana: 👎🏽", "Ana: yes"]),
    ("variation selector", "❤", "Ana: ❤️", ["Ana: 💔", "Ana: yes"]),
    ("flag of a country", "🇩🇪", "Trip to 🇩🇪", ["Trip to 🇩🇰", "Trip to 🇪🇩"]),
    ("family of signs", "👩‍🚀", "She is a 👩‍🚀", ["A 👩 and a 🚀", "She is a 👩‍🏫"]),
    ("STRASSE", "STRASSE", "Die Straße ist gesperrt.", ["Die Strahlen.", "Der Strand."]),
    ("Straße", "Straße 5", "STRASSE 5 ist gesperrt.", ["Straßen: 15", "5. Brücke"]),
    ("full width", "ABC-123", "ＡＢＣ－１２３ ist zu.", ["123-ABC is closed."]),  # noqa: RUF001
    ("dotless i", "IŞIK", "ışık kapalı", ["kapalı"]),  # noqa: RUF001
    (
        "name",
        "Will",
        "We met Will in Oslo.",
        ["We will see.", "Will you come?", "He will, will he?"],
    ),
    (
        "name with s",
        "Will's birthday",
        "It is on 3 June that Will has his birthday.",
        ["The birthday will be fun.", "Will you come to my birthday?"],
    ),
    (
        "name in a question",
        "what did Will say about the boiler",
        "Will says that the boiler needs a valve.",
        ["They say that the boiler will be replaced.", "What they did say about the boiler"],
    ),
    (
        "month that is a name",
        "when is May's birthday",
        "May's birthday is on 3 October.",
        ["The birthday is in May.", "The birthday may be moved.", "Tom's birthday: 4 May 2026."],
    ),
    ("band", "The Who", "I heard The Who play.", ["The man who plays.", "Who is the man?"]),
    ("capitals", "IT", "IT is on the third floor.", ["It is on the third floor.", "Take it."]),
    (
        "capitals in a question",
        "who runs IT here",
        "Ana is the head of IT.",
        ["Who runs here? He runs it.", "It runs here."],
    ),
    (
        "name that is a word",
        "what is Mark's job",
        "Mark's job is baking.",
        ["Mark the job.", "job"],
    ),
]


@pytest.fixture(params=["recall", "archival"])
def fill(request: pytest.FixtureRequest, services: Services, agent: Callable[..., Any]) -> Fill:
    """Store texts, each in a conversation of its own, and give what asks for them."""

    async def fill(texts: Sequence[str], tags: dict[str, tuple[str, ...]] | None = None) -> Ask:
        owner = await agent(services)
        if request.param == "archival":
            told = tags or {}
            new = [NewPassage(content=text, tags=told.get(text, ())) for text in texts]
            await services.archival.file(owner, new)
        else:
            await services.recall.append(
                owner,
                [
                    NewMessage(
                        role="user",
                        content=text,
                        created_at=START + timedelta(minutes=place),
                        conversation=f"c{place}",
                    )
                    for place, text in enumerate(texts)
                ],
            )

        async def ask(question: str) -> list[str]:
            if request.param == "archival":
                page = await services.archival.search(owner, question, limit=5)
                return [hit.passage.content for hit in page.hits]
            found = await services.recall.search(owner, question, limit=5)
            return [hit.message.content for hit in found.hits]

        return ask

    return fill


@pytest.mark.parametrize(
    ("question", "answer", "near"),
    [case[1:] for case in CASES],
    ids=[case[0].replace(" ", "-") for case in CASES],
)
async def test_the_text_that_holds_what_was_typed_comes_first(
    fill: Fill, question: str, answer: str, near: list[str]
) -> None:
    ask = await fill([near[0], answer, *near[1:]])

    assert (await ask(question))[0] == answer


async def test_a_passage_with_the_tag_comes_before_mentions_of_the_word(
    services: Services, agent: Callable[..., Any]
) -> None:
    owner = await agent(services)
    mentions = [f"The ops people talk of ops, number {n}." for n in range(400)]
    tagged = NewPassage(content="The boiler was replaced.", tags=("Ops",))
    await services.archival.file(owner, [tagged, *(NewPassage(content=each) for each in mentions)])

    for question in ("#ops", "what is in #ops?"):
        page = await services.archival.search(owner, question, limit=2)

        assert page.hits[0].passage.content == tagged.content
        assert page.hits[1].passage.content in mentions


async def test_a_tag_in_the_text_itself_counts_as_well(fill: Fill) -> None:
    ask = await fill(["Ops at work, ops, ops.", "Told in #ops: it rained.", "It is in #opsgenie."])

    assert (await ask("#ops"))[0] == "Told in #ops: it rained."


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ("Router {0}.{1}.{2}.{3} is up.", "{0}.{1}.{2}.{3}"),
        ("Backup of 20{0:02}-{1:02}-{2:02} number {3}.", "20{0:02}-{1:02}-{2:02}"),
        ("Build {0}.{1}.{2} of {3}.", "which build was {0}.{1}.{2}?"),
        ("Ticket T{0}-{1}/{2} is with {3}.", "T{0}-{1}/{2}"),
    ],
)
async def test_it_is_found_among_thousands_of_the_same_shape(
    words_only: Services, agent: Callable[..., Any], shape: str, asked: str
) -> None:
    owner = await agent(words_only)
    parts = [
        (a, b, c, d) for a in range(1, 8) for b in range(8) for c in range(8) for d in (1, 2, 3)
    ]
    texts = [shape.format(*each) for each in parts]
    await words_only.archival.file(owner, [NewPassage(content=text) for text in texts])

    for wanted in ((1, 2, 3, 1), (7, 0, 7, 2), (3, 1, 2, 3)):
        page = await words_only.archival.search(owner, asked.format(*wanted), limit=3)

        exact = asked.format(*wanted).removeprefix("which build was ").removesuffix("?")
        assert exact in page.hits[0].passage.content


async def test_filters_hold_for_what_is_exact(
    services: Services, agent: Callable[..., Any]
) -> None:
    owner, other = await agent(services), await agent(services, "other")
    exact = NewPassage(content="Router 10.0.1.2 is here.", tags=("net",))
    near = NewPassage(content="Router 10.2.0.1 is here.", tags=("lab",))
    await services.archival.file(owner, [exact, near])
    await services.archival.file(other, [near])

    in_lab = await services.archival.search(owner, "10.0.1.2", tags=["lab"])
    others = await services.archival.search(other, "10.0.1.2")

    assert [hit.passage.content for hit in in_lab.hits] == [near.content]
    assert [hit.passage.content for hit in others.hits] == [near.content]


async def test_pages_of_exact_hits_follow_each_other_without_repeats(
    words_only: Services, agent: Callable[..., Any]
) -> None:
    owner = await agent(words_only)
    texts = [f"Note {n} on OPS-4417." for n in range(30)]
    await words_only.archival.file(owner, [NewPassage(content=text) for text in texts])

    seen: list[str] = []
    cursor = None
    while True:
        page = await words_only.archival.search(owner, "OPS-4417", limit=7, cursor=cursor)
        seen += [hit.passage.content for hit in page.hits]
        if (cursor := page.cursors[-1]) is None:
            break

    assert sorted(seen) == sorted(texts)


@pytest.mark.parametrize(
    "question",
    [
        '"',
        "'",
        "#",
        "->",
        "C:",
        '"unclosed OPS-1',
        "'" + "a" * 9_000,
        "a" * 9_000 + "-1",
        "-1 " * 3_000,
        "1(1-" * 2_000 + "a",
        "do Will " * 1_200,
        "🚀" * 9_000,
        "NEAR(a-1, 2)",
    ],
    ids=range(13),
)
async def test_any_question_is_answered(
    services: Services, agent: Callable[..., Any], question: str
) -> None:
    owner = await agent(services)
    await services.archival.file(owner, [NewPassage(content="OPS-1 is open.")])

    await services.archival.search(owner, question)
    await services.recall.search(owner, question)


async def test_it_is_found_in_the_midst_of_a_very_long_text(fill: Fill) -> None:
    noise = "Router 10.2.0.1 and 10.1.0.2, router by router; 10.0.1.20 is new. " * 700
    exact = f"{noise}\nRouter 10.0.1.2 is broken.\n{noise}"
    ask = await fill([f"{noise}{noise} router", exact, f"Router router. {noise}"])

    assert (await ask("router 10.0.1.2"))[0] == exact
