"""The tools, one module a noun. Order is fixed: hosts cache the list."""

from collections.abc import Sequence

from memory_mcp.server.tools import archival, core_memory, mail, recall
from memory_mcp.server.tools.tool import MemoryTool, Surface, ToolSpec

TOOL_SETS: dict[str, tuple[ToolSpec, ...]] = {
    "core": (
        core_memory.APPEND,
        core_memory.REPLACE,
        recall.SEARCH,
        archival.INSERT,
        archival.SEARCH,
        mail.SEND,
    ),
    "capture": (recall.APPEND,),
}


def names_of(sets: Sequence[str]) -> tuple[str, ...]:
    """What the tools of these sets are called, in their fixed order."""
    return tuple(
        spec.function.__name__ for name in TOOL_SETS if name in sets for spec in TOOL_SETS[name]
    )


def tools_of(sets: Sequence[str], surface: Surface) -> list[MemoryTool]:
    """The tools of the sets asked for, in their fixed order."""
    return [
        spec.bound_to(surface) for name in TOOL_SETS if name in sets for spec in TOOL_SETS[name]
    ]
