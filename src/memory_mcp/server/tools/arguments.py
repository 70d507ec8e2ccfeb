"""Arguments that several tools take."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError


def no_truth(value: Any) -> Any:
    """Pydantic would take `true` for 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "must be a whole number")
    return value


StartDate = Annotated[str | None, Field(description="ISO date, inclusive")]
EndDate = Annotated[str | None, Field(description="ISO date, inclusive")]
Limit = Annotated[int, BeforeValidator(no_truth), Field(description="1 to 50")]
Cursor = Annotated[str | None, Field(description="From the last answer")]
