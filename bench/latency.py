"""What one insert and one search cost, as the store grows.

Every server and the floor take turns within one loop, so that all of them meet the same noise.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from bench import ours, peers
from bench.contenders import Contender, empty_server
from bench.corpus import Corpus, Passage, Query
from bench.floors.committed_row import CommittedRow
from bench.report import Bar, Report, p50, p95, print_table
from bench.stdio_client import StdioClient

PEER_SIZES = (1_000, 10_000)
WARM_UP_ROUNDS = 20
INSERT_BAR = 2.0
#: "Flat": the largest store's insert beside the smallest one's.
FLAT_BAR = 1.25
SEARCH_BARS_MS = {10_000: 12.0, 100_000: 30.0, 1_000_000: 150.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Times of single calls, in milliseconds."""

    insert: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A contender whose store holds `size` texts."""

    contender: Contender
    size: int
    ours: bool
    samples: Samples = field(default_factory=Samples)

    @property
    def name(self) -> str:
        return f"{self.contender.name}, {self.size:,}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=(1_000, 10_000, 100_000),
        help="how many passages are there already, as in 1000,10000",
    )
    parser.add_argument("--rounds", type=int, default=200, help="calls of each kind to each server")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    corpus = Corpus()
    filled = [*_ours(options, scratch, corpus), *_peers(options, scratch, corpus)]
    floor = measure(filled, corpus, options.rounds, scratch)
    _print(filled, floor)
    stores = {each.name: _summary(each.samples) for each in filled}
    figures = {"rounds": options.rounds, "floor": _summary(floor), "stores": stores}
    return Report(figures=figures, bars=list(bars([each for each in filled if each.ours], floor)))


def measure(filled: Sequence[Filled], corpus: Corpus, rounds: int, scratch: Path) -> Samples:
    """Call everyone in turn, fill their samples; return the floor's.

    The floor's insert is one call of the empty server and one committed row, its search the call.
    """
    floor = Samples()
    row = CommittedRow(scratch / "floor.db")
    with ExitStack() as stack:
        empty = stack.enter_context(empty_server().start())
        empty.initialize()
        clients = [stack.enter_context(each.contender.start(timeout_s=300)) for each in filled]
        for client in clients:
            client.initialize()
        for turn in range(-WARM_UP_ROUNDS, rounds):
            kept = turn >= 0
            call_ms = _timed_call(empty, "nothing", {})
            row_ms = row.insert(_new_passage(corpus, turn).content) * 1e3
            _keep(floor, call_ms + row_ms, call_ms, kept=kept)
            for each, client in zip(filled, clients, strict=True):
                passage, query = _new_passage(corpus, turn), _query(corpus, each.size, turn)
                insert_ms = _timed_call(client, *each.contender.insert(passage))
                search_ms = _timed_call(client, *each.contender.search(query))
                _keep(each.samples, insert_ms, search_ms, kept=kept)
    row.close()
    return floor


def bars(filled: Sequence[Filled], floor: Samples) -> Iterator[Bar]:
    """The promises about our own inserts and searches."""
    inserts = {each.size: p50(each.samples.insert) for each in filled}
    for size, insert_ms in inserts.items():
        yield Bar(
            what=f"insert p50 at {size:,}",
            measured=insert_ms / p50(floor.insert),
            limit=INSERT_BAR,
            unit="× (empty call + committed row)",
        )
    if len(inserts) > 1:
        yield Bar(
            what=f"insert p50 at {max(inserts):,}",
            measured=inserts[max(inserts)] / inserts[min(inserts)],
            limit=FLAT_BAR,
            unit=f"× the one at {min(inserts):,}",
        )
    for each in filled:
        if limit := SEARCH_BARS_MS.get(each.size):
            measured = p95(each.samples.search)
            yield Bar(
                what=f"search p95 at {each.size:,}", measured=measured, limit=limit, unit="ms"
            )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(size) for size in text.split(",")}))


def _ours(options: argparse.Namespace, scratch: Path, corpus: Corpus) -> Iterator[Filled]:
    server = ours.find(options.command)
    for size in options.sizes:
        database = scratch / f"ours-{size}.db"
        started = perf_counter()
        server.import_passages(corpus.passages(0, size), database)
        took_s = perf_counter() - started
        megabytes = database.stat().st_size / 1e6
        print(f"imported {size:,} passages in {took_s:.1f} s into {megabytes:.1f} MB")
        yield Filled(contender=server.contender(database), size=size, ours=True)


def _peers(options: argparse.Namespace, scratch: Path, corpus: Corpus) -> Iterator[Filled]:
    peer = peers.server_memory(options.peers_dir)
    if peer is None:
        return
    for size in set(PEER_SIZES).intersection(options.sizes):
        database = scratch / f"server-memory-{size}.jsonl"
        peer.fill(corpus.passages(0, size), database)
        yield Filled(contender=peer.contender(database), size=size, ours=False)


def _new_passage(corpus: Corpus, turn: int) -> Passage:
    """A passage that no store holds yet."""
    return corpus.passage(10_000_000 + turn)


def _query(corpus: Corpus, size: int, turn: int) -> Query:
    """A question about one of the passages there, another one each turn."""
    return corpus.query((turn * 7919) % size)


def _timed_call(client: StdioClient, tool: str, arguments: Mapping[str, object]) -> float:
    """Call the tool; return how long its answer took, in milliseconds."""
    started = perf_counter()
    client.call(tool, arguments)
    return (perf_counter() - started) * 1e3


def _keep(samples: Samples, insert_ms: float, search_ms: float, *, kept: bool) -> None:
    if kept:
        samples.insert.append(insert_ms)
        samples.search.append(search_ms)


def _summary(samples: Samples) -> dict[str, float]:
    return {
        "insert_p50_ms": p50(samples.insert),
        "insert_p95_ms": p95(samples.insert),
        "search_p50_ms": p50(samples.search),
        "search_p95_ms": p95(samples.search),
    }


def _print(filled: Sequence[Filled], floor: Samples) -> None:
    named = {"floor: empty call + committed row": floor}
    named |= {each.name: each.samples for each in filled}
    rows = [
        (
            name,
            p50(samples.insert),
            p95(samples.insert),
            p50(samples.insert) / p50(floor.insert),
            p50(samples.search),
            p95(samples.search),
            p50(samples.search) / p50(floor.search),
        )
        for name, samples in named.items()
    ]
    heads = ("store", "insert p50 ms", "p95", "× floor", "search p50 ms", "p95", "× floor")
    print()
    print_table(heads, rows)
