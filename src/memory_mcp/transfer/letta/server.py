"""A running Letta server, read through its REST API.

Only the server that was named is asked, only for what it has (GET), page by page.
"""

from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.json_values import as_object, as_text, objects
from memory_mcp.domain.texts import clip
from memory_mcp.transfer.letta.address import Address
from memory_mcp.transfer.letta.agents import Household, Told
from memory_mcp.transfer.letta.client import Client, NoAnswer
from memory_mcp.transfer.letta.parts import put_together
from memory_mcp.transfer.report import Item, Report
from memory_mcp.transfer.source import Source

SCHEMES = ("http", "https")
PAGE = 100
PASSAGES_PAGE = 25
"""Each passage comes with its vector, some 90 kB of text."""
_OTHER_NOUNS = (
    ("folders", "sources", "source"),
    ("mcp-servers", None, "MCP server"),
    ("identities", None, "identity"),
)
"""What is only named: where it is listed, where older servers list it, and what it is."""


def read(source: Source, report: Report) -> Iterator[Item]:
    """The agents with their blocks, then their messages and passages."""
    assert isinstance(source, Address)
    with Client(source) as server:
        yield from _Visit(server, source, report).items()


class _Visit:
    """One import from a server, under way."""

    def __init__(self, server: Client, source: Address, report: Report) -> None:
        self._server = server
        self._rename = source.agent
        self._report = report
        self._household = Household(source.name, report)

    def items(self) -> Iterator[Item]:
        """Everything of every agent."""
        agents = self._agents()
        blocks: dict[str, dict[str, Any]] = {}
        tools: dict[str, dict[str, Any]] = {}
        if self._rename and len(agents) > 1:
            raise ImportRefused(
                f"{self._server.name} has {len(agents)} agents; --agent can rename only one."
            )
        for agent in agents:
            memory = as_object(agent.pop("memory", None))
            mine = objects(agent.pop("blocks", None)) or objects(memory.get("blocks"))
            blocks.update((as_text(each.get("id")), each) for each in mine)
            tools.update((as_text(each.get("id")), each) for each in objects(agent.get("tools")))
            agent["block_ids"] = [as_text(each.get("id")) for each in mine]
            self._household.take(agent, self._rename)
        for page in self._optional("blocks/", PAGE):
            for each in page:
                blocks.setdefault(as_text(each.get("id")), each)
        yield from self._household.heads(list(blocks.values()))
        archives: set[str] = set()
        for told in self._household.agents:
            yield from self._messages(told)
            yield from self._passages(told, archives)
        self._household.tell_tools(list(tools.values()))
        self._tell_what_is_left(archives)

    def _agents(self) -> list[dict[str, Any]]:
        try:
            version = as_object(self._server.get("health/")).get("version")
        except NoAnswer:
            version = None
        found: dict[str, dict[str, Any]] = {}
        try:
            for page in self._server.pages(
                "agents/", PAGE, show_hidden_agents="true", ascending="true"
            ):
                fresh = {as_text(each.get("id")): each for each in page}
                if not fresh.keys() - found.keys():
                    break
                found.update(fresh)
        except NoAnswer as error:
            raise ImportRefused(
                f"{self._server.name} has no list of agents as Letta's V1 servers have: {error}."
            ) from error
        if not found or "" in found:
            told = f"Letta {version}" if version else "what stands there"
            raise ImportRefused(f"{self._server.name} holds no agent that can be read ({told}).")
        try:
            count = self._server.get("agents/count", show_hidden_agents="true")
        except NoAnswer:
            count = None
        if isinstance(count, int) and count > len(found):
            self._report.refuse(
                self._server.name, f"it counts {count:,} agents and lists {len(found):,} of them"
            )
        return list(found.values())

    # Messages.

    def _messages(self, told: Told) -> Iterator[Item]:
        agent_id = as_text(told.fields.get("id"))
        held_in = self._conversations(agent_id)
        history = self._household.history(told)
        place = f"{self._server.name}, messages of {told.name}"
        for page in self._message_pages(agent_id, place):
            for message in put_together(page, self._report):
                message_id = as_text(message.get("id"))
                for made in history.read(message, held_in.get(message_id)):
                    yield Item(made, f"{place}, {message_id}", told.choice)
        for made in history.rest():
            yield Item(made, place, told.choice)

    def _conversations(self, agent_id: str) -> dict[str, str]:
        """In which conversation each message was said that was not said in the first."""
        held_in: dict[str, str] = {}
        for page in self._optional("conversations/", PAGE, agent_id=agent_id):
            for conversation in page:
                name = as_text(conversation.get("id"))
                for messages in self._optional(f"conversations/{name}/messages", PAGE):
                    held_in.update((as_text(each.get("id")), name) for each in messages)
        return held_in

    def _message_pages(self, agent_id: str, place: str) -> Iterator[list[dict[str, Any]]]:
        """An agent's messages, the oldest first, around those that the server cannot tell.

        One broken message makes it refuse every page that holds it. So pages get smaller before
        it, and what comes after it is read from the end, and turned round.
        """
        path, asked = f"agents/{agent_id}/messages", {"use_assistant_message": "false"}
        last: str | None = None
        size = PAGE
        while True:
            try:
                page = self._server.page(path, size, after=last, order="asc", **asked)
            except NoAnswer as error:
                if size > 1:
                    size = max(1, size // 10)
                    continue
                yield from self._after_the_gap(path, asked, last, place, error)
                return
            if not page or page[-1].get("id") == last:
                return
            if last is None and self._is_newest_first(path, asked, page):
                yield from self._from_the_end(path, asked, None)[1]
                return
            yield page
            last = as_text(page[-1].get("id"))

    def _is_newest_first(
        self, path: str, asked: dict[str, Any], page: list[dict[str, Any]]
    ) -> bool:
        """Whether a first page begins with the newest, as older servers know no order."""
        try:
            newest = self._server.page(path, 1, order="desc", **asked)
        except NoAnswer:
            return False
        return bool(newest) and newest[0].get("id") == page[0].get("id")

    def _after_the_gap(
        self, path: str, asked: dict[str, Any], before: str | None, place: str, error: NoAnswer
    ) -> Iterator[list[dict[str, Any]]]:
        first, pages = self._from_the_end(path, asked, before)
        self._report.refuse(
            place,
            f"between {before or 'the first message'} and {first or 'the last'} the server cannot "
            f"tell its messages ({clip(str(error), 160)}); memory-mcp import letta-postgres reads "
            "them from its database",
        )
        yield from pages

    def _from_the_end(
        self, path: str, asked: dict[str, Any], stop: str | None
    ) -> tuple[str | None, Iterator[list[dict[str, Any]]]]:
        """Which message could be read back to, short of `stop`, and the pages from it on.

        Only places are kept on the way back, but for the newest page: it would have moved on.
        """
        newest: list[dict[str, Any]] = []
        cursors: list[tuple[str, int]] = []
        first: str | None = None
        size = PAGE
        while True:
            try:
                page = self._server.page(path, size, before=first, order="desc", **asked)
            except NoAnswer:
                if size > 1:
                    size = max(1, size // 10)
                    continue
                break
            ids = [as_text(each.get("id")) for each in page]
            if not page or stop in ids or ids[-1] == first:
                break
            if first is None:
                newest = page
            else:
                cursors.append((first, size))
            first = ids[-1]

        def pages() -> Iterator[list[dict[str, Any]]]:
            for cursor, size in reversed(cursors):
                page = self._server.page(path, size, before=cursor, order="desc", **asked)
                yield _turned(page)
            yield _turned(newest)

        return first, pages()

    # Passages and what is only named.

    def _passages(self, told: Told, archives: set[str]) -> Iterator[Item]:
        agent_id = as_text(told.fields.get("id"))
        place = f"{self._server.name}, passages of {told.name}"
        pages = self._server.pages(
            f"agents/{agent_id}/archival-memory", PASSAGES_PAGE, ascending="true"
        )
        try:
            for page in pages:
                for each in page:
                    archives.add(as_text(each.get("archive_id")))
                    where = f"{place}, {as_text(each.get('id'))}"
                    yield from self._household.passage(each, told.choice, where)
        except NoAnswer as error:
            self._report.refuse(place, f"not all of them were told: {error}")

    def _tell_what_is_left(self, archives: set[str]) -> None:
        for path, older, noun in _OTHER_NOUNS:
            pages = list(self._optional(f"{path}/", PAGE))
            if not pages and older:
                pages = list(self._optional(f"{older}/", PAGE))
            for each in (each for page in pages for each in page):
                self._household.leave(noun, each)
                if noun == "source":
                    files = self._optional(f"folders/{as_text(each.get('id'))}/files", PAGE)
                    for file in (file for page in files for file in page):
                        self._household.leave("file", file)
        for page in self._optional("archives/", PAGE):
            for each in page:
                if as_text(each.get("id")) not in archives:
                    self._household.leave("archive", each, "no agent's, or empty")
        if groups := sum(len(page) for page in self._optional("groups/", PAGE)):
            noun = "groups of agents (all agents here may talk to each other)"
            self._report.left_out[noun] += groups
        self._household.tell()

    def _optional(self, path: str, size: int, **asked: Any) -> Iterator[list[dict[str, Any]]]:
        """A list that older servers do not have."""
        seen: set[str] = set()
        try:
            for page in self._server.pages(path, size, **asked):
                fresh = [each for each in page if as_text(each.get("id")) not in seen]
                if not fresh:
                    return
                seen.update(as_text(each.get("id")) for each in fresh)
                yield fresh
        except NoAnswer as error:
            if error.status not in (404, 405, 422):
                self._report.refuse(self._server.name, str(error))


def _turned(page: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A page whose newest message comes first, the other way round; parts keep their order."""
    runs: list[list[dict[str, Any]]] = []
    for each in page:
        if runs and runs[-1][0].get("id") == each.get("id"):
            runs[-1].append(each)
        else:
            runs.append([each])
    return [each for run in reversed(runs) for each in run]
