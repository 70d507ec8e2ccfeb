"""The tools, one module a noun. Order is fixed: hosts cache the list."""

from collections.abc import Sequence

from memory_mcp.server.tools import archival, core_memory, recall
from memory_mcp.server.tools.tool import MemoryTool, Surface, ToolSpec

TOOL_SETS: dict[str, tuple[ToolSpec, ...]] = {
    "core": (
        core_memory.APPEND,
        core_memory.REPLACE,
        recall.SEARCH,
        archival.INSERT,
        archival.SEARCH,
    ),
    "capture": (recall.APPEND,),
}


def tools_of(sets: Sequence[str], surface: Surface) -> list[MemoryTool]:
    """The tools of the sets asked for, in their fixed order."""
    return [
        spec.bound_to(surface) for name in TOOL_SETS if name in sets for spec in TOOL_SETS[name]
    ]
