"""The hosts that are run, by the names that `memory-mcp install` has for them."""

from tests.real_hosts.hosts.claude_code import ClaudeCode
from tests.real_hosts.hosts.cline import ClineCli
from tests.real_hosts.hosts.codex import Codex
from tests.real_hosts.hosts.continue_cli import ContinueCli
from tests.real_hosts.hosts.copilot_cli import CopilotCli
from tests.real_hosts.hosts.gemini import GeminiCli
from tests.real_hosts.hosts.host import Host
from tests.real_hosts.hosts.opencode import Kilo, Opencode
from tests.real_hosts.hosts.qwen import QwenCode

HOSTS: dict[str, type[Host]] = {
    kind.name: kind
    for kind in (
        ClaudeCode, Codex, GeminiCli, CopilotCli, QwenCode, Opencode, Kilo, ClineCli, ContinueCli,
    )
}  # fmt: skip
