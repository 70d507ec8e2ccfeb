"""How many secrets are caught, and how much is lost that only looks like one; beside others' rules.

Of the templates those count that the rules were not developed on. The others are run by their own
commands (`--detect-secrets`, `--gitleaks`); what is not there is left out.
"""

import argparse
import json
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import lookalikes, secret_shapes
from bench.report import Bar, Report, print_table
from bench.secret_shapes import Shape, shapes
from memory_mcp.domain.redact import redact

SEEDS = range(100, 110)
Found = Callable[[Sequence[str], Path], list[set[str]]]
"""What a program calls a secret in each text, as it stands there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the others' programs are."""
    parser.add_argument("--detect-secrets", type=Path, help="its command")
    parser.add_argument("--gitleaks", type=Path, help="its command")


def run(options: argparse.Namespace, scratch: Path) -> Report:
    """Count, and hold ours against the bars."""
    secret = [one for seed in SEEDS for one in shapes(secret_shapes.HELD_OUT, seed)]
    plain = [one.text for seed in SEEDS for one in shapes(lookalikes.HELD_OUT, seed)]
    rows: list[tuple[str, float, float]] = []
    began = time.perf_counter()
    caught = sum(_is_gone(one, redact(one.text)) for one in secret) / len(secret)
    false = sum(redact(text) != text for text in plain) / len(plain)
    seconds = time.perf_counter() - began
    rows.append(("memory-mcp", caught, false))
    others: dict[str, tuple[Path | None, Found]] = {
        "detect-secrets": (options.detect_secrets, _by_detect_secrets(options.detect_secrets)),
        "gitleaks": (options.gitleaks, _by_gitleaks(options.gitleaks)),
    }
    for name, (command, find) in others.items():
        if command is not None:
            found = find([one.text for one in secret], scratch)
            hit = sum(_holds(one, told) for one, told in zip(secret, found, strict=True))
            alarms = sum(bool(told) for told in find(plain, scratch))
            rows.append((name, hit / len(secret), alarms / len(plain)))
    print_table(("rules", "caught", "false"), rows)
    figures: dict[str, Any] = {
        "shapes": len(secret_shapes.HELD_OUT),
        "lookalikes": len(lookalikes.HELD_OUT),
        "texts": len(secret) + len(plain),
        "us_a_text": seconds / (len(secret) + len(plain)) * 1e6,
        **{f"{name}_caught": hit for name, hit, _ in rows},
        **{f"{name}_false": alarms for name, _, alarms in rows},
    }
    return Report(
        figures=figures,
        bars=[
            Bar(what="secrets caught", measured=caught, limit=0.875, unit="", direction="at least"),
            Bar(what="look-alikes masked", measured=false, limit=1 / 210, unit=""),
        ],
    )


def _is_gone(shape: Shape, plain: str) -> bool:
    lines = [line for line in re.split(r"\\n|\n", shape.secret) if line]
    return not any(line in plain for line in lines)


def _holds(shape: Shape, told: set[str]) -> bool:
    """Whether what a program found is the secret, or the most of it."""
    return any(one in shape.secret or shape.secret in one for one in told if len(one) >= 6)


def _written(texts: Sequence[str], scratch: Path) -> list[Path]:
    """Each text in a file of its own."""
    folder = scratch / "texts"
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number}.txt" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, "utf-8")
    return files


def _by_detect_secrets(command: Path | None) -> Found:
    def find(texts: Sequence[str], scratch: Path) -> list[set[str]]:
        files = _written(texts, scratch)
        asked = [command, "-C", scratch, "scan", "--all-files", "--no-verify", files[0].parent]
        told = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
        lines = {Path(name).name: found for name, found in told["results"].items()}
        # It tells the line and not the secret, of which it has a hash.
        return [
            {text.split("\n")[one["line_number"] - 1] for one in lines.get(file.name, ())}
            for file, text in zip(files, texts, strict=True)
        ]

    return find


def _by_gitleaks(command: Path | None) -> Found:
    def find(texts: Sequence[str], scratch: Path) -> list[set[str]]:
        files, report = _written(texts, scratch), scratch / "gitleaks.json"
        asked = [command, "dir", files[0].parent, "--no-banner", "--exit-code", "0"]
        subprocess.run([*asked, "--report-path", report], check=True, capture_output=True)
        found: list[set[str]] = [set() for _ in texts]
        for one in json.loads(report.read_text("utf-8")):
            found[int(Path(one["File"]).stem)].add(one["Secret"])
        return found

    return find
