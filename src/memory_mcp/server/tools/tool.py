"""What all tools share: compact schemas, strict arguments, errors as sentences, piggyback."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.session import ServerSession
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr, ValidationError

from memory_mcp.domain.agents import Agent
from memory_mcp.domain.blocks import Block
from memory_mcp.domain.differences import BlockChange, compile_changes
from memory_mcp.domain.errors import MemoryMCPError, StoreError, ToolRuleViolation
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.mail import News, news_text
from memory_mcp.domain.redact import kinds_in, told_kinds
from memory_mcp.domain.solver import Solution, solve
from memory_mcp.domain.times import Zone
from memory_mcp.server.answers import Answer, Budget, is_cut, letter_structure
from memory_mcp.server.connections import CURRENT, Connection
from memory_mcp.server.errors import argument_error, tool_error, unknown_argument_error
from memory_mcp.server.hooked import hooked_session
from memory_mcp.server.visits import resume_visit
from memory_mcp.services import Services

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surface:
    """What every request needs: the services, and how long answers may be."""

    services: Services
    result_tokens: int
    tools: tuple[str, ...] = ()
    """The tools that are served."""

    async def agent_of(self, connection: Connection, *, writes: bool = False) -> AgentId:
        """The agent the connection speaks for; made by the first request that `writes`."""
        return (await self.agent(connection, writes=writes)).id

    async def agent(self, connection: Connection, *, writes: bool = False) -> Agent:
        """The same, with what held for it when it was last looked at."""
        agent, agents = connection.agent, self.services.agents
        if agent is None or not agent.is_made:
            look = agents.choose if writes else agents.find
            agent = connection.agent = await look(connection.choice)
        if agent.is_made:
            if connection.has_to_meet:
                connection.meet(await self.services.core_memory.blocks(agent.id))
            self.services.presence.seen(connection.id, agent.id, held=connection.held)
        return agent

    @property
    def budget(self) -> Budget:
        """How long an answer may be."""
        return Budget(self.result_tokens, self.services.tokens)


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call: for whom it is, and what it may use."""

    agent_id: AgentId
    connection: Connection
    services: Services
    budget: Budget
    host: str | None
    key: str | None
    """What this call is known by when it comes again; a write of one key is made once."""
    progress: Callable[[float, float, str], Awaitable[None]]
    """Tells a caller that wants to know how far it is."""


