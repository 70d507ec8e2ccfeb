"""The signs of all vectors in memory: the first, coarse stage of search by meaning.

Comparing signs is an exclusive-or and a count of bits, which Python's integers do in 75 ns a row:
100,000 rows in 8 ms, with an exact cut-off however many are wanted. sqlite-vec's bit index scans
faster, but its cost rises with the number of nearest rows asked for (400 of 100,000: 50 ms), and
signs alone are so coarse that many must be asked for. It also works where no extension loads.
"""

import threading
from array import array
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memory_mcp.storage.sqlite.session import Session

if TYPE_CHECKING:
    Places = array[int]
else:  # arrays cannot be subscripted before Python 3.12
    Places = array


@dataclass(slots=True)
class _AgentSigns:
    """One agent's rows: their places, and their signs as integers, side by side."""

    seqs: Places = field(default_factory=lambda: array("q"))
    signs: list[int] = field(default_factory=list[int])
    last: int = 0

    def put(self, seq: int, sign: int) -> None:
        """A row that is not the newest: its new signs in place of its old ones, if it had any."""
        try:
            self.signs[self.seqs.index(seq)] = sign
        except ValueError:
            self.seqs.append(seq)
            self.signs.append(sign)


class Signs:
    """The signs of one noun's vectors, about 76 bytes a row; read on first use, then kept up."""

    def __init__(self, table: str) -> None:
        self._first = f"SELECT min(stamp) FROM {table}"
        self._since = (
            f"SELECT stamp, seq, agent_seq, signs FROM {table} WHERE stamp > ? ORDER BY stamp"
        )
        self._lock = threading.Lock()
        self._by_agent: dict[int, _AgentSigns] = {}
        self._oldest: int | None = None
        self._newest = 0

    def nearest(
        self,
        session: Session,
        agent_seq: int,
        asked: bytes,
        count: int,
        admitted: AbstractSet[int] | None = None,
    ) -> list[int]:
        """The places of the `count` rows nearest to `asked`, of `admitted` ones if given."""
        with self._lock:
            self._catch_up(session)
            mine = self._by_agent.get(agent_seq)
            if mine is None:
                return []
            wanted = int.from_bytes(asked)
            seqs, signs = mine.seqs, mine.signs
            if admitted is not None:
                kept = [place for place, seq in enumerate(seqs) if seq in admitted]
                seqs, signs = [seqs[place] for place in kept], [signs[place] for place in kept]
            distances = [(sign ^ wanted).bit_count() for sign in signs]
            furthest = _cut_off(distances, count)
            within = [place for place, far in enumerate(distances) if far <= furthest]
            near = [place for place in within if distances[place] < furthest]
            ties = [place for place in within if distances[place] == furthest]
            # Of many that are equally far the newest; never one of them for a nearer row.
            kept = near + ties[max(0, len(ties) - (count - len(near))) :]
            return [seqs[place] for place in sorted(kept)]

    def _catch_up(self, session: Session) -> None:
        oldest = session.value(self._first)
        if oldest != self._oldest:  # the vectors were made anew
            self._by_agent.clear()
            self._oldest, self._newest = oldest, 0
        for stamp, seq, agent_seq, signs in session.all(self._since, (self._newest,)):
            mine = self._by_agent.setdefault(agent_seq, _AgentSigns())
            if mine.seqs and seq <= mine.last:  # a late vector, or another for a row
                mine.put(seq, int.from_bytes(signs))
            else:
                mine.seqs.append(seq)
                mine.signs.append(int.from_bytes(signs))
                mine.last = seq
            self._newest = stamp


def _cut_off(distances: list[int], count: int) -> int:
    """The distance within which `count` rows lie."""
    found = 0
    for distance, rows in sorted(Counter(distances).items()):
        found += rows
        if found >= count:
            return distance
    return max(distances, default=0)
