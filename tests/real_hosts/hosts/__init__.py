"""The hosts that are run, by the names that `memory-mcp install` has for them."""

from tests.real_hosts.hosts.claude_code import ClaudeCode
from tests.real_hosts.hosts.codex import Codex
from tests.real_hosts.hosts.gemini import GeminiCli
from tests.real_hosts.hosts.host import Host

HOSTS: dict[str, type[Host]] = {kind.name: kind for kind in (ClaudeCode, Codex, GeminiCli)}
