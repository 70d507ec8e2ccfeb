"""The command line: one file a command, imported when it is called.

Without a command it is the MCP server on standard input and output, which is what hosts start; so
nothing a person's commands need is imported before one is named.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in typing, which takes long to import: hooks come by here
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import Any

# Name → (module, what it does). Each module has `add_arguments(parser)` and `run(arguments)`;
# or, for a question that a running daemon may answer, `ask` and `show` (see `asking`). One with all
# three puts some of its questions itself.
COMMANDS = {
    "serve": ("serve", "serve MCP on standard input and output, or with --http over HTTP"),
    "daemon": ("daemon", "show, end or renew the process behind the sessions on a store"),
    "demo": ("demo", "see it remember, restart, recall and search, in a throwaway store"),
    "context": ("context", "print exactly what memory puts in view of the model"),
    "stats": ("stats", "print how much memory holds"),
    "search": ("search", "search what was filed and what was said"),
    "recall": ("recall", "print the latest messages, a search's, or a conversation"),
    "blocks": ("blocks", "list core memory blocks, show, change or share one"),
    "agents": ("agents", "list the agents, make, set, group or delete one"),
    "forget": ("forget", "forget by text, id, conversation, time or agent; undo; prove it"),
    "mail": ("mail", "list what agents wrote to each other"),
    "log": ("log", "print what happened in the store"),
    "shadow": ("shadow", "see and steer the agent that keeps memory in order"),
    "import": ("import_", "import from other programs, agent files, notes, JSON lines"),
    "export": ("export", "export as JSON lines, Markdown or an agent file"),
    "backup": ("backup", "copy the whole store into one file, while others use it"),
    "restore": ("restore", "put a backup in the place of the store"),
    "install": ("install", "set hosts up: the server, and hooks where they have them"),
    "uninstall": ("install", "take server and hooks out of hosts' configurations"),
    "hook": ("hook", "what a host's hooks run: store what happened, print what is new"),
    "doctor": ("doctor", "check the installation and the store, and repair the indexes"),
    "rekey": ("rekey", "encrypt the store, give it another key, or decrypt it"),
    "completion": ("completion", "print shell completions"),
}

READ_WHOLE = ("backup", "doctor", "export", "import", "restore")
"""What says something to its end: a reader that leaves before has not got all of it."""
CUT = 128 + 13
"""The exit code of these then, as of a process that SIGPIPE ended."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
EPILOG = """examples:
  memory-mcp                                   serve MCP on standard input and output (hosts do)
  memory-mcp serve --http                      serve on http://127.0.0.1:8765/mcp
  memory-mcp search "when did we choose Postgres?"
  memory-mcp --agent work import jsonl chats.jsonl
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named in `argv`; returns the exit code."""
    from memory_mcp.cli import terminal

    terminal.make_ready()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()
    except BaseException as error:
        ended = terminal.ended_by_output(error)
        if ended is None:
            raise
        if ended == terminal.READER_LEFT and _command_in(words) in READ_WHOLE:
            return CUT
        return ended


