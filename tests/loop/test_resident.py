"""Resident agents: mail comes, they take a turn by themselves, and the answer goes back as mail."""

import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.loop.conftest import Chat, Open, block, turns

from memory_mcp.domain.agents import Agent, AgentChoice, AgentSettings
from memory_mcp.domain.errors import ModelRefused, StoreBusy
from memory_mcp.domain.mail import EXCHANGE_MAX, EXPIRY, HOPS_MAX
from memory_mcp.domain.runs import TAKEOVERS_MAX
from memory_mcp.domain.tool_rules import parse_rule
from memory_mcp.loop.worker import Worker
from memory_mcp.services.mail import Sending
from memory_mcp.testing import ManualClock
from memory_mcp.testing.chat import Answer, ScriptedChat, calls, says

Make = Callable[..., Coroutine[Any, Any, Agent]]


@pytest.fixture
def make(worker: Worker, chat: Chat) -> Make:
    """Makes a resident agent of that name; the script is for residents then."""
    chat.residents_only = True

    async def make(name: str, model: str = "default", **more: Any) -> Agent:
        await worker.services.agents.choose(AgentChoice(name=name))
        agent = await worker.services.agents.named(name)
        settings = AgentSettings(model=model, **more)
        return await worker.services.agents.set(agent.id, settings)

    return make


async def ask(worker: Worker, sender: Agent, to: str, text: str, wait: int = 0) -> Sending:
    return await worker.services.mail.send(sender.id, text, to=to, wait_seconds=wait)


async def answers_to(worker: Worker, agent: Agent) -> list[str]:
    news = await worker.services.mail.take(agent.id)
    return [letter.text for letter in news.letters]


