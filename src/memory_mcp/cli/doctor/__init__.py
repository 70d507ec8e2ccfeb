"""`memory-mcp doctor`: is everything as it should be, in plain words."""

import argparse
from dataclasses import asdict

import anyio

from memory_mcp.app import SystemClock, open_services
from memory_mcp.cli.doctor import agents, hosts, machine, model, store
from memory_mcp.cli.doctor.finding import Finding
from memory_mcp.cli.printing import print_json
from memory_mcp.config import Settings, load_settings
from memory_mcp.domain.errors import StoreError
from memory_mcp.domain.quoting import indented

MARKS = {"ok": "ok  ", "note": "note", "wrong": "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Check Python, SQLite, the store and its indexes, the model and the hosts, and say what "
        "to do; exit code 1 if something is wrong."
    )
    parser.epilog = "example: memory-mcp doctor --repair"
    parser.add_argument(
        "--repair",
        action="store_true",
        help="mend what is safe to mend: indexes that don't fit, calls of hooks that wait",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="make every index anew from the stored texts (nothing else is changed)",
    )
    parser.add_argument(
        "--ask-model", action="store_true", help="ask the model something: one small call"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 if something is wrong."""
    settings = load_settings(
        database=arguments.database, agent=arguments.agent, project_by=arguments.project_by
    )
    findings = anyio.run(_examine, settings, arguments)
    wrong = any(finding.verdict == "wrong" for finding in findings)
    if arguments.json:
        print_json({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
        return int(wrong)
    for finding in findings:
        print(f"{MARKS[finding.verdict]} {indented(finding.what)}")
        if finding.cure:
            print(f"     → {indented(finding.cure)}")
    return int(wrong)


async def _examine(settings: Settings, arguments: argparse.Namespace) -> list[Finding]:
    findings = list(machine.look(settings))
    now, heard = None, None
    how = {"rebuild": arguments.rebuild, "repair": arguments.repair}
    if not settings.database.exists() and not any(how.values()):
        findings.append(store.not_there(settings))
        heard = {}
    else:
        try:
            async with open_services(settings) as services:
                findings += [each async for each in store.look(services, settings, **how)]
                findings += agents.look(await services.agents.all(), settings.project_by)
                now, heard = services.clock.now(), await services.capture.last_heard()
        except StoreError as error:
            findings.append(Finding("store", "wrong", str(error)))
    if found := await model.look(settings, ask=arguments.ask_model):
        findings.append(found)
    findings += hosts.look(heard, now or SystemClock().now())
    return findings
