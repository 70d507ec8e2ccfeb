"""Resident agents: they answer their mail by themselves, one mail a turn, with no host open."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memory_mcp.domain.agents import Agent
from memory_mcp.domain.errors import MemoryMCPError, NotFound, StoreError
from memory_mcp.domain.ids import AgentId, MailId
from memory_mcp.domain.mail import EXCHANGE_MAX, HOPS_MAX, Letter, News, letter_text, news_text
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.domain.redact import in_short
from memory_mcp.domain.runs import NewRun, Run, RunState
from memory_mcp.domain.texts import clip
from memory_mcp.domain.tool_rules import (
    RequiredBeforeExitRule,
    TerminalRule,
    ToolRule,
    compile_rules,
)
from memory_mcp.loop.calls import Calls
from memory_mcp.loop.prompts import prompt
from memory_mcp.loop.react import Ending, Thread, react
from memory_mcp.loop.resident_tools import NAMES, SEND, ResidentTools
from memory_mcp.ports import RunEnd
from memory_mcp.services import Services
from memory_mcp.services.ledger import Policy

logger = logging.getLogger(__name__)

SHOWN_CHARS = 8_000
"""How much of a mail its reader is shown."""
TOLD_CHARS = 1_000
"""How much of a tool's answer recall keeps."""
HOST = "resident"

