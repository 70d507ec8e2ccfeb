"""Summaries that tell of what was forgotten: they no longer do."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from memory_mcp.domain.extract import shown_speaker, without_fragments
from memory_mcp.domain.messages import Message
from memory_mcp.domain.summaries import MADE_BY_EXTRACT, MADE_BY_IMPORT
from memory_mcp.domain.times import days_anywhere
from memory_mcp.storage.sqlite.session import Session

# A model's words are its own: which of them tell of a message nobody can say. What it wrote goes
# whole, from the ledger too; the one in view is made anew by whoever asked.
_RETOLD = f"""
SELECT id FROM summaries WHERE agent_seq = ? AND last_seq >= ?
    AND made_by NOT IN ('{MADE_BY_EXTRACT}', '{MADE_BY_IMPORT}') AND text <> '' ORDER BY seq
"""
_DROP = f"UPDATE summaries SET text = '', made_by = '{MADE_BY_EXTRACT}' WHERE id = ?"
_DROP_CHANGES = """
UPDATE run_changes SET before = NULL, after = NULL WHERE noun = 'summary' AND noun_id = ?
"""


def drop_retold(session: Session, agent_seq: int, from_seq: int) -> list[str]:
    """Drop what models wrote in summaries that reach to a message; the ids of these, oldest first.

    The one in view is empty then, until it is made anew.
    """
    ids = [row[0] for row in session.all(_RETOLD, (agent_seq, from_seq))]
    for statement in (_DROP, _DROP_CHANGES):
        session.run_many(statement, [(one,) for one in ids])
    return ids


def take_from_summaries(session: Session, agent_seq: int, gone: Sequence[Message]) -> None:
    """Summaries that were extracted tell of a message in its own words; they no longer do."""
    if not gone:
        return
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for message in gone:
        content = " ".join(message.content.split())
        for day in days_anywhere(message.created_at):  # a summary tells it by its person's day
            for name in {message.speaker, message.name or message.role}:  # as older summaries do
                told[day.isoformat(), shown_speaker(name)].append(content)

    def tells(day: str, speaker: str, fragment: str) -> bool:
        words = " ".join(fragment.split())
        return any(words in content for content in told.get((day, speaker), ()))

    edit_summaries(session, agent_seq, tells, gone[0].seq)


def edit_summaries(
    session: Session, agent_seq: int, drop: Callable[[str, str, str], bool], from_seq: int = 0
) -> tuple[int, ...]:
    """Take fragments out of every summary that reaches to a message; how many, oldest first."""
    rows = session.all(
        "SELECT seq, text FROM summaries WHERE agent_seq = ? AND last_seq >= ? ORDER BY seq",
        (agent_seq, from_seq),
    )
    counts: list[int] = []
    for seq, text in rows:
        dropped = 0

        def counted_drop(day: str, speaker: str, fragment: str) -> bool:
            nonlocal dropped
            gone = drop(day, speaker, fragment)
            dropped += gone
            return gone

        left = without_fragments(text, counted_drop)
        counts.append(dropped)
        if dropped:
            session.run("UPDATE summaries SET text = ? WHERE seq = ?", (left, seq))
    return tuple(counts)
