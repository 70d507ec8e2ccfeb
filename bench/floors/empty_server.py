"""An MCP server with one tool that does nothing: the floor under every figure taken over MCP.

Started by its path; with `--http` it serves the same over HTTP.
"""

import argparse

from mcp.server import MCPServer

server = MCPServer("empty", log_level="WARNING")


@server.tool()
async def nothing() -> str:
    """Do nothing."""
    return "nothing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", action="store_true", help="serve HTTP on the loopback address")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if options.http:
        server.run("streamable-http", host="127.0.0.1", port=options.port)
    else:
        server.run()


if __name__ == "__main__":
    main()
