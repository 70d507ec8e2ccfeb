"""The model: is there one, and can it be reached."""

import importlib.util
import socket
import time
from urllib.parse import urlsplit

from memory_mcp.app.worker import ask_model
from memory_mcp.cli.doctor.finding import Finding
from memory_mcp.config import ModelSettings, Settings
from memory_mcp.domain.errors import ModelRefused, ModelUnavailable

CONNECT_SECONDS = 3
ASK = "memory-mcp doctor --ask-model"


async def look(settings: Settings, *, ask: bool) -> Finding | None:
    """Look without asking it anything, or `ask` it: one call, which may cost something.

    `None`: there is none.
    """
    model = settings.model
    if model is None:
        return None
    if importlib.util.find_spec("litellm") is None:
        told = f"{model.name} is set, but LiteLLM is not installed"
        return Finding("model", "wrong", told, 'pip install "memory-mcp[llm]"')
    if ask:
        return await _asked(model)
    if model.base_url is None:
        told = f"{model.name} is set, and LiteLLM is there; its provider was not asked"
        return Finding("model", "ok", f"{told} ({ASK} does)")
    return _at(model, model.base_url)


async def _asked(model: ModelSettings) -> Finding:
    began = time.monotonic()
    try:
        reply = await ask_model(model)
    except (ModelRefused, ModelUnavailable) as error:
        return Finding("model", "wrong", str(error))
    seconds = time.monotonic() - began
    told = f"{model.name} answered in {seconds:.1f} s, {reply.tokens_in + reply.tokens_out} tokens"
    return Finding("model", "ok", told)


def _at(model: ModelSettings, base_url: str) -> Finding:
    """Whether anybody listens there."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        where = f"{parts.hostname}:{port}"
        with socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS):
            told = f"{model.name}: {where} is open; it was not asked ({ASK} does)"
            return Finding("model", "ok", told)
    except (OSError, ValueError) as error:
        told = f"{model.name} is set, but MEMORY_MCP_MODEL_BASE_URL cannot be reached: {error}"
        return Finding("model", "wrong", told, "start the server that is to answer there")
