"""What is recognised as a name, a number, a date, a title or code."""

import pytest

from memory_mcp.domain.mentions import mentions_in


@pytest.mark.parametrize(
    ("clause", "mentioned"),
    [
        ("I met Anna Bell at NASA", {"name": ["anna", "bell", "nasa"]}),
        ("Anna left, and I'm in Anna's flat", {"opening": ["anna"], "name": ["anna"]}),
        ("NASA called", {"name": ["nasa"]}),
        (
            "paid $1,250.50 for 3 tickets, 20% off",
            {"number": ["$1,250.50 for", "3 tickets", "20% off"]},
        ),
        ("two cats and seven dogs", {"count": ["two cats", "seven dogs"]}),
        ("due 3 October 2026", {"date": ["3 october 2026"]}),
        ("due 2026-10-03 or May 5th", {"date": ["2026-10-03", "may 5th"]}),
        (
            "left last Friday, two years ago",
            {"day": ["last friday 2026-01-02", "two years ago 2026-01-02"]},
        ),
        ('read "The Wheel of Time"', {"title": ['"the wheel of time"']}),
        ("read «Мастер и Маргарита»", {"title": ["«мастер и маргарита»"]}),
        ("run `make all` in src/app/db.py", {"code": ["`make all`", "src/app/db.py"]}),
        ("see https://a.example/x?y=1", {"code": ["https://a.example/x?y=1"]}),
        ("mail ada@example.org", {"code": ["ada@example.org"]}),
        ("set DATABASE_URL with --dry-run", {"code": ["database_url", "--dry-run"]}),
        ("call round_money() of ConfigError", {"code": ["round_money()", "configerror"]}),
        ("commit 4f2a9bc in /etc/hosts", {"code": ["4f2a9bc", "/etc/hosts"]}),
        ("C:\\Users\\ada\\notes.txt", {"code": ["c:\\users\\ada\\notes.txt"]}),
        ("either this and/or that, as I said", {}),
        ("東京へ行きました 🎉", {}),
    ],
)
def test_mentions(clause: str, mentioned: dict[str, list[str]]) -> None:
    found: dict[str, list[str]] = {}
    for mention in mentions_in(clause, "2026-01-02", opens=True):
        found.setdefault(mention.kind, []).append(mention.key)

    assert found == mentioned
