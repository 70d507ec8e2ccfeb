"""Arguments that several tools take."""

from typing import Annotated

from pydantic import Field

StartDate = Annotated[str | None, Field(description="ISO date, from that day on.")]
EndDate = Annotated[str | None, Field(description="ISO date, to the end of that day.")]
Limit = Annotated[int, Field(description="1 to 50.")]
Cursor = Annotated[str | None, Field(description="From the last answer, to read on.")]
