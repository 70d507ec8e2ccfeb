"""Where a model is asked: the worker's composition, and a trial for the doctor."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from memory_mcp.app import open_all
from memory_mcp.config import ModelSettings, Settings
from memory_mcp.domain.chat import ChatReply, ChatRequest
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.llm.chat import LiteLlmChat
from memory_mcp.loop.worker import Worker
from memory_mcp.ports import ChatModel, Clock, Embedder
from memory_mcp.storage.sqlite.leases import this_holder


@asynccontextmanager
async def open_worker(
    settings: Settings,
    *,
    chat: ChatModel | None = None,
    clock: Clock | None = None,
    embedder: Embedder | None = None,
) -> AsyncGenerator[Worker]:
    """Open the store and everything on it, with a model; close it in reverse.

    Raises:
        StoreError: the store cannot be used; the text says why and what to do.
        InvalidInput: no model is set.
    """
    if settings.model is None:
        raise InvalidInput("no model is set: MEMORY_MCP_MODEL names one, like openai/gpt-5-mini.")
    own_chat = LiteLlmChat(settings.model.base_url)
    async with open_all(settings, clock, embedder) as (services, stores):
        try:
            yield Worker(
                services=services,
                stores=stores,
                chat=chat or own_chat,
                holder=this_holder(),
            )
        finally:
            await own_chat.aclose()


async def ask_model(model: ModelSettings, seconds: float = 30) -> ChatReply:
    """One small call of the model, outside every cap.

    Raises:
        ModelUnavailable: it gave no answer.
        ModelRefused: it will give none.
    """
    chat = LiteLlmChat(model.base_url, seconds)
    try:
        asked = ({"role": "user", "content": "Say ok."},)
        # Models that think first need some room for it.
        return await chat.complete(
            ChatRequest(model=model.name, messages=asked, tokens_out_max=200)
        )
    finally:
        await chat.aclose()
