"""Updates are announced in both eras, whichever connection or process made them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import anyio
import anyio.lowlevel
import pytest
from mcp import MCPDeprecationWarning
from mcp.shared.exceptions import MCPError
from mcp_types import SubscribeRequestParams
from tests.acceptance.processes import run
from tests.server.connecting import (
    LEGACY,
    MODERN,
    WAIT_SECONDS,
    Connect,
    Updates,
    tell,
    told_of,
)

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.ids import AgentId
from memory_mcp.ports import Change, Outbox
from memory_mcp.server import announcements
from memory_mcp.server.connections import CURRENT, Connection
from memory_mcp.testing import open_memory


async def test_a_change_by_another_connection_is_announced(connect: Connect) -> None:
    uris = ["memory://blocks/project", "memory://context", "memory://conversations"]
    with anyio.fail_after(WAIT_SECONDS):
        async with connect.listening(*uris) as (_, updates), connect() as writer:
            await tell(writer, "core_memory_append", label="project", content="News.")
            await updates.until("memory://blocks/project", "memory://context")
            assert "memory://conversations" not in updates.uris
            await tell(writer, "conversation_append", role="user", content="Hello.")
            await updates.until("memory://conversations")
    assert set(updates.uris) == set(uris)


async def test_a_change_by_a_command_in_another_process_is_announced(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    line = b'{"content": "A passage."}\n'
    with anyio.fail_after(WAIT_SECONDS):
        async with connect.listening("memory://stats") as (_, updates):
            database = connect.database
            imported = await anyio.to_thread.run_sync(
                lambda: run(
                    "--database", database, "import", "passages", "-",
                    folder=database.parent, stdin=line,
                )
            )  # fmt: skip
            assert imported.returncode == 0, imported.stderr
            await updates.until("memory://stats")


async def test_mail_and_a_shared_block_are_announced_to_the_other_agent(connect: Connect) -> None:
    uris = ["memory://inbox", "memory://blocks/human"]
    with anyio.fail_after(WAIT_SECONDS):
        async with connect("work") as writer:
            async with connect.listening(*uris, agent="home") as (reader, updates):
                await tell(writer, "core_memory_append", label="human", content="Name: Ana.")
                await updates.until("memory://blocks/human")
                assert "memory://inbox" not in updates.uris
                await tell(writer, "send_to_agent", message="Done.", to="home")
                await updates.until("memory://inbox")
                told = await tell(reader, "archival_search", query="x")
    assert "+ Name: Ana." in told
    assert "> Done." in told


async def test_every_kind_of_change_is_announced_where_it_is_seen(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    nouns = ("blocks/human", "blocks", "context", "stats", "conversations", "agents", "inbox")
    uris = [f"memory://{noun}" for noun in nouns]
    changes = {
        "core_memory_append": {"label": "human", "content": "Name: Ana."},
        "archival_insert": {"content": "A passage."},
        "conversation_append": {"role": "user", "content": "Hello."},
    }
    announced: dict[str, set[str]] = {}
    async with connect() as first:  # who writes first makes the agent, which is a change too
        await tell(first, "core_memory_append", label="persona", content="Brief.")
    for tool, arguments in changes.items():
        with anyio.fail_after(WAIT_SECONDS):
            async with connect.listening(*uris) as (_, updates), connect() as writer:
                await tell(writer, tool, **arguments)
                await updates.until("memory://stats", "memory://context")
                announced[tool] = set(updates.uris)
    with anyio.fail_after(WAIT_SECONDS):
        async with connect.listening(*uris) as (_, updates), connect("another"):
            await updates.until("memory://agents", "memory://stats")
    assert announced == {
        "core_memory_append": {
            "memory://blocks/human",
            "memory://blocks",
            "memory://context",
            "memory://stats",
        },
        "archival_insert": {"memory://stats", "memory://context"},
        "conversation_append": {"memory://conversations", "memory://stats", "memory://context"},
    }


async def test_a_listener_hears_of_an_agent_that_was_made_after_it_began_to_listen(
    connect_in_memory: Connect,
) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect.listening("memory://blocks/project", "memory://inbox") as (_, updates):
            async with connect() as writer, connect("work") as other:
                await tell(writer, "core_memory_append", label="project", content="News.")
                await updates.until("memory://blocks/project")
                await tell(other, "send_to_agent", message="Done.", to="default")
                await updates.until("memory://inbox")


async def test_what_another_agent_does_in_private_is_not_announced(
    connect_in_memory: Connect,
) -> None:
    await hears_of_the_shared_block_only(connect_in_memory)


@pytest.mark.parametrize(
    "connect",
    [(transport, MODERN) for transport in ("memory", "stdio", "http")],
    indirect=True,
    ids="-".join,
)
async def test_a_client_that_begins_with_its_subscription_hears_of_its_own_agent_only(
    connect: Connect,
) -> None:
    # Without a greeting, which this era can do without, nothing was asked for the agent before.
    await hears_of_the_shared_block_only(connect, mode=connect.era)


async def hears_of_the_shared_block_only(connect: Connect, mode: str | None = None) -> None:
    """Listen for one agent while another changes a block of its own, then the one they share."""
    uris = ["memory://blocks/project", "memory://conversations", "memory://blocks/human"]
    with anyio.fail_after(WAIT_SECONDS):
        async with connect("home") as home, connect("work"):
            async with connect.listening(*uris, agent="work", mode=mode) as (_, updates):
                await tell(home, "core_memory_append", label="project", content="A secret plan.")
                await tell(home, "conversation_append", role="user", content="A secret.")
                await tell(home, "core_memory_append", label="human", content="Name: Ana.")
                await updates.until("memory://blocks/human")  # later than the others
    assert set(updates.uris) == {"memory://blocks/human"}


async def test_an_ended_subscription_is_told_nothing_more(connect_in_memory: Connect) -> None:
    connect = connect_in_memory
    if connect.era != LEGACY:
        pytest.skip("there a subscription ends with its stream")
    uris = "memory://blocks/project", "memory://blocks/human"
    with anyio.fail_after(WAIT_SECONDS):
        async with connect.listening(*uris) as (client, updates), connect() as writer:
            with pytest.warns(MCPDeprecationWarning):
                await client.unsubscribe_resource("memory://blocks/project")
            await tell(writer, "core_memory_append", label="project", content="News.")
            await tell(writer, "core_memory_append", label="human", content="Name: Ana.")
            await updates.until("memory://blocks/human")
    assert updates.uris == ["memory://blocks/human"]


class Gate:
    """Where a store's answers wait while it is shut, as they do on a busy disk."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self._open = anyio.Event()
        self.open()

    def shut(self) -> None:
        self._open = anyio.Event()

    def open(self) -> None:
        self._open.set()

    async def through(self, what: str) -> None:
        """Pass, or wait until the gate that is shut now is opened."""
        self.waiting.append(what)
        await self._open.wait()
        self.waiting.remove(what)

    async def let_pass(self) -> None:
        """Let those pass who wait, and nobody after them."""
        passing, self._open = self._open, anyio.Event()
        passing.set()
        while self.waiting:
            await anyio.lowlevel.checkpoint()

    async def until_waiting(self, what: str) -> None:
        """Let everything else pass, one by one, until this waits."""
        while self.waiting != [what]:
            await self.let_pass()
            await anyio.sleep(0.001)

    def __call__(self, outbox: Outbox) -> Outbox:
        """The outbox behind this gate."""
        return HeldOutbox(outbox, self)


