"""memory-mcp: the memory of a stateful agent, for any MCP host."""

__version__ = "0.1.0"
