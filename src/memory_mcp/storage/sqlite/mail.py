"""Mail in SQLite."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from memory_mcp.domain.agents import Agent
from memory_mcp.domain.errors import AgentNotFound, InvalidInput, MailboxFull, MailNotFound
from memory_mcp.domain.ids import AgentId, MailId, new_id
from memory_mcp.domain.mail import EXPIRY, LIVE, MAILBOX_MAX, Letter, News
from memory_mcp.domain.names import name_key
from memory_mcp.domain.texts import clip, each
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock, Outgoing, Posted, Posting
from memory_mcp.storage.sqlite.agents import agent_named, agents_in_use, seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Row, Session, as_key

SHOWN = 5

_SELECT = """
SELECT m.id, s.id, s.name, r.id, r.name, m.text, m.state, m.sent_at, m.expires_at, m.in_reply_to,
    m.hops, m.delivered_at, m.answered_at, m.root
FROM mail m JOIN agents s ON s.seq = m.sender_seq JOIN agents r ON r.seq = m.recipient_seq
"""
_BY_ID = f"{_SELECT} WHERE m.id = ?"
_BY_KEY = f"{_SELECT} WHERE m.key = ? ORDER BY m.seq"
_INBOX = f"""{_SELECT} WHERE m.recipient_seq = ?1 AND substr(m.id, 1, length(?3)) = ?3
ORDER BY m.seq DESC LIMIT ?2
"""
_ALL = f"{_SELECT} ORDER BY m.seq DESC LIMIT ?"
_OF_AGENT = f"{_SELECT} WHERE ?1 IN (m.sender_seq, m.recipient_seq) ORDER BY m.seq DESC LIMIT ?2"
_COUNT_OF_AGENT = "SELECT count(*) FROM mail WHERE ? IN (sender_seq, recipient_seq)"
_MINE = f"{_SELECT} WHERE m.id = ?1 AND ?2 IN (m.sender_seq, m.recipient_seq)"
_ANSWERS = f"""{_SELECT} JOIN mail asked ON asked.id = m.in_reply_to
WHERE asked.sender_seq = ?1 AND m.recipient_seq = ?1
    AND m.in_reply_to IN (SELECT value FROM json_each(?2))
"""
_WAITING = "m.recipient_seq = ?1 AND m.state = 'queued' AND m.expires_at > ?2"
_NOT_HELD = "(m.held_until IS NULL OR m.held_until <= ?2)"
_TAKE = f"{_SELECT} WHERE {_WAITING} AND {_NOT_HELD} ORDER BY m.seq LIMIT ?3"
_COUNT_WAITING = f"SELECT count(*) FROM mail m WHERE {_WAITING} AND {_NOT_HELD}"
_UNREAD = """m.sender_seq = ?1 AND m.delivered_at IS NULL AND m.told_expired = 0
    AND m.expires_at <= ?2"""
_TAKE_EXPIRED = f"{_SELECT} WHERE {_UNREAD} ORDER BY m.seq LIMIT ?3"
_TOLD = f"{_SELECT} WHERE m.told_key = ?1 AND m.recipient_seq = ?2 ORDER BY m.seq"
_TOLD_EXPIRED = f"{_SELECT} WHERE m.told_key = ?1 AND m.sender_seq = ?2 AND m.state = 'expired'"
_ANSWERABLE = f"""{_SELECT} WHERE m.recipient_seq = ? AND m.state IN ('queued', 'delivered')
ORDER BY m.seq DESC LIMIT {SHOWN}
"""

HAS_NEWS = f"""(EXISTS (SELECT 1 FROM mail m WHERE {_WAITING} AND {_NOT_HELD})
    OR EXISTS (SELECT 1 FROM mail m WHERE {_UNREAD}))"""
"""Whether the agent of row ?1 has something to be told at the moment ?2."""

_ROOM = "SELECT count(*) FROM mail WHERE recipient_seq = ? AND state = 'queued' AND expires_at > ?"
_LIVE = "SELECT 1 FROM presence WHERE agent_seq = ? AND seen_at > ? LIMIT 1"
_FOR_RESIDENTS = """
SELECT a.id FROM agents a
WHERE a.model <> '' AND a.deleted_at IS NULL
    AND EXISTS (SELECT 1 FROM mail m WHERE m.recipient_seq = a.seq AND m.state = 'queued'
        AND m.expires_at > ?1 AND (m.held_until IS NULL OR m.held_until <= ?1))
    AND NOT EXISTS (SELECT 1 FROM runs r
        WHERE r.agent_seq = a.seq AND r.kind = 'resident' AND r.ended_at IS NULL)
