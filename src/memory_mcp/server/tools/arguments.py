"""Arguments that several tools take."""

from typing import Annotated

from pydantic import Field

StartDate = Annotated[str | None, Field(description="ISO date, inclusive")]
EndDate = Annotated[str | None, Field(description="ISO date, inclusive")]
Limit = Annotated[int, Field(description="1 to 50")]
Cursor = Annotated[str | None, Field(description="From the last answer")]
