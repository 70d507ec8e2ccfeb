"""Qwen Code's hooks: Claude Code's shape."""

from dataclasses import replace

from memory_mcp.capture import claude_code

HOST = replace(claude_code.HOST, name="qwen", line=None)
