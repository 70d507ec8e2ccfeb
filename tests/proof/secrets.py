"""Secrets of every kind come in through the tools: do their bytes stand in the store's files?

The shapes are made by chance from the formats that their issuers publish (bench/secret_shapes.py);
those that the rules were developed on and those that they were not count alike here.
"""

import re

from bench import lookalikes, secret_shapes
from bench.secret_shapes import Shape, shapes
from tests.acceptance.processes import Server, text_of
from tests.proof.figure import Figure, Scale

from memory_mcp.domain.redact import redact

CAUGHT_LEAST = 0.875
FALSE_MOST = 1 / 210


def trial(scale: Scale) -> list[Figure]:
    """Send, then read the files; and see that look-alikes stay."""
    seeds = range(scale.seed, scale.seed + scale.of(1, 12))
    secret = [one for seed in seeds for one in shapes(secret_shapes.HELD_OUT, seed)]
    alike = [one.text for seed in seeds for one in shapes(lookalikes.HELD_OUT, seed)]
    broken = _sent(scale, secret)
    data = b"".join(
        path.read_bytes()
        for path in scale.folder.rglob("*")
        if path.is_file() and "stderr" not in path.name
    )
    kept = [one for one in secret if any(line.encode() in data for line in _lines(one))]
    masked = [text for text in alike if redact(text) != text]
    caught, false = 1 - len(kept) / len(secret), len(masked) / len(alike)
    if caught < CAUGHT_LEAST:
        broken.append(f"caught {caught:.1%}: {[one.text[:60] for one in kept[:5]]}")
    if false > FALSE_MOST:
        broken.append(f"masked {false:.2%} of what is no secret: {masked[:3]}")
    broken += [
        f"masked by the rule, but there: {one.text[:80]!r}"
        for one in kept
        if not any(line in redact(one.text) for line in _lines(one))
    ]
    return [
        Figure(
            promise="S1",
            seen=(
                f"{len(secret)} secrets sent as passage, message and mail: {caught:.1%} in no file;"
                f" {len(masked)} of {len(alike)} look-alikes masked"
            ),
            broken=broken,
        )
    ]


def _lines(shape: Shape) -> list[str]:
    """What of a secret may stand nowhere; one of several lines by each of them."""
    return [line for line in re.split(r"\\n|\n", shape.secret) if len(line) >= 6]


def _sent(scale: Scale, secret: list[Shape]) -> list[str]:
    broken: list[str] = []
    with Server(scale.folder / "memory.db", "--tools", "capture") as server:
        server.greet()
        for shape in secret:
            calls = (
                ("archival_insert", {"content": shape.text}),
                ("conversation_append", {"role": "user", "content": shape.text}),
                ("send_to_agent", {"to": "main", "message": shape.text}),
            )
            for tool, arguments in calls:
                answer = server.call(tool, **arguments)
                if tool != "send_to_agent" and answer.get("isError", True):
                    broken.append(f"{tool} refused: {text_of(answer)[:200]}")
    return broken