ToolFunction = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool: its function (whose docstring a model reads), its title, and honest hints."""

    function: ToolFunction
    title: str
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    empty_is_said: tuple[str, ...] = ()
    """Optional arguments for which an empty text is not the same as none."""

    def bound_to(self, surface: Surface) -> "MemoryTool":
        """The tool as the SDK serves it."""
        tool = MemoryTool.from_function(
            self.function,
            title=self.title,
            description=inspect.getdoc(self.function),
            context_kwarg="call",
            annotations=ToolAnnotations(
                read_only_hint=self.read_only,
                destructive_hint=self.destructive,
                idempotent_hint=self.idempotent or self.read_only,
                open_world_hint=False,
            ),
            # Claude Code defers tools behind a search unless they ask to stay in view.
            meta={"anthropic/alwaysLoad": True},
            structured_output=False,
        )
        assert isinstance(tool, MemoryTool)
        tool.parameters = compact_schema(tool.parameters)
        tool.bind(surface, self.empty_is_said)
        return tool


class MemoryTool(Tool):
    """An SDK tool whose call is strict about arguments and ends with what changed meanwhile."""

    _surface: Surface = PrivateAttr()
    _empty_is_said: tuple[str, ...] = PrivateAttr()

    def bind(self, surface: Surface, empty_is_said: tuple[str, ...]) -> None:
        """Say which services calls are for, and which optional arguments may be empty."""
        self._surface = surface
        self._empty_is_said = empty_is_said

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> Any:
        """Answer one call.

        Raises:
            ToolError: the arguments don't fit, or the service refused; the text is for the model.
            UnexpectedToolError: a bug of ours; its text stays in the log.
        """
        unknown = [name for name in arguments if name not in self.parameters["properties"]]
        if unknown:
            raise unknown_argument_error(self.name, unknown, self.parameters)
        try:
            answer = await self._ruled(arguments, context)
        except MemoryMCPError as error:
            raise tool_error(error) from error
        except ToolError:
            raise
        except Exception as error:
            raise UnexpectedToolError(
                f"{self.name} failed inside the memory server; its log says why. "
                "What was acknowledged before is safe."
            ) from error
        if news := CURRENT.get().news:
            answer = Answer("\n\n".join((answer.text, *map(_as_note, news))), answer.structured)
            news.clear()
        return CallToolResult(
            content=[TextContent(type="text", text=answer.text)],
            structured_content=answer.structured if CURRENT.get().structured else None,
        )

    async def _ruled(self, arguments: dict[str, Any], context: Context[Any, Any]) -> Answer:
        """Answer if the agent's tool rules let the call pass."""
        connection = CURRENT.get()
        agent = await self._surface.agent(connection)
        session = context.request_context.session
        await resume_visit(self._surface.services, connection, session)
        if not agent.tool_rules:
            answer = await self._answer(self._validated(arguments), context)
            connection.called(self.name, answer.text)
            return answer
        async with connection.turn:
            try:
                solution = self._solved(agent, connection)
            except ToolRuleViolation:  # perhaps by rules that are no longer there
                standing = await self._surface.services.core_memory.standing(agent.id)
                connection.heed(standing.tool_rules)
                solution = self._solved(await self._surface.agent(connection), connection)
            fixed = solution.arguments.get(self.name, {})
            try:
                answer = await self._answer(self._validated({**arguments, **fixed}), context)
            except BaseException:
                connection.step = connection.step.after(self.name, failed=True)
                raise
            connection.called(self.name, answer.text)
        return answer

    def _solved(self, agent: Agent, connection: Connection) -> Solution:
        """What the rules about tools that are served say, if they let this one pass."""
        tools = self._surface.tools
        rules = [rule for rule in agent.tool_rules if set(tools).issuperset(rule.named)]
        solution = solve(rules, tools, connection.step)
        solution.require(self.name)
        return solution

    def _validated(self, arguments: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in arguments.items() if self._is_given(name, value)}
        try:
            return self.fn_metadata.validate_arguments(given)
        except ValidationError as error:
            raise argument_error(self.name, error) from None

    def _is_given(self, name: str, value: Any) -> bool:
        """Whether an argument says something.

        Clients that cannot leave an optional argument out send null, an empty text or an empty
        list: some because their models must fill in every one (strict schemas), some of themselves.
        """
        if value is None or (value in ("", []) and name not in self._empty_is_said):
            return name in self.parameters.get("required", ())
        return True

    async def _answer(self, given: Mapping[str, Any], context: Context[Any, Any]) -> Answer:
        surface, connection = self._surface, CURRENT.get()
        reads = self.annotations is not None and self.annotations.read_only_hint
        agent_id = await surface.agent_of(connection, writes=not reads)
        connection.host = host_of(context.request_context.session)
        request = context.request_context.request_id
        call = Call(
            agent_id=agent_id,
            connection=connection,
            services=surface.services,
            budget=surface.budget,
            host=connection.host,
            key=connection.key_of(request, self.name, given),
            progress=context.report_progress,
        )
        answer: Answer = await self.fn(call=call, **given)
        if not reads:
            answer = _with_secrets(answer, given)
        connection.answered(call.key)
        async with connection.view:
            standing = await surface.services.core_memory.standing(agent_id)
            changes = connection.unseen(standing.blocks)
        if connection.hooks and (changes or not reads):
            changes = await self._not_told_by_hooks(changes, standing.blocks, call, context)
        connection.heed(standing.tool_rules)
        answer = _with_changes(answer, changes, connection)
        news = await self._news(call, has_news=standing.has_news)
        return _with_news(answer, news, call.budget, connection.zone)

    async def _not_told_by_hooks(
        self,
        changes: Sequence[BlockChange],
        blocks: Sequence[Block],
        call: Call,
        context: Context[Any, Any],
    ) -> Sequence[BlockChange]:
        """Of what changed, what the host's hooks have not told; from now on they need not."""
        meta: Mapping[str, Any] = context.request_context.meta or {}
        session = await hooked_session(call.services, call.connection, call.agent_id, meta)
        if session is None:
            return changes
        changes = await session.unseen(changes, blocks)
        await session.saw(blocks)
        return changes

    async def _news(self, call: Call, *, has_news: bool) -> News:
        """The mail this answer tells of: what came, and what this very call was told before."""
        mail = call.services.mail
        again = News()
        try:
            if call.connection.resumed and call.key is not None:
                again = await mail.told_to(call.agent_id, call.key)
            return again or (await mail.take(call.agent_id, call.key) if has_news else again)
        except StoreError as error:  # what was asked for is done; the mail stays where it is
            logger.warning("mail could not be looked at: %s", error)
            return again


def _with_secrets(answer: Answer, given: Mapping[str, Any]) -> Answer:
    """The answer, with what was taken out of the arguments before they were stored."""
    kinds = kinds_in({name: told for name, told in given.items() if name != "old_content"})
    if not kinds:
        return answer
    return Answer(
        f"{answer.text}\n\n{told_kinds(kinds)}", {**answer.structured, "redacted": dict(kinds)}
    )


def _as_note(text: str) -> str:
    return f"Note from the memory server: {text}."


def _with_changes(answer: Answer, changes: Sequence[BlockChange], connection: Connection) -> Answer:
    """The answer, with what others changed in core memory at its end."""
    if not changes:
        return answer
    for change in changes:
        if is_cut(change):
            connection.saw_half(change)
    changed = [{"label": change.label, "version": change.version} for change in changes]
    return Answer(
        f"{answer.text}\n\n{compile_changes(changes)}",
        {**answer.structured, "core_memory_changes": changed},
    )


def _with_news(answer: Answer, news: News, budget: Budget, zone: Zone) -> Answer:
    """The answer, with mail at its end."""
    if not news:
        return answer
    text = news_text(news, budget.chars_for(len(news.letters)), zone)
    letters = [letter_structure(letter) for letter in (*news.letters, *news.expired)]
    return Answer(f"{answer.text}\n\n{text}", {**answer.structured, "mail": letters})


def compact_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The input schema without what a model needn't read, and closed to unknown arguments.

    Titles go; an optional argument is one that isn't required, so its null goes too.
    """
    properties = {
        name: _compact_property(dict(told)) for name, told in schema.get("properties", {}).items()
    }
    compact: dict[str, Any] = {"type": "object", "properties": properties}
    if required := schema.get("required"):
        compact["required"] = required
    return {**compact, "additionalProperties": False}


def host_of(session: ServerSession) -> str | None:
    """What the program on the other side calls itself."""
    return session.client_params.client_info.name if session.client_params else None


def _compact_property(told: dict[str, Any]) -> dict[str, Any]:
    told.pop("title", None)
    if told.get("default", ...) is None:
        del told["default"]
    if choices := [one for one in told.pop("anyOf", []) if one != {"type": "null"}]:
        told = {**choices[0], **told}
    return told
