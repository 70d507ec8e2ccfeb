"""Summaries that tell of what was forgotten: they no longer do."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from memory_mcp.domain.extract import shown_speaker, without_fragments
from memory_mcp.domain.messages import Message
from memory_mcp.domain.times import days_anywhere
from memory_mcp.storage.sqlite.session import Session


def take_from_summaries(session: Session, agent_seq: int, gone: Sequence[Message]) -> None:
    """Summaries that were extracted tell of a message in its own words; they no longer do."""
    if not gone:
        return
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for message in gone:
        content = " ".join(message.content.split())
        for day in days_anywhere(message.created_at):  # a summary tells it by its person's day
            told[day.isoformat(), shown_speaker(message.speaker)].append(content)

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
