"""The program's start: hosts get the bridge, without a look at anything else; people the rest."""

import sys


def main() -> int:
    """What `memory-mcp` and `python -m memory_mcp` run; returns the exit code."""
    if sys.argv[1:2] == ["hook"]:
        from memory_mcp.cli.hook import main as hook  # noqa: PLC0415 - each waits for its own only

        if (ended := hook(sys.argv[2:])) is not None:
            return ended
    from memory_mcp import bridge  # noqa: PLC0415 - as above

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
