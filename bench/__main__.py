"""`python -m bench SUITE`: run one suite, print its figures, keep them in the manifest."""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from bench import manifest
from bench.contenders import RUN_MARK
from bench.processes import end_marked
from bench.report import Report

SUITES = (
    "surface",
    "startup",
    "hook",
    "latency",
    "recall",
    "concurrency",
    "sessions",
    "daemon",
    "summaries",
    "mail",
    "imports",
    "shadow",
    "secrets",
    "year",
)


def main() -> int:
    arguments = sys.argv[1:]
    options = _parser(arguments).parse_args(arguments)
    suite = importlib.import_module(f"bench.{options.suite}")
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="scratch-") as scratch:
        try:
            report: Report = suite.run(options, Path(scratch).absolute())
        finally:
            end_marked(RUN_MARK)
    for bar in report.bars:
        print(bar)
    manifest.record(arguments, report)
    return 1 if options.strict and not report.held else 0


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """One subcommand a suite; only the suite that was asked for is imported."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    suites = parser.add_subparsers(dest="suite", required=True)
    for name in SUITES:
        suite = suites.add_parser(name)
        _add_common_arguments(suite)
        if name in arguments[:1]:
            importlib.import_module(f"bench.{name}").add_arguments(suite)
    return parser


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--command", help="the server, if it is not the memory-mcp of this Python")
    parser.add_argument("--peers-dir", type=Path, help="where npm installs the peers")
    parser.add_argument(
        "--scratch",
        type=Path,
        default=manifest.RESULTS,
        help="where stores are made; its file system is part of what is measured",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a bar is missed")


if __name__ == "__main__":
    sys.exit(main())