class HeldOutbox:
    """A store's outbox behind a gate."""

    def __init__(self, outbox: Outbox, gate: Gate) -> None:
        self._outbox = outbox
        self._gate = gate

    async def last_seq(self) -> int:
        await self._gate.through("last_seq")
        return await self._outbox.last_seq()

    async def latest(self, agent_id: AgentId | None, limit: int) -> list[Change]:
        return await self._outbox.latest(agent_id, limit)

    async def of_agent_since(self, agent_id: AgentId, seq: int) -> tuple[list[Change], int]:
        return await self._outbox.of_agent_since(agent_id, seq)

    async def since(self, seq: int) -> list[Change]:
        await self._gate.through("since")
        return await self._outbox.since(seq)

    async def committed(self) -> None:
        await self._outbox.committed()

    async def pulse(self) -> int:
        await self._gate.through("pulse")
        return await self._outbox.pulse()

    async def others_committed(self) -> bool:
        return await self._outbox.others_committed()


async def open_unless(granted: anyio.Event, gate: Gate) -> None:
    """Open the gate where nothing is granted before the store has answered."""
    with anyio.move_on_after(1) as waiting:
        await granted.wait()
    if waiting.cancelled_caught:
        gate.open()


async def test_a_change_right_after_the_subscription_was_granted_is_announced(
    connect_in_memory: Connect,
) -> None:
    gate = Gate()
    connect = replace(connect_in_memory, watched=gate)
    updates, granted = Updates(), anyio.Event()
    with anyio.fail_after(WAIT_SECONDS):
        async with (
            connect(message_handler=updates.handle) as client,
            connect_in_memory() as writer,
            anyio.create_task_group() as tasks,
        ):
            gate.shut()
            tasks.start_soon(open_unless, granted, gate)
            async with told_of(client, updates, ["memory://blocks/project"]):
                granted.set()
                await tell(writer, "core_memory_append", label="project", content="News.")
                gate.open()
                with anyio.move_on_after(3):
                    await updates.until("memory://blocks/project")
    assert set(updates.uris) == {"memory://blocks/project"}


