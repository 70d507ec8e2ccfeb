"""OpenClaw, by the plugin that `install` writes; it tells in the shape of opencode's."""

from dataclasses import replace

from memory_mcp.capture import opencode

HOST = replace(opencode.HOST, name="openclaw")
