"""The database of a Letta server, which need not run any more.

Everything is read in one transaction that cannot write. The tables are those of 0.16.8; columns
that an older version lacks are done without, and passages are looked for where older ones kept
them.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.json_values import as_object, as_text
from memory_mcp.domain.texts import clip
from memory_mcp.transfer.letta.address import Address
from memory_mcp.transfer.letta.agents import Household, Told
from memory_mcp.transfer.report import Item, Report
from memory_mcp.transfer.source import Source

if TYPE_CHECKING:
    from psycopg import Connection, sql

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+pg8000")
"""The last two are how Letta itself writes its address."""
ROWS = 500
_CONNECT_SECONDS = 15
_AGENT = (
    "id", "name", "description", "system", "agent_type", "tool_rules", "llm_config",
    "embedding_config", "compaction_settings", "metadata_", "response_format", "timezone",
    "message_buffer_autoclear", "enable_sleeptime", "created_at", "organization_id",
)  # fmt: skip
_BLOCK = (
    "id", "label", "value", "description", "limit", "read_only", "metadata_", "created_at",
)  # fmt: skip
_MESSAGE = (
    "id", "role", "text", "content", "name", "tool_calls", "tool_call_id", "tool_returns",
    "created_at", "conversation_id", "approve", "denial_reason", "approvals",
)  # fmt: skip
_PASSAGE = ("id", "text", "tags", "metadata_", "created_at")
_PASSAGE_TABLES = ("archival_passages", "agent_passages", "passages")
"""Where passages are, the newest place first."""
_NAMED = (
    ("sources", "name", "source"),
    ("files", "file_name", "file"),
    ("mcp_server", "server_name", "MCP server"),
    ("identities", "name", "identity"),
)
"""What is only named: the table, the column with its name, and what it is."""


def read(source: Source, report: Report) -> Iterator[Item]:
    """The agents with their blocks, then their messages and passages.

    Raises:
        ImportRefused: there is no database to be read, or none of Letta's; the text says why.
    """
    assert isinstance(source, Address)
    try:
        import psycopg
    except ImportError as error:
        raise ImportRefused(
            "reading a database wants one package more. Install memory-mcp[postgres], for "
            "example: pip install 'memory-mcp[postgres]'"
        ) from error
    try:
        with closing(_connected(source)) as connection:
            yield from _Visit(connection, source, report).items()
    except psycopg.Error as error:
        said = clip(" ".join(str(error).split()) or type(error).__name__, 200)
        raise ImportRefused(
            f"{source.name} cannot be read any further ({said}). What came in so far is stored; "
            "the same command goes on where this ended, and stores nothing twice."
        ) from error


def _connected(source: Address) -> "Connection[dict[str, Any]]":
    import psycopg
    from psycopg.rows import dict_row

    scheme, rest = source.url.split("://", 1)
    try:
        connection = psycopg.Connection[dict[str, Any]].connect(
            f"{scheme.partition('+')[0]}://{rest}",
            connect_timeout=_CONNECT_SECONDS,
            application_name="memory-mcp",
            row_factory=dict_row,
        )
    except psycopg.OperationalError as error:
        said = clip(" ".join(str(error).split()), 200)
        raise ImportRefused(
            f"{source.name} cannot be opened ({said}). A password stands in PGPASSWORD or in "
            "~/.pgpass; is Postgres running, and is this the database?"
        ) from error
    except psycopg.Error as error:  # its text may quote the address with its password
        raise ImportRefused(
            f"{source.name} is no address that Postgres understands. One reads like "
            "postgresql://letta@localhost:5432/letta."
        ) from error
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


class _Visit:
    """One import from a database, under way."""

    def __init__(
        self, connection: "Connection[dict[str, Any]]", source: Address, report: Report
    ) -> None:
        self._connection = connection
        self._source = source
        self._report = report
        self._household = Household(source.name, report)
        self._tables: dict[str, set[str]] = {}
        """The columns of each table."""
        self._cursors = 0

    def items(self) -> Iterator[Item]:
        """Everything of every agent."""
        for row in self._all(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = ANY (current_schemas(false))"
        ):
            self._tables.setdefault(row["table_name"], set()).add(row["column_name"])
        if not {"agents", "messages", "block", "blocks_agents"} <= self._tables.keys():
            raise ImportRefused(
                f"{self._source.name} is not the database of a Letta server: it has no tables "
                "agents, messages, block and blocks_agents."
            )
        agents = self._agents()
        if self._source.agent and len(agents) > 1:
            raise ImportRefused(
                f"{self._source.name} has {len(agents)} agents; --agent can rename only one."
            )
        for agent in agents:
            self._household.take(agent, self._source.agent)
        yield from self._household.heads(self._blocks())
        for told in self._household.agents:
            yield from self._messages(told)
            yield from self._passages(told)
        self._tell_what_is_left([as_text(agent["id"]) for agent in agents])

    def _agents(self) -> list[dict[str, Any]]:
        agents = list(self._rows("agents", _AGENT, order=("created_at", "id")))
        if not agents:
            raise ImportRefused(f"{self._source.name} holds no agent.")
        organizations: dict[str, int] = {}
        for agent in agents:
            owner = as_text(agent.pop("organization_id", None))
            organizations[owner] = organizations.get(owner, 0) + 1
        if len(organizations) > 1:
            names = {row["id"]: row["name"] for row in self._rows("organizations", ("id", "name"))}
            for owner, count in organizations.items():
                name = clip(as_text(names.get(owner)) or owner, 60)
                self._report.left_out[f"organization {name!r}, whose agents came ({count:,})"] += 1
        by_id = {agent["id"]: agent for agent in agents}
        for table, column, key in (
            ("agents_tags", "tag", "tags"),
            ("blocks_agents", "block_id", "block_ids"),
        ):
            order = (column,) if table == "agents_tags" else ()
            for row in self._rows(table, ("agent_id", column), order=order):
                if row["agent_id"] in by_id:
                    by_id[row["agent_id"]].setdefault(key, []).append(row[column])
        return agents

    def _blocks(self) -> list[dict[str, Any]]:
        blocks = list(self._rows("block", _BLOCK, order=("created_at", "id")))
        by_id = {block["id"]: block for block in blocks}
        for row in self._rows("blocks_tags", ("block_id", "tag"), order=("tag",)):
            if row["block_id"] in by_id:
                by_id[row["block_id"]].setdefault("tags", []).append(row["tag"])
        for told in self._household.agents:  # an order that is the same every time
            mine = set(told.fields.get("block_ids", ()))
            told.fields["block_ids"] = [block["id"] for block in blocks if block["id"] in mine]
        return blocks

    def _messages(self, told: Told) -> Iterator[Item]:
        history = self._household.history(told)
        place = f"{self._source.name}, messages of {told.name}"
        order = ("sequence_id",) if self._has("messages", "sequence_id") else ("created_at", "id")
        for row in self._rows("messages", _MESSAGE, "agent_id", told.fields["id"], order):
            conversation = as_text(row.pop("conversation_id", None)) or None
            for made in history.read(row, conversation):
                yield Item(made, f"{place}, {row['id']}", told.choice)
        for made in history.rest():
            yield Item(made, place, told.choice)

    def _passages(self, told: Told) -> Iterator[Item]:
        place = f"{self._source.name}, passages of {told.name}"
        for table in _PASSAGE_TABLES:
            if self._has(table, "archive_id") and self._has("archives_agents", "archive_id"):
                archives = [
                    row["archive_id"]
                    for row in self._rows(
                        "archives_agents", ("archive_id",), "agent_id", told.fields["id"]
                    )
                ]
            elif self._has(table, "agent_id"):
                archives = None
            else:
                continue
            found = (
                self._rows(table, _PASSAGE, "agent_id", told.fields["id"], ("created_at", "id"))
                if archives is None
                else (
                    row
                    for archive in archives
                    for row in self._rows(
                        table, _PASSAGE, "archive_id", archive, ("created_at", "id")
                    )
                )
            )
            for row in found:
                yield from self._household.passage(row, told.choice, f"{place}, {row['id']}")

    def _tell_what_is_left(self, agents: Sequence[str]) -> None:
        left = self._report.left_out
        self._household.tell_tools(list(self._rows("tools", ("id", "name", "tool_type"))))
        for table, column, noun in _NAMED:
            for row in self._rows(table, ("id", column)):
                self._household.leave(noun, row)
        for table, noun in (
            ("groups", "groups of agents (all agents here may talk to each other)"),
            ("block_history", "earlier versions of blocks"),
            ("source_passages", "passages of files"),
        ):
            if count := self._count(table):
                left[noun] += count
        for table, noun in (
            ("agents", "agents that were deleted there"),
            ("block", "blocks that were deleted there"),
            ("messages", "messages that were deleted there"),
            *((table, "passages that were deleted there") for table in _PASSAGE_TABLES),
        ):
            if self._has(table, "is_deleted") and (count := self._count(table, deleted=True)):
                left[noun] += count
        if count := self._count("messages", not_of=("agent_id", agents)):
            left["messages of agents that were deleted there"] += count
        if self._has("archival_passages", "archive_id") and self._has("archives_agents"):
            rows = self._rows("archives_agents", ("archive_id", "agent_id"))
            archives = [row["archive_id"] for row in rows if row["agent_id"] in agents]
            if count := self._count("archival_passages", not_of=("archive_id", archives)):
                left["passages of archives that no agent has"] += count
        self._household.tell()

    # Queries.

    def _has(self, table: str, column: str | None = None) -> bool:
        columns = self._tables.get(table, set())
        return bool(columns) and (column is None or column in columns)

    def _rows(
        self,
        table: str,
        columns: Sequence[str],
        key: str | None = None,
        value: str | None = None,
        order: Sequence[str] = (),
    ) -> Iterator[dict[str, Any]]:
        """The rows of a table that are not deleted, piece by piece; none where there is no table.

        Of the columns those that there are; where `key` is given, the rows that have that value.
        """
        from psycopg import sql

        known = [each for each in columns if self._has(table, each)]
        if not known:
            return
        wheres: list[sql.Composable] = self._alive(table)
        if key:
            wheres.append(sql.SQL("{} = %s").format(sql.Identifier(key)))
        query = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(map(sql.Identifier, known)), sql.Identifier(table)
        )
        query += _where(wheres)
        if sorted_by := [each for each in order if self._has(table, each)]:
            query += sql.SQL(" ORDER BY ") + sql.SQL(", ").join(map(sql.Identifier, sorted_by))
        self._cursors += 1
        with self._connection.cursor(name=f"memory_mcp_{self._cursors}") as cursor:
            cursor.itersize = ROWS
            cursor.execute(query, (value,) if key else None)
            for row in cursor:
                yield _plain(row)

    def _count(
        self, table: str, *, deleted: bool = False, not_of: tuple[str, Sequence[str]] | None = None
    ) -> int:
        from psycopg import sql

        if not self._has(table):
            return 0
        wheres: list[sql.Composable] = [sql.SQL("is_deleted")] if deleted else self._alive(table)
        if not_of:
            wheres.append(sql.SQL("NOT ({} = ANY (%s))").format(sql.Identifier(not_of[0])))
        query = sql.SQL("SELECT count(*) AS count FROM {}").format(sql.Identifier(table))
        asked = (list(not_of[1]),) if not_of else None
        row = self._connection.execute(query + _where(wheres), asked).fetchone()
        return as_object(row).get("count", 0)

    def _alive(self, table: str) -> "list[sql.Composable]":
        from psycopg import sql

        return [sql.SQL("is_deleted IS NOT TRUE")] if self._has(table, "is_deleted") else []

    def _all(self, query: LiteralString) -> list[dict[str, Any]]:
        return self._connection.execute(query).fetchall()


def _where(wheres: "Sequence[sql.Composable]") -> "sql.Composable":
    from psycopg import sql

    return sql.SQL(" WHERE ") + sql.SQL(" AND ").join(wheres) if wheres else sql.SQL("")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON would tell it; times that name no zone are UTC, as Letta writes them."""
    return {
        key.rstrip("_"): (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        if isinstance(value, datetime)
        else value
        for key, value in row.items()
    }
