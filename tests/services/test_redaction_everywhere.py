"""Whatever noun a secret is written to, by whichever door, the store's file does not hold it."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from memory_mcp.domain.agents import AgentChoice, AgentSettings
from memory_mcp.domain.blocks import BlockSettings
from memory_mcp.domain.copies import (
    AgentCopy,
    BlockCopy,
    BlockVersionCopy,
    Copy,
    MailCopy,
    RunCallCopy,
    RunChangeCopy,
    RunCopy,
    SummaryCopy,
)
from memory_mcp.domain.host_events import HostEvent, tool_event
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.redact import Redaction, put_in_force, redact
from memory_mcp.services import Services
from memory_mcp.services.copies import checked_copy
from memory_mcp.testing import ManualClock, open_memory

TOKEN = "ghp_" + "Ab3dEf9hIj" * 4
PASSWORD = "Kestrel42!Marble"
SAID = f"Use {TOKEN}; DB_PASSWORD={PASSWORD}\nand go on."

NOW = ManualClock().now()
WHEN = "2026-11-22T09:00:00Z"

Write = Callable[[Services, AgentId], Awaitable[object]]


def message(**told: object) -> Write:
    usual = {"role": "user", "content": "hello", "created_at": NOW, "conversation": "c"}
    made = NewMessage(**(usual | told))  # pyright: ignore[reportArgumentType] - by name
    return lambda services, agent: services.recall.append(agent, [made])


def passage(**told: object) -> Write:
    made = NewPassage(**({"content": "A fact."} | told))  # pyright: ignore[reportArgumentType]
    return lambda services, agent: services.archival.file(agent, [made])


def hook(event: HostEvent | None) -> Write:
    assert event is not None
    return lambda services, agent: services.capture.take_in(agent, "claude-code", [event], NOW)


async def replaces(services: Services, agent: AgentId) -> None:
    await services.core_memory.append(agent, "human", "Key: none yet.")
    await services.core_memory.replace(agent, "human", SAID, "none yet.")


async def completes(services: Services, agent: AgentId) -> None:
    """The name stands there already, and the value is given alone."""
    await services.core_memory.append(agent, "human", "password: (to come)\ntoken: (to come too)")
    await services.core_memory.replace(agent, "human", PASSWORD, "(to come)")
    await services.core_memory.replace(agent, "human", TOKEN, "(to come too)")


async def mails(services: Services, agent: AgentId) -> None:
    await services.agents.create("other", AgentSettings().require())
    await services.mail.send(agent, SAID, to="other")


async def answers(services: Services, agent: AgentId) -> None:
    other = await services.agents.create("other", AgentSettings().require())
    sent = await services.mail.send(other.id, "The key?", to="default")
    await services.mail.send(agent, SAID, in_reply_to=sent.sent[0].letter.id)


WRITES: dict[str, Write] = {
    "message": message(content=SAID),
    "message-speaker": message(name=f"Ana {TOKEN}", content=SAID),
    "message-metadata": message(metadata={"env": {"DB_PASSWORD": PASSWORD}, "of": [SAID]}),
    "message-conversation": message(conversation=f"about {TOKEN}", content=SAID),
    "passage": passage(content=SAID),
    "passage-tags": passage(tags=(TOKEN, f"PGPASSWORD={PASSWORD}")),
    "passage-source": passage(source=SAID),
    "passage-metadata": passage(metadata={"password": PASSWORD, "token": TOKEN}),
    "block-append": lambda services, agent: services.core_memory.append(agent, "human", SAID),
    "block-news": lambda services, agent: services.core_memory.append(
        agent, "human", SAID, only_news=True
    ),
    "block-replace": replaces,
    "block-complete": completes,
    "block-rethink": lambda services, agent: services.core_memory.replace(
        agent, "human", SAID, None
    ),
    "block-create": lambda services, agent: services.core_memory.create(
        agent, "keys", SAID, BlockSettings(description=SAID)
    ),
    "block-set": lambda services, agent: services.core_memory.set(
        agent, "human", SAID, BlockSettings(description=SAID)
    ),
    "mail": mails,
    "mail-answer": answers,
    "agent": lambda services, agent: services.agents.create(
        "other", AgentSettings(description=SAID, system_prompt=SAID, persona=SAID).require()
    ),
    "hook-prompt": hook(HostEvent(kind="prompt", session="s", text=SAID)),
    "hook-tool": hook(tool_event("s", "Bash", {"command": SAID}, SAID, key="t1")),
}


@pytest.mark.plain("looks for words in the file's bytes")
@pytest.mark.parametrize("noun", WRITES)
async def test_no_noun_holds_a_secret_whichever_way_it_was_written(
    tmp_path: Path, noun: str
) -> None:
    async with open_memory(tmp_path / "memory.db") as services:
        agent = await services.agents.choose(AgentChoice())
        await WRITES[noun](services, agent.id)

    assert_without_secrets(tmp_path)


def assert_without_secrets(folder: Path) -> None:
    for file in folder.iterdir():
        stored = file.read_bytes()
        assert TOKEN.encode() not in stored
        assert TOKEN[:20].encode() not in stored
        assert PASSWORD.encode() not in stored
    assert b"[redacted: " in b"".join(file.read_bytes() for file in folder.iterdir())


PROGRESS = json.dumps({"request": SAID, "env": {"DB_PASSWORD": PASSWORD}})
COPIES: list[Copy] = [
    AgentCopy(
        id="agent-1", name="a", description=SAID, tags=[TOKEN, f"PGPASSWORD={PASSWORD}"],
        system_prompt=SAID, project=None, context_tokens=None, model=None, tool_rules=[],
        created_at=WHEN,
    ),
    BlockCopy(
        id="block-1", label="human", value=SAID, description=SAID, limit=5_000, read_only=False,
        on_overflow="evict", version=1, metadata={"password": PASSWORD}, created_at=WHEN,
        updated_at=WHEN, agents=[],
    ),
    BlockVersionCopy(block="block-1", version=1, value=SAID, changed_by="a", changed_at=WHEN),
    SummaryCopy(
        id="summary-1", agent="a", text=SAID, first_message=None, last_message=None, messages=1,
        covered=1, last_at=WHEN, made_by="extract", created_at=WHEN,
    ),
    MailCopy(
        id="mail-1", sender="a", recipient="b", text=SAID, state="queued", in_reply_to=None, hops=0,
        root="mail-1", sent_at=WHEN, expires_at=WHEN, delivered_at=None, answered_at=None,
        awaited_until=None, held_until=None, told_expired=False, told_key=None, key=None,
    ),
    RunCopy(
        id="run-1", agent="a", run_kind="reflect", trigger="asked", model="m", state="done",
        outcome=SAID, first_message=None, last_message=None, messages=0, progress=PROGRESS,
        takeovers=0, started_at=WHEN, ended_at=WHEN, pruned_at=None,
    ),
    RunCallCopy(
        run="run-1", number=1, asked_at=WHEN, answered_at=WHEN, request=PROGRESS, response=PROGRESS,
        error=SAID, tokens_in=1, tokens_out=1, cost_usd=0.0,
    ),
    RunChangeCopy(
        run="run-1", number=1, noun="block", noun_id="block-1", operation="edited", before=PROGRESS,
        after=PROGRESS, undone_at=None,
    ),
]  # fmt: skip


@pytest.mark.parametrize("copy", COPIES, ids=[type(each).__name__ for each in COPIES])
def test_a_copy_from_another_store_comes_in_without_secrets(copy: Copy) -> None:
    plain = repr(checked_copy(copy))

    assert "[redacted: " in plain
    assert TOKEN not in plain
    assert PASSWORD not in plain
    assert checked_copy(checked_copy(copy)) == checked_copy(copy)


async def test_the_same_text_with_its_secret_is_the_same_passage(services: Services) -> None:
    agent = (await services.agents.choose(AgentChoice())).id
    for content in (SAID, redact(SAID), SAID):
        await services.archival.file(agent, [NewPassage(content=content)])

    assert await services.archival.count(agent) == 1


async def test_the_old_text_may_hold_the_secret_that_the_block_has_not(services: Services) -> None:
    agent = (await services.agents.choose(AgentChoice())).id
    await services.core_memory.append(agent, "human", SAID)
    edited = await services.core_memory.replace(agent, "human", "It is in the vault.", SAID)

    assert edited.after.value == "It is in the vault."


async def test_turned_off_everything_is_kept_as_it_was_written(tmp_path: Path) -> None:
    off = Redaction(is_on=False)
    try:
        async with open_memory(tmp_path / "memory.db", redaction=off) as services:
            agent = (await services.agents.choose(AgentChoice())).id
            await services.archival.file(agent, [NewPassage(content=SAID)])
            page = await services.archival.search(agent, "go on")
    finally:
        put_in_force(Redaction())

    assert [hit.passage.content for hit in page.hits] == [SAID]
