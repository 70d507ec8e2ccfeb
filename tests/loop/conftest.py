"""A worker in a store of its own, with a model that follows a script and a clock set by hand."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.app.worker import open_worker
from memory_mcp.config import ModelSettings, Settings
from memory_mcp.domain.agents import Agent, AgentChoice
from memory_mcp.domain.chat import ChatReply, ChatRequest
from memory_mcp.domain.messages import NewMessage
from memory_mcp.loop.worker import Worker
from memory_mcp.testing import HashEmbedder, ManualClock
from memory_mcp.testing.chat import Answer, ScriptedChat, calls

MODEL = "openai/gpt-5-mini"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run doesn't rest after its writes, as nobody else writes here."""
    monkeypatch.setattr("memory_mcp.loop.calls.REST", 0)


class Chat(ScriptedChat):
    """A scripted model that takes its time: something may happen before each answer."""

    meanwhile: Callable[[int], Awaitable[object]] | None = None
    """Is told the number of the request, from 1."""

    def follow(self, script: Callable[[ChatRequest], Answer]) -> None:
        """From now on answer by this function."""
        self._function = script

    residents_only = False
    """Whether the script is for residents; reflections then find nothing worth keeping."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        tools = {tool["function"]["name"] for tool in request.tools}
        if self.residents_only and "memory_finish_edits" in tools:
            return await ScriptedChat([calls("memory_finish_edits")]).complete(request)
        if self.meanwhile is not None:
            await self.meanwhile(len(self.requests) + 1)
        return await super().complete(request)


@pytest.fixture
def chat() -> Chat:
    return Chat()


Open = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def open_memory_worker(tmp_path: Path, chat: Chat, clock: ManualClock) -> Open:
    """Opens a worker on the test's store; settings of the model may be given."""

    @asynccontextmanager
    async def opened(
        chat: ScriptedChat = chat, context_tokens: int = 8_000, **model: Any
    ) -> AsyncGenerator[Worker]:
        settings = Settings(
            database=tmp_path / "memory.db",
            agent=AgentChoice(),
            embedder="none",
            context_tokens=context_tokens,
            model=ModelSettings(**{"name": MODEL, **model}),
        )
        worker = open_worker(settings, chat=chat, clock=clock, embedder=HashEmbedder())
        async with worker as opened:
            yield opened

    return opened


@pytest.fixture
async def worker(open_memory_worker: Open) -> AsyncGenerator[Worker]:
    async with open_memory_worker() as worker:
        yield worker


@pytest.fixture
async def agent(worker: Worker) -> Agent:
    return await worker.services.agents.choose(AgentChoice())


async def say(worker: Worker, agent: Agent, *texts: str, role: Any = "user") -> None:
    """Put messages into recall, a minute apart."""
    now = worker.services.clock.now()
    messages = [
        NewMessage(
            role=role,
            content=text,
            created_at=now + timedelta(minutes=place),
            conversation="talk",
        )
        for place, text in enumerate(texts)
    ]
    await worker.services.recall.append(agent.id, messages)


async def one_pass(worker: Worker) -> list[Any]:
    """Everything there is to do, done; its runs as they ended."""
    runs: list[Any] = []
    assert await worker.once(None, runs.append)
    return runs


async def turns(worker: Worker) -> list[Any]:
    """The same, of which the turns of residents."""
    return [run for run in await one_pass(worker) if run.kind == "resident"]


async def block(worker: Worker, agent: Agent, label: str) -> str:
    """A block's value."""
    found = await worker.services.core_memory.blocks(agent.id)
    return next(block.value for block in found if block.label == label)
