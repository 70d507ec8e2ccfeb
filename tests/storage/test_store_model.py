"""Whatever is done to a store, it holds what a few plain dictionaries would hold."""

import tempfile
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from memory_mcp.app import check_store
from memory_mcp.config import Settings
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import EditMismatch, InvalidInput
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.testing import open_memory

AT = datetime(2023, 5, 8, tzinfo=UTC)
AGENTS = ("default", "other")

agents = st.sampled_from(AGENTS)
labels = st.sampled_from(["human", "project"])
lines = st.sampled_from(["tea", "rye", "tea and rye", "東京"])
tags = st.sets(st.sampled_from(["food", "place"]))
messages = st.tuples(st.sampled_from("ab"), lines, st.sampled_from(["1", "2", "3", None]))


class Store(RuleBasedStateMachine):
    """Two agents on one store. They share `human`; `project` is each one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.path = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "memory.db"
        self.portal = self.stack.enter_context(start_blocking_portal())
        self.blocks: dict[str, str] = dict.fromkeys(
            ("human", "project default", "project other"), ""
        )
        self.versions = dict.fromkeys(self.blocks, 1)
        self.passages: dict[str, dict[str, set[str]]] = {name: {} for name in AGENTS}
        self.said: dict[str, dict[str, list[tuple[str, str | None]]]] = {
            name: {} for name in AGENTS
        }
        self.gone_passages: dict[str, tuple[str, str, set[str]]] = {}
        self.gone_messages: dict[str, tuple[str, str, tuple[str, str | None]]] = {}
        self.open()

    def open(self) -> None:
        self.opened = ExitStack()
        memory = self.portal.wrap_async_context_manager(open_memory(self.path))
        self.services: Services = self.opened.enter_context(memory)
        choose = self.services.agents.choose
        self.ids = {name: self.run(choose, AgentChoice(name=name)).id for name in AGENTS}

    def run(self, call: Callable[..., Coroutine[Any, Any, Any]], *told: Any, **named: Any) -> Any:
        return self.portal.call(lambda: call(*told, **named))

    def teardown(self) -> None:
        with self.stack:
            self.opened.close()
            sound = Settings(database=self.path, agent=AgentChoice())
            assert self.run(check_store, sound) == []

    @rule(agent=agents, label=labels, line=lines)
    def append_to_a_block(self, agent: str, label: str, line: str) -> None:
        self.run(self.services.core_memory.append, self.ids[agent], label, line)
        key = _key(label, agent)
        self._now_reads(key, f"{self.blocks[key]}\n{line}" if self.blocks[key] else line)

    @rule(agent=agents, label=labels, old=lines, new=lines)
    def replace_in_a_block(self, agent: str, label: str, old: str, new: str) -> None:
        key = _key(label, agent)
        try:
            self.run(self.services.core_memory.replace, self.ids[agent], label, new, old)
        except EditMismatch:
            assert self.blocks[key].count(old) != 1
        else:
            self._now_reads(key, self.blocks[key].replace(old, new))

    @rule(agent=agents, label=labels, line=lines)
    def rewrite_a_block(self, agent: str, label: str, line: str) -> None:
        self.run(self.services.core_memory.replace, self.ids[agent], label, line, None)
        self._now_reads(_key(label, agent), line)

    @rule(agent=agents, batch=st.lists(st.tuples(lines, tags), max_size=3))
    def file_passages(self, agent: str, batch: list[tuple[str, set[str]]]) -> None:
        new = [NewPassage(content=f"note: {line}", tags=tuple(told)) for line, told in batch]
        filed = self.run(self.services.archival.file, self.ids[agent], new)
        for (line, told), one in zip(batch, filed, strict=True):
            assert one.refreshed == (line in self.passages[agent])
            self.passages[agent].setdefault(line, set()).update(told)

    @rule(agent=agents, batch=st.lists(messages, max_size=4))
    def append_messages(self, agent: str, batch: list[tuple[str, str, str | None]]) -> None:
        known = 0
        for conversation, line, told in batch:
            run = self.said[agent].setdefault(conversation, [])
            if told is None or told not in self._external_ids(agent, conversation):
                run.append((line, told))
            else:
                known += 1
        appended = self.run(
            self.services.recall.append, self.ids[agent], [_message(*one) for one in batch]
        )
        there = len(appended.known) + len(appended.forgotten)
        assert (len(appended.stored), there) == (len(batch) - known, known)

    @rule(agent=agents, batch=st.lists(messages, max_size=2))
    def fail_to_append_messages(self, agent: str, batch: list[tuple[str, str, str | None]]) -> None:
        new = [_message(*one) for one in [*batch, ("c", "\0", None)]]
        try:
            self.run(self.services.recall.append, self.ids[agent], new)
        except InvalidInput:
            return
        raise AssertionError("a NUL was stored")

    @rule(agent=agents, line=lines)
    def forget_a_passage(self, agent: str, line: str) -> None:
        found = self.run(self.services.archival.search, self.ids[agent], "note", limit=50)
        ids = [hit.passage.id for hit in found.hits if hit.passage.content == f"note: {line}"]
        gone = self.run(self.services.forgetting.forget, self.ids[agent], ids or ["passage-0"])
        assert len(gone.passages) == (line in self.passages[agent])
        if ids:
            self.gone_passages[ids[0]] = (agent, line, self.passages[agent].pop(line))

    @rule(agent=agents, conversation=st.sampled_from("ab"), place=st.integers(0, 5))
    def forget_a_message(self, agent: str, conversation: str, place: int) -> None:
        run = self.said[agent].get(conversation, [])
        if place >= len(run):
            return
        _, told = self.run(self.services.recall.conversation, self.ids[agent], conversation)
        gone = self.run(self.services.forgetting.forget, self.ids[agent], [told[place].id])
        assert gone.messages == [told[place].id]
        self.gone_messages[told[place].id] = (agent, conversation, run.pop(place))

    @rule()
    def put_everything_back(self) -> None:
        for passage_id, (agent, line, told) in self.gone_passages.items():
            back = self.run(self.services.forgetting.restore, self.ids[agent], [passage_id]).back
            assert bool(back) == (line not in self.passages[agent])
            self.passages[agent].setdefault(line, told)
        for message_id, (agent, conversation, said) in self.gone_messages.items():
            back = self.run(self.services.forgetting.restore, self.ids[agent], [message_id]).back
            assert back == [message_id]
            _, told = self.run(self.services.recall.conversation, self.ids[agent], conversation)
            place = [one.id for one in told].index(message_id)
            self.said[agent][conversation].insert(place, said)
        self.gone_passages.clear()
        self.gone_messages.clear()

    @rule()
    def reopen(self) -> None:
        self.opened.close()
        self.open()

    @rule()
    def rebuild(self) -> None:
        made = self.run(self.services.indexing.rebuild)
        passages = sum(len(held) for held in self.passages.values())
        assert made == passages + sum(
            len(run) for said in self.said.values() for run in said.values()
        )

    @invariant()
    def blocks_read_as_expected(self) -> None:
        for agent in AGENTS:
            for block in self.run(self.services.core_memory.blocks, self.ids[agent]):
                if block.label != "persona":
                    key = _key(block.label, agent)
                    assert (block.value, block.version) == (self.blocks[key], self.versions[key])

    @invariant()
    def passages_are_found_with_their_tags(self) -> None:
        for agent in AGENTS:
            page = self.run(self.services.archival.search, self.ids[agent], "note", limit=50)
            found = {hit.passage.content: set(hit.passage.tags) for hit in page.hits}
            held = {f"note: {line}": told for line, told in self.passages[agent].items()}
            assert (found, page.total) == (held, len(held))

    @invariant()
    def conversations_tell_what_was_said(self) -> None:
        for agent in AGENTS:
            recall, found = self.services.recall, {}
            for one in self.run(recall.conversations, self.ids[agent]):
                _, told = self.run(recall.conversation, self.ids[agent], one.id)
                found[one.external_id] = [(said.content, said.external_id) for said in told]
            assert found == {name: run for name, run in self.said[agent].items() if run}

    def _external_ids(self, agent: str, conversation: str) -> list[str | None]:
        """Of all that was said there, what was forgotten included."""
        gone = [
            external_id
            for owner, where, (_, external_id) in self.gone_messages.values()
            if (owner, where) == (agent, conversation)
        ]
        return gone + [external_id for _, external_id in self.said[agent].get(conversation, [])]

    def _now_reads(self, key: str, value: str) -> None:
        self.versions[key] += value != self.blocks[key]
        self.blocks[key] = value


def _key(label: str, agent: str) -> str:
    return label if label == "human" else f"{label} {agent}"


def _message(conversation: str, line: str, external_id: str | None) -> NewMessage:
    return NewMessage(
        role="user",
        content=line,
        created_at=AT,
        conversation=conversation,
        external_id=external_id,
    )


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
