"""What an agent that isn't there yet would begin with: reading for it makes nothing."""

from datetime import datetime

from memory_mcp.domain.agents import DEFAULT_AGENT
from memory_mcp.domain.blocks import OWN_TEMPLATES, SHARED_TEMPLATES, Block
from memory_mcp.domain.ids import UNMADE, BlockId
from memory_mcp.domain.times import from_iso
from memory_mcp.storage.sqlite.session import Session

_SHARED = """
SELECT b.id, ab.label, b.value, b.description, b.limit_chars, b.read_only, b.on_overflow,
    b.version, b.updated_at, (SELECT count(*) FROM agent_blocks o WHERE o.block_seq = b.seq)
FROM agents a JOIN agent_blocks ab ON ab.agent_seq = a.seq JOIN blocks b ON b.seq = ab.block_seq
WHERE a.name_key = ?
"""


def blocks_to_be(session: Session, now: datetime) -> list[Block]:
    """Those that all agents share, as they are, and those of its own, empty."""
    shared = {row[1]: row for row in session.all(_SHARED, (DEFAULT_AGENT,))}
    found: list[Block] = []
    for template in (*SHARED_TEMPLATES, *OWN_TEMPLATES):
        row = shared.get(template.label) if template in SHARED_TEMPLATES else None
        found.append(
            Block(
                id=BlockId(row[0] if row else f"{UNMADE}{template.label}"),
                label=template.label,
                value=row[2] if row else template.value,
                description=row[3] if row else template.description,
                limit_chars=row[4] if row else template.limit_chars,
                read_only=bool(row[5]) if row else template.read_only,
                on_overflow=row[6] if row else template.on_overflow,
                version=row[7] if row else 1,
                updated_at=from_iso(row[8]) if row else now,
                shared_with=row[9] if row else 0,
            )
        )
    return found