async def test_a_resident_answers_its_mail(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    await make("librarian", system_prompt="You know every book.")
    chat.add(calls("send_message", message="It stands on shelf 4."))

    sending = await ask(worker, agent, "librarian", "Where is Moby Dick?")
    assert sending.sent[0].reach == "resident"
    (run,) = await turns(worker)

    assert (run.kind, run.state, run.agent) == ("resident", "done", "librarian")
    assert await answers_to(worker, agent) == ["It stands on shelf 4."]
    system, user = (message["content"] for message in chat.requests[0].messages)
    assert system.startswith("You know every book.")
    assert "> Where is Moby Dick?" in user
    assert "<memory_blocks>" in user


async def test_what_it_thought_aloud_is_no_part_of_its_answer(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    await make("librarian")
    chat.add(
        calls("send_message", message="<think>Who is this?"),
        calls("send_message", message="Who is this?\n</think>\n\nOn shelf 4."),
    )

    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    (run,) = await turns(worker)

    assert (run.state, len(chat.requests)) == ("done", 2)
    assert await answers_to(worker, agent) == ["On shelf 4."]


async def test_all_it_sees_and_says_is_in_its_recall(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    librarian = await make("librarian")
    chat.add(
        calls("archival_search", query="Moby Dick", request_heartbeat=True),
        calls("send_message", message="We have no such book."),
    )

    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    await turns(worker)

    page = await worker.services.recall.search(librarian.id, None, limit=10)
    said = [(hit.message.speaker, hit.message.role) for hit in reversed(page.hits)]
    assert said == [
        ("default (agent)", "user"),
        ("librarian", "assistant"),
        ("librarian", "tool"),
        ("librarian", "assistant"),
    ]
    assert page.hits[0].message.content == "We have no such book."


async def test_its_tools_work_on_its_own_memory_at_once(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    librarian = await make("librarian")
    chat.add(
        calls("core_memory_append", label="project", content="Shelf 4: whales.")
        + calls("archival_insert", content="Moby Dick came on 1 May 2026."),
        calls("send_message", message="Noted."),
    )

    await ask(worker, agent, "librarian", "Moby Dick goes on shelf 4.")
    await turns(worker)

    assert await block(worker, librarian, "project") == "Shelf 4: whales."
    assert await worker.services.archival.count(librarian.id) == 1


async def test_without_a_word_it_is_told_to_say_one(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    await make("librarian")
    chat.add(
        calls("archival_search", query="Moby Dick"),
        says("Shelf 4."),
        calls("send_message", message="Shelf 4."),
    )

    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    await turns(worker)

    assert "send_message" in chat.requests[2].messages[-1]["content"]
    assert await answers_to(worker, agent) == ["Shelf 4."]


async def test_its_tool_rules_hold(worker: Worker, agent: Agent, chat: Chat, make: Make) -> None:
    rules = (parse_rule("init:archival_search"), parse_rule("max_count_per_step:archival_search=1"))
    await make("librarian", tool_rules=rules)
    search = calls("archival_search", query="Moby Dick", request_heartbeat=True)
    chat.add(
        calls("send_message", message="Shelf 1."),
        search,
        search,
        calls("send_message", message="Shelf 4."),
    )

    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    await turns(worker)

    told = [request.messages[-1]["content"] for request in chat.requests]
    assert "archival_search must be called first" in told[1]
    assert "may be called 1 time" in told[3]
    assert await answers_to(worker, agent) == ["Shelf 4."]


async def test_a_model_that_fails_is_told_to_the_sender(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    await make("librarian")
    chat.add(ModelRefused("wrong key"))

    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    (run,) = await turns(worker)

    assert run.state == "failed"
    (answer,) = await answers_to(worker, agent)
    assert "No answer" in answer
    assert "wrong key" in answer


async def test_one_that_asks_another_does_not_keep_it_from_answering(
    open_memory_worker: Open,
) -> None:
    def reply(request: Any) -> Answer:
        system = request.messages[0]["content"]
        if "You are B." in system:
            return calls("send_message", message="Seven.")
        if request.messages[-1]["role"] == "tool":
            heard = "Seven." in request.messages[-1]["content"]
            return calls("send_message", message=f"B said seven: {heard}.")
        return calls(
            "send_to_agent", to="b", message="How many?", wait_seconds=30, request_heartbeat=True
        )

    async with open_memory_worker(chat=ScriptedChat(reply)) as worker:
        services = worker.services
        asker = await services.agents.choose(AgentChoice())
        for name in ("a", "b"):
            made = await services.agents.choose(AgentChoice(name=name))
            told = AgentSettings(model="default", system_prompt=f"You are {name.upper()}.")
            await services.agents.set(made.id, told)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.work)
            sending = await ask(worker, asker, "a", "Ask B how many.", wait=50)
            tasks.cancel_scope.cancel()
            answer = sending.sent[0].answer
            assert answer is not None
            assert answer.text == "B said seven: True."


async def test_two_that_write_each_other_for_ever_are_stopped_and_both_are_told(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    a, b = await make("a"), await make("b")

    def reply(request: Any) -> Answer:
        mail = re.findall(r'in_reply_to="(mail-\w+)"', request.messages[1]["content"])[-1]
        return calls("send_to_agent", message="And now?", in_reply_to=mail) + calls(
            "send_message", message="Hm."
        )

    chat.follow(reply)
    await worker.services.mail.send(a.id, "Shall we?", to="b")
    with anyio.fail_after(60):
        await turns(worker)

    assert len(chat.requests) == HOPS_MAX
    for one in (a, b):
        page = await worker.services.recall.search(one.id, "memory-mcp has ended this exchange")
        assert any("has ended this exchange" in hit.message.content for hit in page.hits)
    assert await turns(worker) == []


async def test_a_turn_goes_on_where_its_dead_worker_left_it_and_does_nothing_twice(
    open_memory_worker: Open,
) -> None:
    class Killed(BaseException):
        """As a kill -9."""

    append = calls("core_memory_append", label="project", content="Asked once.")
    chat = Chat([append, says("")])
    chat.residents_only = True

    async def die(number: int) -> None:
        if number == 2:
            raise Killed

    chat.meanwhile = die

    async def work_and_die() -> None:
        async with open_memory_worker(chat=chat) as worker:
            sender = await worker.services.agents.choose(AgentChoice())
            made = await worker.services.agents.choose(AgentChoice(name="librarian"))
            await worker.services.agents.set(made.id, AgentSettings(model="default"))
            await ask(worker, sender, "librarian", "Where is Moby Dick?")
            await turns(worker)

    with pytest.raises(BaseExceptionGroup):
        await work_and_die()

    second = Chat([calls("send_message", message="Shelf 4.")])
    second.residents_only = True
    async with open_memory_worker(chat=second) as worker:
        sender = await worker.services.agents.choose(AgentChoice())
        (run,) = await turns(worker)
        librarian = await worker.services.agents.named("librarian")

        assert (run.state, run.takeovers) == ("done", 1)
        assert await answers_to(worker, sender) == ["Shelf 4."]
        assert await block(worker, librarian, "project") == "Asked once."


async def test_the_exact_payload_of_its_turn_can_be_read(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    librarian = await make("librarian", model="openai/gpt-5")
    chat.add(calls("send_message", message="Shelf 4."))
    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    await turns(worker)

    (call,) = (await worker.services.ledger.last_turn(librarian.id)).calls

    assert call.request["model"] == "openai/gpt-5" == chat.requests[0].model
    assert call.request["messages"] == [dict(each) for each in chat.requests[0].messages]


async def test_one_that_is_deleted_in_its_turn_does_not_end_the_others(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    librarian, _ = await make("librarian"), await make("gardener")
    chat.follow(lambda _: calls("send_message", message="Yes."))

    async def delete(_: int) -> None:
        if await worker.services.agents.get(librarian.id) in await worker.services.agents.all():
            await worker.services.agents.delete(librarian.id)

    chat.meanwhile = delete
    await ask(worker, agent, "librarian", "Is there a book?")
    await ask(worker, agent, "gardener", "Is there a tree?")
    first, second = await turns(worker)

    assert (first.state, second.state) == ("failed", "done")
    assert "was deleted" in first.outcome
    assert await answers_to(worker, agent) == ["Yes."]


async def test_the_turn_of_a_deleted_agent_is_gone_on_with_when_it_is_restored(
    open_memory_worker: Open,
) -> None:
    class Killed(BaseException):
        """As a kill -9."""

    async def die(_: int) -> None:
        raise Killed

    chat = Chat([calls("send_message", message="Shelf 4.")])
    chat.residents_only = True
    chat.meanwhile = die

    async def work_and_die() -> None:
        async with open_memory_worker(chat=chat) as worker:
            sender = await worker.services.agents.choose(AgentChoice())
            made = await worker.services.agents.create("librarian", AgentSettings(model="default"))
            await ask(worker, sender, made.name, "Where is Moby Dick?")
            await turns(worker)

    with pytest.raises(BaseExceptionGroup):
        await work_and_die()

    chat.meanwhile = None
    async with open_memory_worker(chat=chat) as worker:
        agents, ledger = worker.services.agents, worker.services.ledger
        sender = await agents.choose(AgentChoice())
        await agents.delete((await agents.named("librarian")).id)
        assert await turns(worker) == []
        assert not await ledger.has_work()

        await agents.restore("librarian")
        (run,) = await turns(worker)
        assert run.state == "done"
        assert await answers_to(worker, sender) == ["Shelf 4."]


async def test_an_answer_that_the_store_cannot_take_is_sent_later(
    worker: Worker, agent: Agent, chat: Chat, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make("librarian")
    chat.add(calls("send_message", message="Shelf 4."))
    await ask(worker, agent, "librarian", "Where is Moby Dick?")

    async def busy(*_: Any, **__: Any) -> Sending:
        raise StoreBusy("another process writes")

    with monkeypatch.context() as patched:
        patched.setattr(worker.services.mail, "send", busy)
        with pytest.raises(BaseExceptionGroup):
            await turns(worker)
    await turns(worker)

    assert await answers_to(worker, agent) == ["Shelf 4."]


async def test_a_turn_that_workers_die_of_is_given_up_and_that_is_told(
    open_memory_worker: Open,
) -> None:
    class Killed(BaseException):
        """As a kill -9."""

    async def die(_: int) -> None:
        raise Killed

    chat = Chat([calls("send_message", message="Shelf 4.")])
    chat.residents_only = True
    chat.meanwhile = die

    async def work_and_die() -> None:
        async with open_memory_worker(chat=chat) as worker:
            await turns(worker)

    async with open_memory_worker(chat=chat) as worker:
        sender = await worker.services.agents.choose(AgentChoice())
        await worker.services.agents.create("librarian", AgentSettings(model="default"))
        await ask(worker, sender, "librarian", "Where is Moby Dick?")
    for _ in range(TAKEOVERS_MAX + 1):
        with pytest.raises(BaseExceptionGroup):
            await work_and_die()

    async with open_memory_worker(chat=chat) as worker:
        (run,) = await turns(worker)
        (answer,) = await answers_to(worker, sender)

    assert run.state == "abandoned"
    assert "workers died over it" in answer


async def test_it_is_told_of_its_own_mail_that_nobody_read_in_time(
    worker: Worker, agent: Agent, chat: Chat, make: Make, clock: ManualClock
) -> None:
    librarian = await make("librarian")
    await worker.services.agents.create("reader", AgentSettings())
    await ask(worker, librarian, "reader", "Bring it back.")
    clock.advance(EXPIRY)
    chat.add(calls("send_message", message="Shelf 4."))

    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    await turns(worker)

    shown = chat.requests[0].messages[1]["content"]
    assert "Your mail to 'reader'" in shown
    assert "was not read within 30 days" in shown
    page = await worker.services.recall.search(librarian.id, "was not read within 30 days")
    assert "Bring it back." in page.hits[0].message.content


async def test_its_last_word_is_its_answer_and_none_is_lost_to_an_earlier_one(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    await make("librarian")
    asked = (await ask(worker, agent, "librarian", "Where is Moby Dick?")).sent[0].letter.id
    chat.add(
        calls("send_to_agent", message="I'll look.", in_reply_to=asked, request_heartbeat=True),
        calls("send_message", message="Shelf 4."),
    )

    await turns(worker)

    assert "is the message of send_message" in chat.requests[1].messages[-1]["content"]
    assert await answers_to(worker, agent) == ["Shelf 4."]


async def test_a_turn_whose_answer_finds_nobody_says_so(
    worker: Worker, chat: Chat, make: Make
) -> None:
    await make("librarian")
    sender = await worker.services.agents.create("reader", AgentSettings())

    async def delete(_: int) -> None:
        await worker.services.agents.delete(sender.id)

    chat.meanwhile = delete
    chat.add(calls("send_message", message="Shelf 4."))
    await ask(worker, sender, "librarian", "Where is Moby Dick?")
    (run,) = await turns(worker)

    assert run.state == "done"
    assert "Not sent" in run.outcome
    assert "was deleted" in run.outcome


async def test_a_follow_up_from_a_host_is_answered_too(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    await make("librarian")
    chat.add(
        calls("send_message", message="Which edition?"), calls("send_message", message="Shelf 4.")
    )
    await ask(worker, agent, "librarian", "Where is Moby Dick?")
    await turns(worker)
    (asked_back,) = (await worker.services.mail.take(agent.id)).letters
    await worker.services.mail.send(agent.id, "The first.", in_reply_to=asked_back.id)
    await turns(worker)

    assert await answers_to(worker, agent) == ["Shelf 4."]


async def test_several_mails_a_turn_do_not_make_thousands(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    a, _ = await make("a"), await make("b")

    def reply(request: Any) -> Answer:
        other = "b" if "You are 'a'" in request.messages[1]["content"] else "a"
        more = calls("send_to_agent", to=other, message="And now?")
        return more + more + calls("send_message", message="Hm.")

    chat.follow(reply)
    await worker.services.mail.send(a.id, "Shall we?", to="b")
    with anyio.fail_after(100):
        await turns(worker)

    assert len(chat.requests) <= EXCHANGE_MAX


async def test_a_host_beside_it_takes_no_mail_from_a_resident(
    worker: Worker, agent: Agent, chat: Chat, make: Make
) -> None:
    librarian = await make("librarian")
    await ask(worker, agent, "librarian", "Where is Moby Dick?")

    assert not await worker.services.mail.take(librarian.id)
    chat.add(calls("send_message", message="Shelf 4."))
    await turns(worker)
    assert await answers_to(worker, agent) == ["Shelf 4."]


@pytest.mark.parametrize("room", [940, 960, 970])
async def test_neither_its_ledger_nor_its_recall_keeps_a_secret_nor_a_part_of_one(
    tmp_path: Path, worker: Worker, agent: Agent, chat: Chat, make: Make, room: int
) -> None:
    token = "ghp_" + "Ab3dEf9hIj" * 4
    await make("librarian")
    chat.add(
        calls("archival_insert", content=f"{'x' * room} {token} and more"),
        calls("send_message", message=f"The token is {token}."),
    )

    await ask(worker, agent, "librarian", f"Keep {token}.")
    (run,) = await turns(worker)

    assert run.state == "done"
    assert await answers_to(worker, agent) == ["The token is [redacted: GitHub token]."]
    for file in tmp_path.glob("memory.db*"):
        assert token[:8].encode() not in file.read_bytes()
