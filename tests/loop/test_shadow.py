"""Reflection: what the shadow agent reads, changes, leaves alone, and how it ends."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.loop.conftest import Chat, Open, block, one_pass, say

from memory_mcp.domain.agents import Agent, AgentChoice
from memory_mcp.domain.errors import ModelRefused, ModelUnavailable, RunNotFound
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.tool_rules import parse_rule
from memory_mcp.loop.worker import Worker
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import ManualClock
from memory_mcp.testing.chat import Answer, Call, ScriptedChat, calls, says

FINISH = calls("memory_finish_edits", report="Kept the name.")


async def test_what_was_said_becomes_a_line_in_a_block(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "My name is Ana.")
    chat.add(calls("memory_insert", label="human", new_string="Name: Ana."), FINISH)

    (run,) = await one_pass(worker)

    assert (run.state, run.outcome, run.messages) == ("done", "Kept the name.", 1)
    assert await block(worker, agent, "human") == "Name: Ana."


async def test_what_the_model_thought_aloud_is_no_part_of_its_report(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "My name is Ana.")
    chat.add(calls("memory_finish_edits", report="Is it worth it? </think>Nothing to keep."))

    (run,) = await one_pass(worker)

    assert run.outcome == "Nothing to keep."


async def test_the_model_reads_the_new_messages_and_the_blocks_with_their_lines(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await worker.services.core_memory.append(agent.id, "human", "Lives in Porto.")
    await say(worker, agent, "I moved to Lisbon.")
    chat.add(FINISH)

    await one_pass(worker)

    shown = chat.requests[0].messages[1]["content"]
    assert "1→ Lives in Porto." in shown
    assert "user: I moved to Lisbon." in shown


async def test_nothing_is_changed_before_the_run_is_finished(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "My name is Ana.")
    seen: list[str] = []

    async def look(_: int) -> None:
        seen.append(await block(worker, agent, "human"))

    chat.meanwhile = look
    chat.add(calls("memory_insert", label="human", new_string="Name: Ana."), FINISH)

    await one_pass(worker)

    assert seen == ["", ""]
    assert await block(worker, agent, "human") == "Name: Ana."


async def test_messages_are_reflected_on_once(worker: Worker, agent: Agent, chat: Chat) -> None:
    await say(worker, agent, "My name is Ana.")
    chat.add(FINISH)

    assert len(await one_pass(worker)) == 1
    assert await one_pass(worker) == []


async def test_a_passage_is_superseded_in_one_step_and_comes_back_by_undoing(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    (old,) = await worker.services.archival.file(agent.id, [NewPassage(content="Ana uses Vim.")])
    await say(worker, agent, "I use Helix now, not Vim.")
    chat.add(
        calls("archival_supersede", passage_id=old.passage.id, content="Ana uses Helix."), FINISH
    )

    (run,) = await one_pass(worker)

    found = await worker.services.archival.search(agent.id, "Ana uses")
    assert [hit.passage.content for hit in found.hits] == ["Ana uses Helix."]

    undone = await worker.services.ledger.undo(run.id)

    assert undone.left == []
    found = await worker.services.archival.search(agent.id, "Ana uses")
    assert [hit.passage.content for hit in found.hits] == ["Ana uses Vim."]
    assert found.hits[0].passage.id == old.passage.id


async def test_undoing_a_run_leaves_a_passage_that_somebody_filed_again_since(
    worker: Worker, agent: Agent, chat: Chat, clock: ManualClock
) -> None:
    await say(worker, agent, "I use Helix now.")
    chat.add(calls("archival_insert", content="Ana uses Helix."), FINISH)
    (run,) = await one_pass(worker)
    clock.advance(timedelta(minutes=1))
    await worker.services.archival.file(agent.id, [NewPassage(content="Ana uses Helix.")])

    undone = await worker.services.ledger.undo(run.id)

    assert any("filed the same text again since" in each for each in undone.left)
    found = await worker.services.archival.search(agent.id, "Ana uses")
    assert [hit.passage.content for hit in found.hits] == ["Ana uses Helix."]


async def test_a_line_written_meanwhile_stays(worker: Worker, agent: Agent, chat: Chat) -> None:
    await worker.services.core_memory.append(agent.id, "human", "Name: Ana.")
    await say(worker, agent, "I live in Porto.")
    chat.add(calls("memory_replace", label="human", old_string="Ana", new_string="Ana Sousa"))
    chat.add(FINISH)

    async def meanwhile(number: int) -> None:
        await worker.services.core_memory.append(agent.id, "human", f"Line {number}.")

    chat.meanwhile = meanwhile

    await one_pass(worker)

    assert await block(worker, agent, "human") == "Name: Ana Sousa.\nLine 1.\nLine 2."


async def test_an_edit_where_somebody_else_edits_is_made_again_on_the_new_text(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    core = worker.services.core_memory
    await core.append(agent.id, "human", "Lives in Porto.")
    await say(worker, agent, "I moved to Lisbon.")

    async def meanwhile(number: int) -> None:
        if number == 2:
            await core.replace(agent.id, "human", "Lives in Faro.", "Lives in Porto.")

    chat.meanwhile = meanwhile
    chat.add(
        calls("memory_replace", label="human", old_string="Porto", new_string="Lisbon"),
        FINISH,
        calls("memory_replace", label="human", old_string="Faro", new_string="Lisbon"),
        FINISH,
    )

    (run,) = await one_pass(worker)

    assert "1→ Lives in Faro." in chat.requests[2].messages[-1]["content"]
    assert (run.state, await block(worker, agent, "human")) == ("done", "Lives in Lisbon.")


async def test_others_win_when_a_block_moves_again_and_again(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    core = worker.services.core_memory
    await core.append(agent.id, "human", "Lives in town 0.")
    await say(worker, agent, "I moved.", "And I like tea.")

    async def meanwhile(number: int) -> None:
        if number % 2 == 0:
            await core.replace(agent.id, "human", f"Lives in town {number}.", None)

    chat.meanwhile = meanwhile
    for _ in range(3):
        chat.add(calls("memory_rethink", label="human", new_memory="Lives on the moon."), FINISH)

    (run,) = await one_pass(worker)

    assert run.state == "done"
    assert "Left alone" in run.outcome
    assert await block(worker, agent, "human") == "Lives in town 6."


@pytest.mark.parametrize(
    ("reply", "corrected"),
    [
        (says("I would keep the name."), "called no tool"),
        (calls("memory_delete", label="human"), "there is no tool 'memory_delete'"),
        (calls("memory_insert", label="human"), "new_string: Field required"),
        (calls("memory_insert", label="nobody", new_string="x"), "The blocks are: persona, human"),
        (calls("memory_insert", label="human", new_string="x", loud=True), "loud: Extra inputs"),
    ],
)
async def test_a_model_that_errs_is_corrected(
    worker: Worker, agent: Agent, chat: Chat, reply: Answer, corrected: str
) -> None:
    await say(worker, agent, "My name is Ana.")
    chat.add(reply, calls("memory_insert", label="human", new_string="Name: Ana."), FINISH)

    (run,) = await one_pass(worker)

    assert corrected in chat.requests[1].messages[-1]["content"]
    assert (run.state, await block(worker, agent, "human")) == ("done", "Name: Ana.")


async def test_a_model_without_tool_calling_is_given_up_and_the_ledger_says_why(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "My name is Ana.")
    chat.add(*[says("Hello!")] * 3)

    (run,) = await one_pass(worker)

    assert run.state == "failed"
    assert "support tool calling" in run.outcome
    assert len(chat.requests) == 3


async def test_a_failed_reflection_is_let_be_for_longer_and_longer(
    worker: Worker, agent: Agent, chat: Chat, clock: ManualClock
) -> None:
    await say(worker, agent, *["My name is Ana."] * 5)
    chat.add(*[ModelRefused("wrong key")] * 2)
    ledger = worker.services.ledger

    assert await ledger.has_work()
    (run,) = await one_pass(worker)
    assert (run.state, run.outcome) == ("failed", "wrong key")
    assert not await ledger.has_work()
    clock.advance(timedelta(minutes=2))
    assert await ledger.has_work()
    await one_pass(worker)
    clock.advance(timedelta(minutes=2))
    assert not await ledger.has_work()
    clock.advance(timedelta(minutes=4))
    assert await ledger.has_work()


async def test_an_unreachable_model_is_asked_a_few_times(
    open_memory_worker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_mcp.loop.calls.RETRY_SECONDS", (0.0, 0.0))
    chat = ScriptedChat([ModelUnavailable("refused")] * 3)
    async with open_memory_worker(chat=chat) as worker:
        agent = await worker.services.agents.choose(AgentChoice())
        await say(worker, agent, "My name is Ana.")

        (run,) = await one_pass(worker)

    assert (run.state, run.calls, run.tokens_in) == ("failed", 3, 0)


async def test_tool_rules_of_the_agent_hold_in_the_loop(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    rules = [parse_rule("init:conversation_search"), parse_rule("requires_approval:memory_forget")]
    await worker.services.agents.set_tool_rules(agent.id, rules)
    (old,) = await worker.services.archival.file(agent.id, [NewPassage(content="Ana uses Vim.")])
    await say(worker, agent, "My name is Ana.")
    chat.add(
        calls("memory_insert", label="human", new_string="Name: Ana."),
        calls("conversation_search", query="name"),
        calls("memory_forget", ids=[old.passage.id]),
        FINISH,
    )

    (run,) = await one_pass(worker)

    assert "conversation_search must be called first" in chat.requests[1].messages[-1]["content"]
    assert "needs a person's approval" in chat.requests[3].messages[-1]["content"]
    assert (run.state, run.changes) == ("done", 0)


async def test_a_huge_message_is_shown_with_its_middle_left_out(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "begin " + "x" * 40_000 + " end")
    chat.add(FINISH)

    (run,) = await one_pass(worker)

    shown = chat.requests[0].messages[1]["content"]
    assert run.state == "done"
    assert "begin" in shown
    assert "characters left out" in shown
    assert len(shown) < 10_000


async def test_a_block_that_is_gone_fails_the_run_and_nothing_else(
    worker: Worker, agent: Agent, chat: Chat, tmp_path: Path
) -> None:
    await say(worker, agent, "My name is Ana.")
    chat.add(
        calls("memory_insert", label="human", new_string="Name: Ana."),
        calls("archival_insert", content="Ana likes tea."),
        FINISH,
    )

    async def meanwhile(number: int) -> None:
        if number == 3:
            with closing(sqlite_module().connect(tmp_path / "memory.db")) as store, store:
                store.execute("DELETE FROM agent_blocks WHERE label = 'human'")

    chat.meanwhile = meanwhile

    (run,) = await one_pass(worker)

    assert run.state == "failed"
    assert "'human' is gone" in run.outcome
    assert await worker.services.archival.count(agent.id) == 0


def set_blocks(tmp_path: Path, changes: str) -> None:
    """As a person does with another command."""
    with closing(sqlite_module().connect(tmp_path / "memory.db")) as store, store:
        store.execute(f"UPDATE blocks SET {changes}")


@pytest.mark.parametrize("on_overflow", ["error", "evict"])
async def test_a_merge_that_doesnt_fit_loses_nothing_and_is_left_to_the_model(
    worker: Worker, agent: Agent, chat: Chat, tmp_path: Path, on_overflow: str
) -> None:
    set_blocks(tmp_path, f"limit_chars = 50, on_overflow = '{on_overflow}'")
    core = worker.services.core_memory
    await core.append(agent.id, "human", "Name: Ana.")
    await say(worker, agent, "I live in Porto.")

    async def meanwhile(number: int) -> None:
        if number == 2:
            await core.append(agent.id, "human", "Drinks green tea at five.")

    chat.meanwhile = meanwhile
    chat.add(
        calls("memory_insert", label="human", new_string="Has lived in Porto.", insert_line=0),
        FINISH,
        calls("memory_insert", label="human", new_string="In Porto.", insert_line=0),
        FINISH,
    )

    (run,) = await one_pass(worker)

    assert "1→ Name: Ana.\n2→ Drinks green tea" in chat.requests[2].messages[-1]["content"]
    assert run.state == "done"
    assert await block(worker, agent, "human") == "In Porto.\nName: Ana.\nDrinks green tea at five."
    assert await worker.services.archival.count(agent.id) == 0


async def test_a_block_that_became_read_only_meanwhile_is_left_alone(
    worker: Worker, agent: Agent, chat: Chat, tmp_path: Path
) -> None:
    await say(worker, agent, "My name is Ana.")

    async def meanwhile(number: int) -> None:
        if number == 2:
            set_blocks(tmp_path, "read_only = 1")

    chat.meanwhile = meanwhile
    insert = calls("memory_insert", label="human", new_string="Name: Ana.")
    chat.add(insert, FINISH, insert, FINISH)

    (run,) = await one_pass(worker)

    assert "is read-only" in chat.requests[3].messages[-1]["content"]
    assert (run.state, await block(worker, agent, "human")) == ("done", "")


async def test_a_passage_that_is_forgotten_and_filed_anew_is_there(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    archival = worker.services.archival
    (old,) = await archival.file(agent.id, [NewPassage(content="Ana uses Vim.")])
    await say(worker, agent, "Tag what you know of my editor.")
    chat.add(
        calls("memory_forget", ids=[old.passage.id]),
        calls("archival_insert", content="Ana uses Vim.", tags=["editor"]),
        FINISH,
    )

    (run,) = await one_pass(worker)

    (hit,) = (await archival.search(agent.id, "Vim")).hits
    assert hit.passage.tags == ("editor",)
    await worker.services.ledger.undo(run.id)
    (hit,) = (await archival.search(agent.id, "Vim")).hits
    assert (hit.passage.id, hit.passage.tags) == (old.passage.id, ())


async def test_half_characters_and_nul_from_a_model_cost_nobody_the_run(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "My name is Ana.")
    report = r'{"report": "Kept \ud800 it\u0000."}'
    chat.add(
        says("half \ud800"),
        calls("memory_insert", label="human", new_string="half \ud800"),
        calls("memory_insert", label="human", new_string="Name: Ana."),
        Answer(calls=(Call(name="memory_finish_edits", arguments=report),)),
    )

    (run,) = await one_pass(worker)

    assert (run.state, run.outcome) == ("done", "Kept \ufffd it\ufffd.")
    assert await block(worker, agent, "human") == "Name: Ana."
    record = await worker.services.ledger.record(run.id)
    for sent in (chat.requests[-1].messages, [call.response for call in record.calls]):
        json.dumps(sent, ensure_ascii=False).encode()  # as it goes to a model, and to a host


async def test_of_a_flood_of_calls_some_are_made_and_the_rest_is_not_sent_back(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "My name is Ana.")
    insert = Call(name="archival_insert", arguments='{"content": "Ana."}', id="same")
    chat.add(Answer(calls=(insert,) * 50_000, tokens=(1_000, 1_000)), FINISH)

    (run,) = await one_pass(worker)

    assert run.state == "done"
    _, _, asked, *answers = chat.requests[1].messages
    assert len(asked["tool_calls"]) == len(answers) == 20
    assert "49,980 more calls of this turn: not made" in answers[-1]["content"]


async def test_messages_are_passed_over_after_three_tries_whatever_runs_between(
    worker: Worker, agent: Agent, chat: Chat, clock: ManualClock
) -> None:
    await say(worker, agent, "My name is Ana.")
    for _ in range(3):
        await worker.services.ledger.request(agent.id, "How is it?")
        chat.add(FINISH, *[says("Hello!")] * 3)
        await one_pass(worker)
        clock.advance(timedelta(days=1))

    (last, *_) = await worker.services.ledger.runs()
    assert "passed over after 3 tries" in last.outcome
    assert await one_pass(worker) == []


async def test_messages_forgotten_before_they_are_read_stop_nobody(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    """Between finding the work and taking it up, as another process may do."""
    other = await worker.services.agents.choose(AgentChoice(name="other"))
    await say(worker, agent, "My name is Ana.")
    await say(worker, other, "My name is Eva.")
    forgotten = await worker.stores.messages.last_arrived(other.id, 0, 1)

    async def meanwhile(_: int) -> None:
        await worker.services.forgetting.forget(other.id, [forgotten[0].id])

    chat.meanwhile = meanwhile
    chat.add(FINISH)

    (run,) = await one_pass(worker)

    assert (run.agent_id, run.state) == (agent.id, "done")


async def test_an_agent_can_have_its_own_runs_undone_and_no_others(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    await say(worker, agent, "My name is Ana.")
    chat.add(calls("memory_insert", label="human", new_string="Name: Ana."), FINISH)
    (run,) = await one_pass(worker)
    other = await worker.services.agents.choose(AgentChoice(name="other"))

    with pytest.raises(RunNotFound, match="of this agent"):
        await worker.services.requests.ask(other.id, f"undo {run.id}")
    assert await block(worker, agent, "human") == "Name: Ana."

    answer = await worker.services.requests.ask(agent.id, f"undo {run.id}")
    assert "reads as before" in answer.text


async def test_a_passage_that_was_replaced_twice_comes_not_back_beside_the_newest(
    worker: Worker, agent: Agent, chat: Chat
) -> None:
    archival = worker.services.archival
    (old,) = await archival.file(agent.id, [NewPassage(content="Ana uses Vim.")])
    await say(worker, agent, "I use Helix now.")
    chat.add(
        calls("archival_supersede", passage_id=old.passage.id, content="Ana uses Helix."), FINISH
    )
    (run,) = await one_pass(worker)
    (hit,) = (await archival.search(agent.id, "Helix")).hits
    await archival.file(agent.id, [NewPassage(content="Ana uses Zed.", supersedes=hit.passage.id)])

    undone = await worker.services.ledger.undo(run.id)

    assert any("replaced since" in each for each in undone.left)
    found = await archival.search(agent.id, "Ana uses")
    assert [hit.passage.content for hit in found.hits] == ["Ana uses Zed."]


@pytest.mark.parametrize("noun", ["message", "passage"])
async def test_what_is_forgotten_while_a_run_goes_on_does_not_come_back_by_it(
    worker: Worker, agent: Agent, chat: Chat, clock: ManualClock, noun: str
) -> None:
    (filed,) = await worker.services.archival.file(agent.id, [NewPassage(content="Swordfish.")])
    await say(worker, agent, "The word is swordfish.", "I like tea.")
    (message, _) = await worker.stores.messages.last_arrived(agent.id, 0, 2)
    gone = message.id if noun == "message" else filed.passage.id

    async def meanwhile(number: int) -> None:
        if number == 2:
            clock.advance(timedelta(seconds=5))
            await worker.services.forgetting.forget(agent.id, [gone])

    chat.meanwhile = meanwhile
    chat.add(calls("memory_insert", label="human", new_string="Word: swordfish."), FINISH)

    (run,) = await one_pass(worker)

    assert run.state == "failed"
    assert "forgotten while it ran" in run.outcome
    assert await block(worker, agent, "human") == ""

    clock.advance(timedelta(minutes=2))
    chat.add(calls("memory_insert", label="human", new_string="Likes tea."), FINISH)
    (run,) = await one_pass(worker)
    assert (run.state, await block(worker, agent, "human")) == ("done", "Likes tea.")
