"""The MCP surface: parse, call one service, shape the answer."""