async def test_a_subscription_that_comes_as_watching_ends_is_heard(
    connect_in_memory: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "IDLE_POLLS", 1)
    gate = Gate()
    connect = replace(connect_in_memory, watched=gate)
    first, second, granted = Updates(), Updates(), anyio.Event()
    with anyio.fail_after(WAIT_SECONDS):
        async with (
            connect(message_handler=second.handle) as client,
            connect_in_memory() as writer,
            anyio.create_task_group() as tasks,
        ):
            async with told_of(client, first, ["memory://blocks/human"]):
                gate.shut()
                await gate.until_waiting("pulse")  # a look that somebody wants
                if client.protocol_version == LEGACY:
                    with pytest.warns(MCPDeprecationWarning):
                        await client.unsubscribe_resource("memory://blocks/human")
            await gate.let_pass()
            await gate.until_waiting("pulse")  # the last look: nobody listens any more
            tasks.start_soon(open_unless, granted, gate)
            async with told_of(client, second, ["memory://blocks/project"]):
                granted.set()
                gate.open()
                await tell(writer, "core_memory_append", label="project", content="News.")
                with anyio.move_on_after(3):
                    await second.until("memory://blocks/project")
    assert set(second.uris) == {"memory://blocks/project"}


class Told:
    """Stands for the SDK's session of one client: what it was told of."""

    def __init__(self) -> None:
        self.heard = anyio.Event()

    async def send_resource_updated(self, _: str) -> None:
        self.heard.set()


async def test_a_subscription_is_ended_for_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "SUBSCRIPTIONS_MAX", 3)
    async with open_memory(tmp_path / "memory.db") as services:
        agent = await services.agents.choose(AgentChoice())
        watched = announcements.Announcements(services.outbox)
        sessions: list[Told] = []

        async def subscribe(connection: Connection, uri: str) -> None:
            CURRENT.set(connection)
            connection.agent = agent
            sessions.append(Told())
            asked = SubscribeRequestParams(uri=uri)
            await watched.on_subscribe(SimpleNamespace(session=sessions[-1]), asked)  # pyright: ignore[reportArgumentType]

        connections = [Connection(AgentChoice(), owner=owner) for owner in "aaaab"]
        for one in connections[:3]:
            await subscribe(one, "memory://stats")
        with pytest.raises(MCPError, match="3 resources are subscribed to already"):
            await subscribe(connections[3], "memory://stats")
        await subscribe(connections[4], "memory://stats")  # of another token

        await watched.expect()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watched.watch)
            await services.core_memory.append(agent.id, "project", "News.")
            with anyio.fail_after(WAIT_SECONDS):
                for place in (0, 1, 2, 4):
                    await sessions[place].heard.wait()
            tasks.cancel_scope.cancel()
    assert not sessions[3].heard.is_set()
