"""What a suite hands back, and how it is shown."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A number we promise to hold (DESIGN §10)."""

    what: str
    measured: float
    limit: float
    unit: str
    direction: Literal["at most", "at least"] = "at most"

    @property
    def held(self) -> bool:
        if self.direction == "at most":
            return self.measured <= self.limit
        return self.measured >= self.limit

    def __str__(self) -> str:
        verdict = "PASS" if self.held else "MISS"
        return (
            f"{verdict}  {self.what}: {shown(self.measured)} {self.unit}, "
            f"{self.direction} {shown(self.limit)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of one run, whose names carry their units, and the bars they are held against."""

    figures: dict[str, Any]
    bars: Sequence[Bar] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return all(bar.held for bar in self.bars)

    def as_json(self) -> dict[str, Any]:
        bars = [asdict(bar) | {"held": bar.held} for bar in self.bars]
        return {"figures": self.figures, "bars": bars}


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print the rows under their heads; all columns but the first are set to the right."""
    cells = [list(heads)] + [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *rest in cells:
        padded = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *padded]))
    print()


def shown(value: object) -> str:
    """Three significant digits for what was measured; everything else as it is."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def p50(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def p95(samples: Sequence[float]) -> float:
    return statistics.quantiles(samples, n=20, method="inclusive")[-1]


def p99(samples: Sequence[float]) -> float:
    return statistics.quantiles(samples, n=100, method="inclusive")[-1]
