"""Errors as a model reads them, in one place.

The SDK shows a `ToolError`'s text and hides any other exception's; so the domain's tree becomes
`ToolError`s here, and real bugs are left to crash.
"""

from collections.abc import Mapping
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from memory_mcp.domain.errors import MemoryMCPError

_KINDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": 'must be a list of texts, like ["one", "two"]',
    "dict_type": "must be an object",
    "none_required": "must be left out or null",
}


def tool_error(error: MemoryMCPError) -> ToolError:
    """A domain error for the model: its text is already written for it."""
    return ToolError(str(error))


def argument_error(tool: str, error: ValidationError) -> ToolError:
    """Arguments that don't fit the tool's schema, each in a sentence, without their values."""
    told: dict[str, str] = {}
    for problem in error.errors(include_input=False, include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else "the arguments"
        if field not in told:
            told[field] = _sentence(field, problem["type"], problem["msg"], problem["loc"])
    return ToolError(f"{tool} was not called: {'; '.join(told.values())}.")


def unknown_argument_error(tool: str, unknown: list[str], schema: Mapping[str, Any]) -> ToolError:
    """Arguments the tool doesn't have; a typo must not lose what it was meant to say."""
    known = ", ".join(schema.get("properties", {}))
    names = ", ".join(repr(name[:40]) for name in unknown[:5])
    return ToolError(f"{tool} was not called: it has no argument {names}. It takes {known}.")


def _sentence(field: str, kind: str, message: str, where: tuple[int | str, ...]) -> str:
    if kind == "missing":
        return f"{field} is missing"
    if kind == "literal_error":
        return f"{field}: {message[0].lower()}{message[1:]}"
    each = "each of " if len(where) > 1 else ""
    return f"{each}{field} {_KINDS.get(kind, message[0].lower() + message[1:])}"
