"""How much of what answers a question a search brings back: LoCoMo, turn by turn, over MCP."""

import argparse
import hashlib
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

from bench import locomo, ours
from bench.contenders import Contender
from bench.ours import MemoryMCP
from bench.report import Bar, Report, print_table

LIMIT = 10
BAR = 0.79
OVERALL = "overall"
DEFAULT = "default"
#: Environment of the servers compared.
MODES = {DEFAULT: {}, "lexical only": {"MEMORY_MCP_EMBEDDER": "none"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One question with the external ids that came back for it, best first."""

    question: locomo.Question
    found: Sequence[str]

    def recall(self, k: int) -> float:
        """The share of the evidence among the first k."""
        return recall_at(self.found, self.question.evidence, k)


Scores = dict[str, dict[str, float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="LoCoMo's JSON file")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    samples = locomo.load(options.data)
    server, database = ours.find(options.command), scratch / "locomo.db"
    for number, sample in enumerate(samples):
        print(f"importing {sample.name}: {len(sample.turns)} turns", flush=True)
        server.import_lines("jsonl", sample.turns, database, agent=_agent(number))
    answered = {
        mode: anyio.run(_ask_all, server, database, samples, settings)
        for mode, settings in MODES.items()
    }
    scores = {mode: score(each) for mode, each in answered.items()}
    _print(scores)
    for mode, each in answered.items():
        returned = statistics.fmean(len(one.found) for one in each)
        print(f"{mode}: {returned:.2f} results a question, of {LIMIT} asked for")
    print()
    figures = {"data_sha256": _digest(options.data), "modes": scores}
    measured = scores[DEFAULT][OVERALL]["recall@10"]
    bar = Bar(
        what="LoCoMo turn recall@10", measured=measured, limit=BAR, unit="", direction="at least"
    )
    return Report(figures=figures, bars=[bar])


def recall_at(found: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """The share of the evidence among the first k found."""
    return len(evidence.intersection(found[:k])) / len(evidence)


def score(answered: Sequence[Answered]) -> Scores:
    """Mean recall by category and overall."""
    groups: dict[str, list[Answered]] = defaultdict(list)
    for each in answered:
        groups[each.question.category].append(each)
    named = {name: groups[name] for name in locomo.CATEGORIES.values() if name in groups}
    return {name: _mean(group) for name, group in (named | {OVERALL: list(answered)}).items()}


async def _ask_all(
    server: MemoryMCP,
    database: Path,
    samples: Sequence[locomo.Sample],
    settings: Mapping[str, str],
) -> list[Answered]:
    answered: list[Answered] = []
    for number, sample in enumerate(samples):
        contender = server.contender(
            database, agent=_agent(number), settings={**settings, "MEMORY_MCP_STRUCTURED": "1"}
        )
        answered += await _ask(contender, sample.questions)
    return answered


async def _ask(contender: Contender, questions: Sequence[locomo.Question]) -> list[Answered]:
    """Put each question, word for word, to conversation_search."""
    command, *arguments = contender.command
    parameters = StdioServerParameters(
        command=command, args=arguments, env=dict(contender.environment)
    )
    async with Client(parameters) as client:
        return [Answered(question=each, found=await _search(client, each)) for each in questions]


async def _search(client: Client, question: locomo.Question) -> list[str]:
    result = await client.call_tool("conversation_search", {"query": question.text, "limit": LIMIT})
    if result.is_error or result.structured_content is None:
        raise RuntimeError(f"conversation_search failed on {question.text!r}: {result.content}")
    hits = result.structured_content["results"]
    return [hit.get("external_id") or hit["id"] for hit in hits]


def _agent(number: int) -> str:
    """One agent a conversation, so that each is searched alone."""
    return f"locomo-{number}"


def _mean(answered: Sequence[Answered]) -> dict[str, float]:
    return {
        "questions": len(answered),
        "recall@5": statistics.fmean(each.recall(5) for each in answered),
        "recall@10": statistics.fmean(each.recall(10) for each in answered),
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _print(scores: Mapping[str, Scores]) -> None:
    measures = ("recall@5", "recall@10")
    heads = [f"{mode} {measure}" for mode in scores for measure in measures]
    names = scores[DEFAULT]
    rows = [
        (
            name,
            names[name]["questions"],
            *(f"{each[name][measure]:.3f}" for each in scores.values() for measure in measures),
        )
        for name in names
    ]
    print()
    print_table(("category", "questions", *heads), rows)
