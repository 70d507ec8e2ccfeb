"""OpenClaw: the server, in a file that may have comments."""

from collections.abc import Sequence
from pathlib import Path

from memory_mcp.hosts.host import SERVER, Host, HostFile, Places, Program, Put, server_entry


def files(places: Places, program: Program, _: bool) -> Sequence[HostFile]:
    """Its configuration."""
    folder = places.own("OPENCLAW_STATE_DIR", ".openclaw")
    path = Path(places.environment.get("OPENCLAW_CONFIG_PATH") or folder / "openclaw.json")
    put = Put(path=("mcp", "servers", SERVER), value=server_entry(program))
    return [HostFile(path=path, format="jsonc", entries=(put,))]


HOST = Host(
    name="openclaw",
    title="OpenClaw",
    signs=lambda places: [places.own("OPENCLAW_STATE_DIR", ".openclaw")],
    files=files,
)