ORDER BY a.seq
"""
_INSERT = """
INSERT INTO mail (id, sender_seq, recipient_seq, text, in_reply_to, hops, root, sent_at, expires_at,
    awaited_until, held_until, key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ANSWERED = """
UPDATE mail SET state = 'answered', answered_at = ?1, delivered_at = coalesce(delivered_at, ?1)
WHERE id = ?2 RETURNING awaited_until
"""
_DELIVERED = """
UPDATE mail SET state = 'delivered', delivered_at = ?, told_key = ?
WHERE id = ? AND state = 'queued'
"""
_EXPIRED = "UPDATE mail SET state = 'expired', told_expired = 1, told_key = ? WHERE id = ?"
_LET_EXPIRE = """
UPDATE mail SET state = 'expired' WHERE state = 'queued' AND expires_at <= ?
RETURNING id, recipient_seq, sender_seq
"""
_STOP_WAITING = """
UPDATE mail SET awaited_until = NULL
WHERE sender_seq = ?1 AND id IN (SELECT value FROM json_each(?2))
"""
_LET_GO = """
UPDATE mail SET held_until = NULL WHERE held_until IS NOT NULL AND recipient_seq = ?1
    AND in_reply_to IN (SELECT value FROM json_each(?2))
"""


class SqliteMail:
    """The `MailStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def send(self, outgoing: Outgoing, key: str | None = None) -> Posting:
        """Send it to each recipient; what a `key` sent is sent once.

        Raises:
            InvalidInput: to oneself, or in answer to a mail that was answered or has expired.
            AgentNotFound: there is no such agent, or none with all the tags.
            MailNotFound: no such mail came to the sender.
            MailboxFull: no recipient has room.
        """

        def post(session: Session) -> Posting:
            now = self._clock.now()
            sender_seq = seq_of(session, outgoing.sender_id)
            if key is not None and (known := session.all(_BY_KEY, (key,))):
                letters = [_from_row(row) for row in known]
                return Posting([_posted(session, letter, now) for letter in letters])
            answered = _answerable(session, sender_seq, outgoing, now)
            recipients = _recipients(session, outgoing, answered)
            room = {agent.id: _has_room(session, agent, now) for agent in recipients}
            full = [agent.name for agent in recipients if not room[agent.id]]
            if len(full) == len(recipients):
                raise MailboxFull(
                    f"{each(repr(name) for name in full[:SHOWN])} cannot take more mail: "
                    f"{MAILBOX_MAX:,} wait there unread. Nothing was sent. Try again when some "
                    "were read, or write what should last into a shared block or archival memory."
                )
            held_until = None
            if answered is not None:
                until = session.value(_ANSWERED, (to_iso(now), answered.id))
                held_until = until if until is not None and until > to_iso(now) else None
                _record(session, now, answered, "answered")
            posted: list[Posted] = []
            for agent in recipients:
                if room[agent.id]:
                    letter = _insert(
                        session, outgoing, sender_seq, agent, answered, now, held_until, key
                    )
                    posted.append(_posted(session, letter, now, agent))
            return Posting(posted, full)

        return await self._database.write(post)

    async def answers(
        self, agent_id: AgentId, mail_ids: Sequence[MailId], key: str | None = None
    ) -> dict[MailId, Letter]:
        """The answers there are to mails of the agent's own; they count as read by it now."""
        ids = json.dumps(list(mail_ids))

        def look(session: Session) -> list[Letter]:
            found = session.all(_ANSWERS, (seq_of(session, agent_id), ids))
            return [_from_row(row) for row in found]

        def read(session: Session) -> list[Letter]:
            found = look(session)
            _deliver(session, found, self._clock.now(), key)
            return found

        found = await self._database.read(look)
        if any(letter.state == "queued" for letter in found):
            found = await self._database.write(read)
        return {letter.in_reply_to: letter for letter in found if letter.in_reply_to}

    async def stop_waiting(self, agent_id: AgentId, mail_ids: Sequence[MailId]) -> None:
        """Nobody waits for answers to these any more: they come with a later tool answer."""

        def let_go(session: Session) -> None:
            ids = (seq_of(session, agent_id), json.dumps(list(mail_ids)))
            session.run(_STOP_WAITING, ids)
            session.run(_LET_GO, ids)

        await self._database.write(let_go)

    async def take(self, agent_id: AgentId, limit: int, key: str | None = None) -> News:
        """What the agent was not told yet, at most that many mails; it counts as told now."""

        def take(session: Session) -> News:
            now = self._clock.now()
            here = (seq_of(session, agent_id), to_iso(now))
            letters = tuple(_from_row(row) for row in session.all(_TAKE, (*here, limit)))
            _deliver(session, letters, now, key)
            expired = tuple(_from_row(row) for row in session.all(_TAKE_EXPIRED, (*here, limit)))
            session.run_many(_EXPIRED, [(key, letter.id) for letter in expired])
            for letter in expired:
                _record(session, now, letter, "expired")
            return News(letters, expired, session.value(_COUNT_WAITING, here))

        return await self._database.write(take)

    async def told_to(self, agent_id: AgentId, key: str) -> News:
        """What was told to the agent with the answer to the call of that key."""

        def told(session: Session) -> News:
            here = (key, seq_of(session, agent_id))
            return News(
                tuple(_from_row(row) for row in session.all(_TOLD, here)),
                tuple(_from_row(row) for row in session.all(_TOLD_EXPIRED, here)),
            )

        return await self._database.read(told)

    async def one(self, agent_id: AgentId, mail_id: MailId) -> Letter:
        """A mail that came to the agent, or that it sent.

        Raises:
            MailNotFound: there is none with that id.
        """

        def find(session: Session) -> Letter:
            row = session.one(_MINE, (as_key(mail_id), seq_of(session, agent_id)))
            if row is None:
                raise MailNotFound(f"there is no mail {clip(mail_id, 60)!r} of this agent.")
            return _from_row(row)

        return await self._database.read(find)

    async def inbox(self, agent_id: AgentId, limit: int, beginning: str = "") -> list[Letter]:
        """The latest mails that came to the agent and whose ids begin so, newest first."""

        def find(session: Session) -> list[Row]:
            asked = (seq_of(session, agent_id), limit, as_key(beginning))
            return session.all(_INBOX, asked)

        return [_from_row(row) for row in await self._database.read(find)]

    async def unread(self, agent_id: AgentId) -> int:
        """How many mails wait to be told to the agent."""
        now = to_iso(self._clock.now())
        return await self._database.read(
            lambda session: session.value(_ROOM, (seq_of(session, agent_id), now))
        )

    async def all(self, agent_id: AgentId | None, limit: int) -> tuple[list[Letter], int]:
        """The latest mails, of one agent or of all, newest first; and how many there are."""

        def find(session: Session) -> tuple[list[Row], int]:
            if agent_id is None:
                return session.all(_ALL, (limit,)), session.value("SELECT count(*) FROM mail")
            seq = seq_of(session, agent_id)
            return session.all(_OF_AGENT, (seq, limit)), session.value(_COUNT_OF_AGENT, (seq,))

        rows, total = await self._database.read(find)
        return [_from_row(row) for row in rows], total

    async def exchanged(self, root: MailId) -> int:
        """How many mails followed from one, itself among them."""
        count = "SELECT count(*) FROM mail WHERE root = ?"
        return await self._database.read(lambda session: session.value(count, (root,)))

    async def for_residents(self) -> list[AgentId]:
        """Agents that run by themselves, have mail to read, and are not at one yet."""
        now = to_iso(self._clock.now())
        rows = await self._database.read(lambda session: session.all(_FOR_RESIDENTS, (now,)))
        return [AgentId(agent_id) for (agent_id,) in rows]

    async def expire(self) -> int:
        """Let mail expire that was not read in time; how many did."""
        now = to_iso(self._clock.now())

        def let_expire(session: Session) -> int:
            expired = session.all(_LET_EXPIRE, (now,))
            for mail_id, *seqs in expired:
                ids = [session.value("SELECT id FROM agents WHERE seq = ?", (s,)) for s in seqs]
                record_change(session, now, "mail", mail_id, "expired", ids)
            return len(expired)

        due = "SELECT 1 FROM mail WHERE state = 'queued' AND expires_at <= ? LIMIT 1"
        if await self._database.read(lambda session: session.value(due, (now,))) is None:
            return 0
        return await self._database.write(let_expire)


def _recipients(session: Session, outgoing: Outgoing, answered: Letter | None) -> list[Agent]:
    """Whom it goes to, the sender left out."""
    if answered is not None:
        return [agent_named(session, answered.sender_id)]
    if outgoing.to is not None:
        agent = agent_named(session, outgoing.to)
        if agent.id == outgoing.sender_id:
            raise InvalidInput(
                f"{agent.name!r} is you; nothing was sent. A note to yourself goes into core "
                f"memory or archival_insert. {_others(session, outgoing.sender_id)}"
            )
        return [agent]
    agents = [agent for agent in agents_in_use(session) if agent.id != outgoing.sender_id]
    wanted = set(map(name_key, outgoing.tags))
    if found := [agent for agent in agents if wanted.issubset(map(name_key, agent.tags))]:
        return found
    tags = sorted({tag for agent in agents for tag in agent.tags})
    tagged = f"Tags there are: {', '.join(tags[:20])}." if tags else "No other agent has a tag."
    raise AgentNotFound(
        f"no other agent has {each(repr(clip(tag, 40)) for tag in outgoing.tags[:SHOWN])}; "
        f"nothing was sent. {tagged} {_others(session, outgoing.sender_id)}"
    )


def _others(session: Session, sender_id: AgentId) -> str:
    names = [agent.name for agent in agents_in_use(session) if agent.id != sender_id]
    listed = ", ".join(clip(name, 40) for name in names[:20])
    return f"Other agents: {listed}." if names else "There is no other agent."


def _answerable(
    session: Session, sender_seq: int, outgoing: Outgoing, now: datetime
) -> Letter | None:
    """The mail that is answered, if one is."""
    if outgoing.in_reply_to is None:
        return None
    row = session.one(_BY_ID, (as_key(outgoing.in_reply_to),))
    letter = _from_row(row) if row else None
    if letter is None or letter.recipient_id != outgoing.sender_id:
        found = [_from_row(row) for row in session.all(_ANSWERABLE, (sender_seq,))]
        listed = "; ".join(f"{one.id} from {one.sender!r}" for one in found)
        raise MailNotFound(
            f"no mail {clip(outgoing.in_reply_to, 60)!r} came to you, so you cannot answer it; "
            f"nothing was sent. "
            + (f"You may answer: {listed}." if found else "There is none to answer.")
        )
    if letter.state == "answered":
        raise InvalidInput(
            f"you answered {letter.id} on {to_iso(letter.answered_at or now)[:16]} already; "
            f"nothing was sent. To add something, send a new mail to {letter.sender!r}."
        )
    if letter.state == "expired" or (letter.state == "queued" and letter.expires_at <= now):
        raise InvalidInput(
            f"{letter.id} has expired, and {letter.sender!r} was told so; nothing was sent. Send a "
            f"new mail to {letter.sender!r}."
        )
    if outgoing.to is not None and agent_named(session, outgoing.to).id != letter.sender_id:
        raise InvalidInput(
            f"an answer to {letter.id} goes to {letter.sender!r}, who sent it; nothing was sent. "
            "Leave `to` out, or leave in_reply_to out."
        )
    return letter


def _has_room(session: Session, agent: Agent, now: datetime) -> bool:
    waiting = session.value(_ROOM, (seq_of(session, agent.id), to_iso(now)))
    return waiting < MAILBOX_MAX


def _insert(
    session: Session,
    outgoing: Outgoing,
    sender_seq: int,
    agent: Agent,
    answered: Letter | None,
    now: datetime,
    held_until: str | None,
    key: str | None,
) -> Letter:
    awaited = to_iso(now + timedelta(seconds=outgoing.awaited_s)) if outgoing.awaited_s else None
    mail_id = new_id("mail")
    session.run(
        _INSERT,
        (
            mail_id,
            sender_seq,
            seq_of(session, agent.id),
            outgoing.text,
            answered.id if answered else None,
            max(outgoing.hops, answered.hops + 1 if answered else 0),
            (answered.root if answered else None) or outgoing.root or mail_id,
            to_iso(now),
            to_iso(now + EXPIRY),
            awaited,
            held_until,
            key,
        ),
    )
    row = session.one(_BY_ID, (mail_id,))
    assert row is not None
    letter = _from_row(row)
    record_change(session, to_iso(now), "mail", letter.id, "sent", [letter.recipient_id])
    return letter


def _posted(session: Session, letter: Letter, now: datetime, agent: Agent | None = None) -> Posted:
    agent = agent or agent_named(session, letter.recipient_id)
    seen_after = to_iso(now - LIVE)
    live = session.value(_LIVE, (seq_of(session, agent.id), seen_after)) is not None
    return Posted(letter, agent, live)


def _deliver(session: Session, letters: Iterable[Letter], now: datetime, key: str | None) -> None:
    for letter in letters:
        if letter.state == "queued":
            session.run(_DELIVERED, (to_iso(now), key, letter.id))
            _record(session, now, letter, "delivered")


def _record(session: Session, now: datetime, letter: Letter, operation: str) -> None:
    owners = [letter.recipient_id, letter.sender_id]
    record_change(session, to_iso(now), "mail", letter.id, operation, owners)


def _from_row(row: Row) -> Letter:
    return Letter(
        id=MailId(row[0]),
        sender_id=AgentId(row[1]),
        sender=row[2],
        recipient_id=AgentId(row[3]),
        recipient=row[4],
        text=row[5],
        state=row[6],
        sent_at=from_iso(row[7]),
        expires_at=from_iso(row[8]),
        in_reply_to=MailId(row[9]) if row[9] else None,
        hops=row[10],
        delivered_at=from_iso(row[11]) if row[11] else None,
        answered_at=from_iso(row[12]) if row[12] else None,
        root=MailId(row[13]),
    )
