"""The program's start: hosts get the bridge, without a look at anything else; people the rest."""

import sys

from memory_mcp import bridge


def main() -> int:
    """What `memory-mcp` and `python -m memory_mcp` run; returns the exit code."""
    options = bridge.session_options(sys.argv[1:])
    if options is not None and not (sys.stdin and sys.stdin.isatty()):
        ended = bridge.serve(options)
        if ended is not None:
            return ended
        sys.argv.append("--in-process")
    from memory_mcp.cli import main as command_line  # noqa: PLC0415 - hosts don't wait for it

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
