"""Kilo, which is built on opencode and runs the same plugin."""

from dataclasses import replace

from memory_mcp.capture import opencode

HOST = replace(opencode.HOST, name="kilo")