def _run(argv: list[str]) -> int:
    import importlib
    import logging
    import os

    from memory_mcp.cli.asking import QUESTIONS, answer_to
    from memory_mcp.cli.terminal import decoded
    from memory_mcp.domain.errors import InvalidInput, MemoryMCPError
    from memory_mcp.logs import LogLines

    arguments = _parse(argv)
    level = (os.environ.get("MEMORY_MCP_LOG_LEVEL") or "WARNING").upper()
    if level not in LOG_LEVELS:
        return _failed(
            InvalidInput(f"MEMORY_MCP_LOG_LEVEL is {level!r}; it may be {', '.join(LOG_LEVELS)}.")
        )
    log = logging.StreamHandler(sys.stderr)
    log.setFormatter(LogLines("memory-mcp: %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[log], level=level)
    # The SDK logs what tools refuse at INFO, and a refusal may quote a block.
    logging.getLogger("mcp").setLevel(max(logging.WARNING, logging.getLogger().level))
    # At DEBUG it tells every statement with its values.
    logging.getLogger("aiosqlite").setLevel(max(logging.INFO, logging.getLogger().level))
    module, _ = COMMANDS[arguments.command]
    command = importlib.import_module(f"memory_mcp.cli.{module}")
    try:
        decoded(arguments)
        if module in QUESTIONS and not hasattr(command, "run"):
            return command.show(answer_to(module, arguments), arguments) or 0
        return command.run(arguments) or 0
    except MemoryMCPError as error:
        return _failed(error)
    except BaseExceptionGroup as group:  # from a server's tasks
        expected, bugs = group.split(MemoryMCPError)
        if bugs or expected is None:
            raise
        return _failed(next(_leaves(expected)))
    except KeyboardInterrupt:
        return 130


def _failed(error: BaseException) -> int:
    from memory_mcp.domain.quoting import indented

    print(f"memory-mcp: {indented(str(error))}", file=sys.stderr)
    return 1


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    from typing import cast

    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(cast("BaseExceptionGroup[Any]", error))
        else:
            yield error


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _parser({_command_in(argv)})
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        arguments = parser.parse_args([*argv, "serve"])
    return arguments


def whole_parser() -> argparse.ArgumentParser:
    """The parser with every command's arguments, for shell completion."""
    return _parser(set(COMMANDS))


def _parser(named: set[str]) -> argparse.ArgumentParser:
    """The parser; only the named commands are imported, and know their arguments."""
    import argparse
    import importlib

    from memory_mcp import __version__

    parser = argparse.ArgumentParser(
        prog="memory-mcp",
        description="The memory of a stateful agent, for any MCP host.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"memory-mcp {__version__}")
    _add_common(parser, defaults=True)
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, (module, summary) in COMMANDS.items():
        child = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        _add_common(child, defaults=False)
        if name in named:
            importlib.import_module(f"memory_mcp.cli.{module}").add_arguments(child)
    return parser


def _command_in(argv: list[str]) -> str:
    """The command, found without importing any: an agent may have a command's name."""
    import argparse

    # A command's own option may be the beginning of one of these.
    scout = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    _add_common(scout, defaults=True)
    try:
        rest = scout.parse_known_args(argv)[1]
    except argparse.ArgumentError:
        return "serve"  # the real parser will say what is wrong
    return next((word for word in rest if word in COMMANDS), "serve")


def _add_common(parser: argparse.ArgumentParser, *, defaults: bool) -> None:
    """Options every command takes, before or after its name."""
    import argparse

    from memory_mcp.projects import PROJECTS

    unset = None if defaults else argparse.SUPPRESS
    parser.add_argument(
        "--database", metavar="FILE", default=unset, help="the store (or MEMORY_MCP_DATABASE)"
    )
    parser.add_argument(
        "--agent", metavar="NAME", default=unset, help="whose memory (or MEMORY_MCP_AGENT)"
    )
    parser.add_argument(
        "--tools",
        metavar="SETS",
        default=unset,
        help="tool sets to serve: core, capture (or MEMORY_MCP_TOOLS)",
    )
    parser.add_argument(
        "--structured",
        action="store_true",
        default=False if defaults else argparse.SUPPRESS,
        help="tool results carry JSON for scripts too (or MEMORY_MCP_STRUCTURED=1)",
    )
    parser.add_argument(
        "--hooks",
        metavar="HOST",
        default=unset,
        help="the host whose hooks tell core memory, so that the instructions leave it out; "
        "memory-mcp install writes this",
    )
    parser.add_argument(
        "--project-by",
        choices=PROJECTS,
        default=unset,
        help="what has a memory of its own where no agent is named: the repository (the default), "
        "or each folder (or MEMORY_MCP_PROJECT_BY)",
    )
    parser.add_argument(
        "--in-process",
        action="store_true",
        default=False if defaults else argparse.SUPPRESS,
        help="serve in this process, without a daemon",
    )
