"""Settings: read once, from the command line first, then the environment, then defaults."""

import difflib
import os
import re
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from memory_mcp import projects, rendezvous
from memory_mcp.domain.agents import AgentChoice, require_agent_name
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.host_events import HOOKED_HOSTS
from memory_mcp.domain.names import name_key
from memory_mcp.domain.redact import Redaction, allowed_secrets
from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.keys import Key, usual_file
from memory_mcp.keys import given as key_given

RESULT_TOKENS_DEFAULT = 1_500
CONTEXT_TOKENS_DEFAULT = 8_000
CONTEXT_TOKENS_LEAST = 1_000
CONTEXT_TOKENS_MOST = 10_000_000
DAEMON_IDLE_S_DEFAULT = 600
RUN_TOKENS_DEFAULT = 20_000
DAY_TOKENS_DEFAULT = 200_000
DAY_USD_DEFAULT = 1.0
REFLECT_TURNS_DEFAULT = 5
WORKER_IDLE_S_DEFAULT = 60
EMBEDDERS = ("static", "none")
VARIABLES = (
    "MEMORY_MCP_DATABASE",
    "MEMORY_MCP_KEY",
    "MEMORY_MCP_KEY_FILE",
    "MEMORY_MCP_AGENT",
    "MEMORY_MCP_PROJECT_BY",
    "MEMORY_MCP_TOOLS",
    "MEMORY_MCP_STRUCTURED",
    "MEMORY_MCP_TIMEZONE",
    "MEMORY_MCP_EMBEDDER",
    "MEMORY_MCP_REDACT",
    "MEMORY_MCP_REDACT_ALLOW",
    "MEMORY_MCP_RESULT_TOKENS",
    "MEMORY_MCP_CONTEXT_TOKENS",
    "MEMORY_MCP_MODEL",
    "MEMORY_MCP_MODEL_BASE_URL",
    "MEMORY_MCP_RUN_TOKENS",
    "MEMORY_MCP_DAY_TOKENS",
    "MEMORY_MCP_DAY_USD",
    "MEMORY_MCP_REFLECT_TURNS",
    "MEMORY_MCP_WORKER_IDLE_SECONDS",
    "MEMORY_MCP_DAEMON_IDLE_SECONDS",
    "MEMORY_MCP_SOCKET",
    "MEMORY_MCP_HTTP_TOKENS",
    "MEMORY_MCP_LOG_LEVEL",
    "TIKTOKEN_CACHE_DIR",
)
"""Every variable that a user may set for us (docs/configuration.md)."""
TOOL_SETS = ("core", "capture")
_MACHINES_ZONE = "/etc/localtime"
_NAMES_OF_UTC = frozenset(
    ("UTC", "UCT", "Universal", "Zulu", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu")
)


@dataclass(frozen=True, slots=True)
class HttpToken:
    """A bearer token, and the agents it opens, by what their names have in common; `None`: all."""

    secret: bytes
    agents: frozenset[str] | None = None

    def opens(self, agent: str) -> bool:
        """Whether its bearer may speak for the agent of that name."""
        return self.agents is None or name_key(agent) in self.agents


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The model that the shadow agent thinks with, and what it may spend."""

    name: str
    """The provider's name and the model's, as LiteLLM takes them."""
    base_url: str | None = None
    """Where the provider is, when it is not where LiteLLM looks: a server of the user's own."""
    run_tokens: int = RUN_TOKENS_DEFAULT
    """The most tokens that one run may take, in and out."""
    day_tokens: int = DAY_TOKENS_DEFAULT
    """The most tokens of one day, of all processes together."""
    day_usd: float = DAY_USD_DEFAULT
    """The most money of one day, by the price list at hand."""
    reflect_turns: int = REFLECT_TURNS_DEFAULT
    """After how many turns of the user it reflects; 0: only when the user has gone quiet."""
    idle_s: int = WORKER_IDLE_S_DEFAULT
    """How long its worker stays when there is nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this process runs."""

    database: Path
    agent: AgentChoice
    embedder: str = "static"
    redaction: Redaction = field(default_factory=Redaction)
    """Which secrets are taken out of what is stored."""
    result_tokens: int = RESULT_TOKENS_DEFAULT
    """Budget of a search answer's text, in tokens."""
    tool_sets: tuple[str, ...] = ("core",)
    structured: bool = False
    """Whether tool results say the same for scripts besides their text."""
    hooks: str | None = None
    """The host whose hooks tell core memory, so that the instructions need not."""
    hooks_are_trusted: bool = False
    """Whether that host is known to run them, where its user has to trust them first."""
    host_session: str | None = None
    """The host's id of the session that this process serves, where the host says it."""
    zone: Zone = UTC_ZONE
    """Where the person is: what a day means, and how times are shown."""
    context_tokens: int = CONTEXT_TOKENS_DEFAULT
    """How many tokens an agent's view may take, unless it has a limit of its own."""
    project_by: str = "repository"
    """What counts as a project (`projects.PROJECTS`)."""
    daemon_idle_s: int = DAEMON_IDLE_S_DEFAULT
    """How long the daemon stays after its last session."""
    model: ModelSettings | None = None
    """Without one, the shadow agent does what needs no model."""
    http_tokens: tuple[HttpToken, ...] = ()
    """What HTTP clients must show; without any, none is asked for."""
    key: Key | None = None
    """The store's key, where one was set for this process."""
    usual_key_file: Path | None = None
    """Where a key may lie for every process."""


def load_settings(
    *,
    database: str | None = None,
    agent: str | None = None,
    tools: str | None = None,
    structured: bool = False,
    hooks: str | None = None,
    project_by: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings for this process; arguments come from the command line and go first.

    Raises:
        InvalidInput: a setting cannot be meant; the text names its variable.
    """
    given = os.environ if environment is None else environment
    by = project_by or _one_of(given, "MEMORY_MCP_PROJECT_BY", projects.PROJECTS, "repository")
    if by not in projects.PROJECTS:
        raise InvalidInput(f"--project-by is {by!r}; it may be {' or '.join(projects.PROJECTS)}.")
    return Settings(
        database=_database(database or given.get("MEMORY_MCP_DATABASE")),
        agent=_agent(agent, given, str(folder) if folder else _working_folder(), by),
        project_by=by,
        # Of a host that a newer memory-mcp knows, the instructions tell core memory instead.
        hooks=hooks if hooks in HOOKED_HOSTS else None,
        host_session=given.get(rendezvous.SESSION_VARIABLE) or None,
        zone=zone_in(given),
        embedder=_one_of(given, "MEMORY_MCP_EMBEDDER", EMBEDDERS, "static"),
        redaction=Redaction(
            is_on=_one_of(given, "MEMORY_MCP_REDACT", ("on", "off"), "on") == "on",
            allowed=allowed_secrets(given.get("MEMORY_MCP_REDACT_ALLOW") or ""),
        ),
        result_tokens=_number(given, "MEMORY_MCP_RESULT_TOKENS", RESULT_TOKENS_DEFAULT, 200),
        context_tokens=_number(
            given, "MEMORY_MCP_CONTEXT_TOKENS", CONTEXT_TOKENS_DEFAULT, CONTEXT_TOKENS_LEAST
        ),
        daemon_idle_s=_number(given, "MEMORY_MCP_DAEMON_IDLE_SECONDS", DAEMON_IDLE_S_DEFAULT, 0),
        tool_sets=_tool_sets(tools or given.get("MEMORY_MCP_TOOLS")),
        structured=structured or _one_of(given, "MEMORY_MCP_STRUCTURED", ("0", "1"), "0") == "1",
        model=_model(given),
        http_tokens=_tokens(given.get("MEMORY_MCP_HTTP_TOKENS")),
        key=key_given(given),
        usual_key_file=Path(usual_file(given)),
    )


def _model(given: Mapping[str, str]) -> ModelSettings | None:
    name = (given.get("MEMORY_MCP_MODEL") or "").strip()
    base_url = (given.get("MEMORY_MCP_MODEL_BASE_URL") or "").strip() or None
    if base_url and not base_url.startswith(("http://", "https://")):
        raise InvalidInput(
            f"MEMORY_MCP_MODEL_BASE_URL is {base_url!r}; it must begin with http:// or https://, "
            "like http://127.0.0.1:8000/v1."
        )
    told = ModelSettings(
        name=name,
        base_url=base_url,
        run_tokens=_number(given, "MEMORY_MCP_RUN_TOKENS", RUN_TOKENS_DEFAULT, 1_000),
        day_tokens=_number(given, "MEMORY_MCP_DAY_TOKENS", DAY_TOKENS_DEFAULT, 0),
        day_usd=_dollars(given, "MEMORY_MCP_DAY_USD", DAY_USD_DEFAULT),
        reflect_turns=_number(given, "MEMORY_MCP_REFLECT_TURNS", REFLECT_TURNS_DEFAULT, 0),
        idle_s=_number(given, "MEMORY_MCP_WORKER_IDLE_SECONDS", WORKER_IDLE_S_DEFAULT, 0),
    )
    if not name:
        return None
    if base_url and "/" not in name:  # LiteLLM guesses a provider from a bare name
        return replace(told, name=f"openai/{name}")
    return told


def zone_in(given: Mapping[str, str]) -> Zone:
    """Where a person with this environment is: as set, else as `TZ` says, else the machine's zone.

    Raises:
        InvalidInput: MEMORY_MCP_TIMEZONE names none; the text has the nearest names.
    """
    if wanted := (given.get("MEMORY_MCP_TIMEZONE") or "").strip():
        return _zone_named(wanted)
    if told := (given.get("TZ") or "").strip().removeprefix(":"):
        return _zone_of_tz(told)
    if sys.platform == "win32":
        import tzlocal  # noqa: PLC0415 - installed there alone

        return _zone(tzlocal.reload_localzone())
    return _zone_in_file(_MACHINES_ZONE)


def _zone_named(wanted: str) -> Zone:
    if found := _zone_info(wanted):
        return _zone(found)
    names = {name.casefold(): name for name in available_timezones()}
    key = wanted.casefold().replace(" ", "_")
    if key in names:
        return _zone(ZoneInfo(names[key]))
    ends = [name for name in names if key == name.rpartition("/")[2]]
    near = [names[name] for name in ends or difflib.get_close_matches(key, names, 3, 0.7)]
    meant = f" Did you mean {' or '.join(sorted(near)[:3])}?" if near else ""
    raise InvalidInput(
        f"MEMORY_MCP_TIMEZONE is {wanted[:60]!r}; it must be the name of a time zone, like "
        f"Europe/Lisbon.{meant}"
    )


def _zone_of_tz(told: str) -> Zone:
    """What `TZ` means to the C library: a zone's name, a file, or a rule; UTC if it is none."""
    if os.path.isabs(told):
        return _zone_in_file(told)
    if found := _zone_info(told):
        return _zone(found)
    # A file of one zone without transitions that ends with the rule for all time (RFC 9636).
    part = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + struct.pack(
        ">lbb4s", 0, 0, 0, b"UTC"
    )
    try:
        return _zone(ZoneInfo.from_file(BytesIO(part + part + b"\n%s\n" % told.encode("ascii"))))
    except ValueError:
        return UTC_ZONE


def _zone_in_file(path: str) -> Zone:
    """The zone of a file of rules; a link to it tells its name."""
    named = re.search(r"/zoneinfo[^/]*/(?:posix/)?(.+)", os.path.realpath(path))
    if named and (found := _zone_info(named[1])):
        return _zone(found)
    try:
        with open(path, "rb") as file:
            return _zone(ZoneInfo.from_file(file))
    except (OSError, ValueError, struct.error):
        return UTC_ZONE  # as the C library has it


def _zone_info(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder's name, or no path at all
        return None


def _zone(rules: tzinfo) -> Zone:
    name = rules.key if isinstance(rules, ZoneInfo) else None
    if name in _NAMES_OF_UTC:
        return UTC_ZONE
    offset = datetime.now(rules).isoformat()[-6:]  # what is known of one without a name
    return Zone(rules, name or f"UTC{offset}")


def _dollars(given: Mapping[str, str], name: str, default: float) -> float:
    value = given.get(name)
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
        raise InvalidInput(f"{name} is {value!r}; it must be an amount like 0.50, in US dollars.")
    return float(value)


def _database(chosen: str | None) -> Path:
    if path := rendezvous.database_path(chosen):
        return Path(path)
    if chosen and chosen.startswith(("postgres://", "postgresql://")):
        raise InvalidInput(
            "MEMORY_MCP_DATABASE is a Postgres address; this version keeps its store in SQLite. "
            "Give it the path of a file."
        )
    raise InvalidInput(
        f"MEMORY_MCP_DATABASE is {chosen!r}; there is no such home folder. Give a whole path."
    )


def _agent(name: str | None, given: Mapping[str, str], folder: str | None, by: str) -> AgentChoice:
    name, project = projects.chosen(name, given, folder, by)
    return AgentChoice(name=require_agent_name(name) if name else None, project=project)


def agent_of_folder(folder: str, by: str = "repository") -> AgentChoice:
    """The agent that a session held in a folder has, if nobody named one.

    The folder may be gone. Then it is the repository around it that is still there, else the folder
    itself: what was said in different places is not thrown together. Agents that were made for it
    while it was there go before both.
    """
    missing = projects.gone(folder)
    project = projects.project_of(folder, by=by)
    return AgentChoice(project=project or (missing[0] if missing else None), formerly=missing)


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed under us
        return None


def _tool_sets(chosen: str | None) -> tuple[str, ...]:
    names = [name.strip() for name in (chosen or "core").split(",") if name.strip()]
    wrong = [name for name in names if name not in TOOL_SETS]
    if wrong:
        raise InvalidInput(f"there is no tool set {wrong[0]!r}; there are: {', '.join(TOOL_SETS)}.")
    return tuple(name for name in TOOL_SETS if name in names or name == "core")


def _tokens(told: str | None) -> tuple[HttpToken, ...]:
    """`secret` or `secret=agent|agent`, separated by commas; a secret may end in `=` (base64)."""
    tokens: list[HttpToken] = []
    for part in (told or "").split(","):
        found = re.fullmatch(r"(.*?=*)(?:=([^=]+))?", part.strip())
        secret, agents = (found[1], found[2] or "") if found else ("", "")
        if not secret:
            continue
        if len(secret) < 16:
            raise InvalidInput("MEMORY_MCP_HTTP_TOKENS: a token must have 16 characters or more.")
        allowed = frozenset(name_key(name) for name in agents.split("|") if name.strip())
        if agents and not allowed:
            raise InvalidInput("MEMORY_MCP_HTTP_TOKENS: a token's agents are left blank.")
        tokens.append(HttpToken(secret.encode(), allowed or None))
    return tuple(tokens)


def _one_of(given: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = given.get(name) or default
    if value not in choices:
        raise InvalidInput(f"{name} is {value!r}; it may be {' or '.join(choices)}.")
    return value


def _number(given: Mapping[str, str], name: str, default: int, least: int) -> int:
    value = given.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or int(value) < least:
        raise InvalidInput(f"{name} is {value!r}; it must be a whole number from {least:,} on.")
    return int(value)
