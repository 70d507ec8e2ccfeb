"""Factories of nouns, with everything that a test does not speak of filled in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.ids import BlockId
from memory_mcp.domain.statistics import IndexState, Statistics


@pytest.fixture(scope="session")
def block() -> Callable[..., Block]:
    """Make a block: `block("likes tea", read_only=True)`."""

    def make(value: str = "", **told: Any) -> Block:
        usual: dict[str, Any] = {
            "id": BlockId("block-1"),
            "label": "human",
            "description": "What is true of the user.",
            "limit_chars": 5_000,
            "read_only": False,
            "on_overflow": "error",
            "version": 1,
            "updated_at": datetime(2026, 11, 22, tzinfo=UTC),
        }
        return Block(value=value, **(usual | told))

    return make


@pytest.fixture(scope="session")
def statistics() -> Callable[..., Statistics]:
    """Make statistics: `statistics(messages=3)`."""

    def make(**told: Any) -> Statistics:
        usual: dict[str, Any] = {
            "agent": "default",
            "messages": 0,
            "conversations": 0,
            "first_message_at": None,
            "last_message_at": None,
            "passages": 0,
            "first_passage_at": None,
            "last_passage_at": None,
            "tags": (),
            "blocks": (),
            "agents": 1,
            "index": IndexState(
                embedder=None, store_embedder=None, vectors_scored_by=None, waiting=0
            ),
            "database": "memory.db",
            "database_bytes": 0,
        }
        return Statistics(**(usual | told))

    return make
