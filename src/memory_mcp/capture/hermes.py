"""Hermes Agent, by the memory provider that `install` writes; it tells in opencode's shape."""

from dataclasses import replace

from memory_mcp.capture import opencode

HOST = replace(opencode.HOST, name="hermes")