Save = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Keeps a turn's progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """Turns of resident agents, under a worker's lease."""

    services: Services
    policy: Policy

    async def new_run(self, agent_id: AgentId) -> NewRun:
        """A turn for the agent, to be begun."""
        agent = await self.services.agents.get(agent_id)
        own = agent.model if agent.model != DEFAULT_MODEL else None
        return NewRun(
            agent_id=agent_id, kind="resident", trigger="mail", model=own or self.policy.model
        )

    async def turn(self, run: Run, progress: Mapping[str, Any], calls: Calls, save: Save) -> RunEnd:
        """One turn, from its beginning or where it was left.

        Raises:
            CapReached, ModelError, StoreError: it can be gone on with, or has failed.
        """
        news = await self._news(run, progress)
        if not news.letters:
            return RunEnd(state="done", outcome="The mail was read elsewhere meanwhile.")
        letter = news.letters[0]
        so_far = await self.services.mail.exchanged(letter)
        if letter.hops >= HOPS_MAX or so_far > EXCHANGE_MAX:
            return await self._ended(run, letter, so_far)
        asks = await self._asks(letter)
        agent = await self.services.agents.get(run.agent_id)
        rules = rules_for(agent.tool_rules)
        tools = ResidentTools(
            self.services,
            run.agent_id,
            run.id,
            letter=letter,
            question=letter.id if asks else None,
            calls=progress.get("calls", 0),
            word=progress.get("word", ""),
        )
        thread = (
            Thread.from_json(progress["thread"])
            if "thread" in progress
            else await self._opening(run, agent, letter, news.expired, rules)
        )

        async def keep(thread: Thread) -> None:
            told = {"mail": letter.id, "calls": tools.calls, "word": tools.word}
            await save({**told, "thread": thread.to_json()})

        await keep(thread)
        ending = await react(thread, tools, rules, ask=calls.ask, save=keep, at_once=True)
        state, outcome = await self._answered(run, letter, tools, ending, asks=asks)
        await self._remember(run, letter, ending.thread, tools.word)
        return RunEnd(state=state, outcome=outcome)

    async def failed(self, run: Run, progress: Mapping[str, Any], why: str) -> None:
        """Tell whoever wrote that no answer will come."""
        try:
            news = await self._news(run, progress)
        except NotFound as error:  # it was deleted in the middle of its turn, or the mail was
            logger.info("%s: nobody is told that it failed: %s", run.id, error)
            return
        letter = news.letters[0] if news.letters else None
        if letter is not None and letter.hops < HOPS_MAX and await self._asks(letter):
            text = f"(No answer: the turn of {letter.recipient!r} failed. {in_short(why, 300)})"
            await self._reply(run, letter, text)

    async def _asks(self, letter: Letter) -> bool:
        """Whether somebody waits for an answer to it.

        What another resident answers is no question: the two would thank each other for ever.
        """
        if letter.in_reply_to is None:
            return True
        try:
            return not (await self.services.agents.get(letter.sender_id)).model
        except NotFound:
            return False

    async def _news(self, run: Run, progress: Mapping[str, Any]) -> News:
        """The one mail of this turn, taken from the mailbox once, by the run's id.

        With it comes a mail of its own that nobody read in time, if there is one.
        """
        mail = self.services.mail
        if known := progress.get("mail"):
            return News((await mail.one(run.agent_id, MailId(known)),))
        news = await mail.told_to(run.agent_id, run.id)
        return news if news.letters else await mail.take_turn(run.agent_id, run.id)

    async def _opening(
        self,
        run: Run,
        agent: Agent,
        letter: Letter,
        expired: Sequence[Letter],
        rules: list[ToolRule],
    ) -> Thread:
        services = self.services
        context = await services.view.context(agent.id, services.zone)
        frame = compile_rules(rules, "step")
        told = [agent.system_prompt.strip() or prompt("resident")]
        if agent.system_prompt.strip():
            told.append(prompt("resident"))
        system = "\n\n".join([*told, frame] if frame else told)
        now = services.zone.told(services.clock.now())
        # Into recall only now: the context has what came before it.
        said: list[tuple[Role, str, str, str]] = [_said_by_mail(letter)]
        mail = letter_text(letter, SHOWN_CHARS, services.zone)
        if expired:
            unread = news_text(News(expired=expired), SHOWN_CHARS, services.zone)
            said.insert(0, ("system", "memory-mcp", unread, f"{run.id}:expired"))
            mail = f"{mail}\n\n{unread}"
        await self._record(agent.id, letter, said)
        return Thread(
            messages=(
                {"role": "system", "content": system},
                {
                    "role": "user",
                    "content": f"{context}\n\nIt is {now}. You are {agent.name!r}. Mail for "
                    f"you:\n\n{mail}",
                },
            )
        )

    async def _answered(
        self, run: Run, letter: Letter, tools: ResidentTools, ending: Ending, *, asks: bool
    ) -> tuple[RunState, str]:
        if not tools.word:
            why = f"it ended without a word: {ending.because}"
            if asks:
                await self._reply(run, letter, f"(No answer: {why}.)")
            return "failed", f"To {letter.sender}: nothing, as {why}."
        outcome = f"To {letter.sender}: {in_short(tools.word, 500)}"
        if asks:
            if refused := await self._reply(run, letter, tools.word):
                outcome = f"{outcome} (Not sent: {refused})"
        else:  # an answer is no question: what is said to it stays here, and the exchange ends
            outcome = f"{outcome} (Kept to itself: {letter.id} was an answer.)"
        return ("capped" if ending.reason == "max_steps" else "done"), outcome

    async def _ended(self, run: Run, letter: Letter, so_far: int) -> RunEnd:
        """The exchange has gone on for long enough; both sides are told, neither is asked."""
        text = (
            f"(memory-mcp has ended this exchange: it has {so_far} mails, {letter.hops} of which "
            "followed one from the other. A new mail begins a new one.)"
        )
        said: list[tuple[Role, str, str, str]] = [
            _said_by_mail(letter),
            ("system", "memory-mcp", text, f"{run.id}:end"),
        ]
        await self._record(run.agent_id, letter, said)
        if letter.hops <= HOPS_MAX:  # past that it is such a word itself
            await self._reply(run, letter, text, hops=HOPS_MAX + 1)
        return RunEnd(state="done", outcome=f"The exchange with {letter.sender} was ended: {text}")

    async def _reply(self, run: Run, letter: Letter, text: str, hops: int = 0) -> str:
        """Send it; why it was not sent, if so."""
        try:
            await self.services.mail.send(
                run.agent_id,
                text,
                in_reply_to=letter.id,
                key=f"{run.id}:answer",
                hops=max(hops, letter.hops + 1),
            )
        except StoreError:  # the turn stays open, and its answer is sent when it is gone on with
            raise
        except MemoryMCPError as error:
            # The sender's mailbox is full or it was deleted, or another session answered already.
            logger.info("%s: the answer to %s was not sent", run.id, letter.id)
            return clip(str(error), 300)
        return ""

    async def _remember(self, run: Run, letter: Letter, thread: Thread, word: str) -> None:
        """Put what was done and said into recall, in short."""
        said: list[tuple[Role, str, str, str]] = []
        agent = run.agent
        for place, message in enumerate(thread.messages[2:]):
            known = f"{run.id}:{place}"
            text = str(message.get("content") or "")
            if message["role"] == "assistant":
                called = [call["function"] for call in message.get("tool_calls", ())]
                lines = [
                    f"{call['name']}({call['arguments']})"
                    for call in called
                    if call["name"] != SEND
                ]
                text = "\n".join([*([text] if text else []), *lines])
                if text.strip():
                    said.append(("assistant", agent, in_short(text, TOLD_CHARS), known))
            elif message["role"] == "tool" and text not in ("", "Said."):
                said.append(("tool", agent, in_short(text, TOLD_CHARS), known))
        if word:
            said.append(("assistant", agent, word, f"{run.id}:word"))
        await self._record(run.agent_id, letter, said)
        await self.services.eviction.evict(run.agent_id)

    async def _record(
        self, agent_id: AgentId, letter: Letter, said: list[tuple[Role, str, str, str]]
    ) -> None:
        now = self.services.clock.now()
        messages = [
            NewMessage(
                role=role,
                name=name,
                content=text,
                created_at=now,
                conversation=f"mail-{letter.sender_id}",
                external_id=known,
            )
            for role, name, text, known in said
        ]
        if messages:
            await self.services.recall.append(agent_id, messages, HOST)


DEFAULT_MODEL = "default"
"""As an agent's model: the one that MEMORY_MCP_MODEL names."""


def _said_by_mail(letter: Letter) -> tuple[Role, str, str, str]:
    """A mail as recall keeps it: another agent's word, which no reader takes for the user's."""
    return "user", f"{clip(letter.sender, 80)} (agent)", letter.text, letter.id


def rules_for(own: tuple[ToolRule, ...]) -> list[ToolRule]:
    """The rules of a turn: it ends with a word to whoever wrote; and the agent's own.

    Those of its own that name other tools hold elsewhere.
    """
    apply = [rule for rule in own if set(NAMES).issuperset(rule.named)]
    return [*apply, TerminalRule(tool=SEND), RequiredBeforeExitRule(tool=SEND)]
