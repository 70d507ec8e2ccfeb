"""A model for the shadow agent: a server on the loopback that answers by rules."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bench.contenders import environment

#: In LiteLLM's price list, so that every call is held against the day's dollars too.
NAME = "openai/gpt-5-mini"
#: What every answer says it took, in and out: more than nothing, less than what is reserved for it.
TOKENS = (900, 12)
#: So that it takes no time from whom it serves: it stands for a machine elsewhere.
NICE = 19
#: Caps that bind nothing.
UNCAPPED = {
    "MEMORY_MCP_RUN_TOKENS": "1000000",
    "MEMORY_MCP_DAY_TOKENS": "1000000000",
    "MEMORY_MCP_DAY_USD": "100000",
}


class ScriptedModel:
    """A model server process, from `with` on; its rules are tried in order."""

    def __init__(self, rules: Sequence[Mapping[str, Any]], script: Path) -> None:
        script.write_text(json.dumps({"rules": rules}))
        server = ("-P", "-m", "memory_mcp.testing.model_server", "--script", str(script))
        self._process = subprocess.Popen(
            [sys.executable, *server], env=environment(), stdout=subprocess.PIPE, text=True
        )
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        if not self.base_url:
            raise RuntimeError(f"the model server ended with {self._process.wait()}")

    def settings(self, **more: str) -> dict[str, str]:
        """What makes memory-mcp ask it, as environment variables."""
        where = {"MEMORY_MCP_MODEL": NAME, "MEMORY_MCP_MODEL_BASE_URL": self.base_url}
        return where | UNCAPPED | more

    def asked(self) -> list[str]:
        """The messages of every request so far, as one text each that two readers write alike."""
        with urllib.request.urlopen(f"{self.base_url.removesuffix('/v1')}/requests") as answer:
            told = json.load(answer)
        return [as_text(request["json"]["messages"]) for request in told["requests"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def rule(tool: str, *, said: str | None = None, **arguments: Any) -> dict[str, Any]:
    """A rule: whenever the last word fits `said`, call this tool."""
    answer = {"calls": [{"name": tool, "arguments": arguments}], "tokens": TOKENS}
    return {"said": said, "answers": [answer], "loop": True}


def as_text(messages: Any) -> str:
    return json.dumps(messages, sort_keys=True)
