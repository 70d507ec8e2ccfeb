"""`memory-mcp shadow`: the agent that keeps memory in order, seen and steered by people."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.asking import answer_to
from memory_mcp.cli.printing import console, print_json, print_table, shown_time
from memory_mcp.domain.errors import InvalidInput, MemoryMCPError
from memory_mcp.domain.quoting import in_json, indented, one_line, quoted
from memory_mcp.domain.texts import clip, counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.domain.ids import AgentId
    from memory_mcp.domain.runs import Run
    from memory_mcp.services import Services

VERBS = ("status", "run", "runs", "undo", "pause", "resume", "ask", "work")
ANSWER_SECONDS = 100
"""How long an answer of the model is waited for."""
NICE = 10
"""A worker gives way to whoever answers a tool call."""
OUTCOME_CHARS = 160

EPILOG = """\
example: memory-mcp shadow            what it is doing, and what it spent today
  memory-mcp shadow run                 one pass now, here
  memory-mcp shadow runs                what it did
  memory-mcp shadow runs run-0199…      one run: every call of the model, and what it changed
  memory-mcp shadow undo run-0199…      put that back
  memory-mcp shadow ask 'forget "my old address"'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "The shadow agent summarises, files and corrects in the background: with a model "
        "(MEMORY_MCP_MODEL) it reflects on what was said, without one it invents nothing."
    )
    parser.epilog = EPILOG
    parser.add_argument(
        "what", nargs="?", choices=VERBS, default="status", metavar="VERB", help=", ".join(VERBS)
    )
    parser.add_argument(
        "words", nargs="*", metavar="RUN or TEXT", help="runs, undo: which; ask: what"
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="runs: how many")
    parser.add_argument("--all", action="store_true", help="runs, run: of every agent")
    parser.add_argument(
        "--no-wait", action="store_true", help="ask: don't wait for the model's answer"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    # How serving processes start it: not for people.
    parser.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    if arguments.what == "work":
        return _work(arguments)
    if arguments.what == "run":
        return _run_here(arguments)
    if arguments.limit < 1:
        raise InvalidInput(f"--limit {arguments.limit} is out of range; it goes from 1 on.")
    return _show(answer_to("shadow", arguments), arguments)


def reads(arguments: argparse.Namespace) -> bool:
    """Whether nothing is changed by it."""
    return arguments.what in ("status", "runs")


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> dict[str, Any]:
    """Find or do what is asked for."""
    from memory_mcp.domain.ids import RunId
    from memory_mcp.domain.plain import as_json

    look = services.agents.choose if arguments.what == "ask" else services.agents.find
    agent = await look(settings.agent)
    which = RunId(arguments.words[0]) if arguments.words else None
    ledger = services.ledger
    match arguments.what:
        case "runs" if which is None:
            found = await ledger.runs(None if arguments.all else agent.id, arguments.limit)
            return {"listed": json.loads(as_json([asdict(run) for run in found]))}
        case "runs":
            return json.loads(as_json(asdict(await ledger.record(which))))
        case "undo":
            # Whoever has the file may undo any run in it; only "the latest" is of one agent.
            return asdict(await ledger.undo(which, None if which else agent.id))
        case "pause" | "resume":
            await ledger.set_paused(arguments.what == "pause")
        case "ask":
            return await _asked(services, settings, agent.id, arguments)
        case _:
            pass
    return json.loads(as_json(asdict(await ledger.state())))


async def _asked(
    services: "Services", settings: "Settings", agent_id: "AgentId", arguments: argparse.Namespace
) -> dict[str, Any]:
    import anyio

    from memory_mcp.daemon.worker import start_worker
    from memory_mcp.domain.requests import NotUnderstood, parse_request

    text = " ".join(arguments.words)
    if settings.model and services.ledger.policy is None:
        if isinstance(parse_request(text), NotUnderstood):
            raise InvalidInput(
                f"the daemon was started without a model, not with {settings.model.name}; "
                "memory-mcp daemon stop ends it, and then this works."
            )
    answer = await services.requests.ask(agent_id, text)
    if answer.run_id is None:
        return {"answer": answer.text, "run": None}
    await anyio.to_thread.run_sync(start_worker, settings.database)
    seconds = 0 if arguments.no_wait else ANSWER_SECONDS
    outcome = await services.requests.outcome(answer.run_id, seconds)
    later = f"{answer.text} memory-mcp shadow runs {answer.run_id} shows what came of it."
    return {"answer": quoted(outcome) if outcome else later, "run": answer.run_id}


# --- In this process ---


def _work(arguments: argparse.Namespace) -> int:
    """The worker, as serving processes start it."""
    import anyio

    from memory_mcp.app.worker import open_worker
    from memory_mcp.config import load_settings
    from memory_mcp.daemon.log import log_to
    from memory_mcp.daemon.start import detach
    from memory_mcp.daemon.worker import worker_log

    settings = load_settings(database=arguments.database, agent=arguments.agent)
    if not arguments.attached:
        detach()
        log_to(str(worker_log(settings.database)))
    logging.getLogger("memory_mcp.loop").setLevel(logging.INFO)
    if hasattr(os, "nice"):
        os.nice(NICE)

    async def work() -> bool:
        async with open_worker(settings) as worker:
            return await worker.work(idle_seconds=settings.model.idle_s if settings.model else 0)

    return 0 if anyio.run(work) else 1


def _run_here(arguments: argparse.Namespace) -> int:
    """One pass, in the foreground."""
    import anyio

    from memory_mcp.config import load_settings

    settings = load_settings(
        database=arguments.database, agent=arguments.agent, project_by=arguments.project_by
    )
    told = anyio.run(_pass, settings, arguments.all, not arguments.json)
    if arguments.json:
        print_json(told)
        return 0
    for line in told["done"]:
        print(indented(line))
    return 0


async def _pass(settings: "Settings", every_agent: bool, show: bool) -> dict[str, Any]:
    from memory_mcp.app import open_services
    from memory_mcp.app.worker import open_worker

    done: list[str] = []
    with _progress(show) as tell:
        async with open_services(settings) as services:
            own = await services.agents.find(settings.agent)
            agents = await services.agents.all() if every_agent else [own]
            for agent in agents:
                tell(f"{agent.name}: what has to leave the view")
                if left := await services.eviction.evict(agent.id):
                    done.append(f"{agent.name}: {counted(left, 'message')} left the view.")
            tell("passages, indexes, the store's file")
            await services.upkeep.round(rested=False)
        if settings.model is None:
            done.append("No model is set (MEMORY_MCP_MODEL), so nothing was reflected on.")
            return {"done": done, "runs": []}
        runs: list[str] = []

        def ended(run: "Run") -> None:
            runs.append(run.id)
            done.append(_sentence(run))
            tell(_sentence(run))

        tell(f"asking {settings.model.name}")
        async with open_worker(settings) as worker:
            if why := await worker.paused():
                done.append(f"The model was not asked: {why}.")
            elif not await worker.once(None if every_agent else own.id, ended):
                holder = await worker.stores.leases.holder("shadow")
                raise MemoryMCPError(
                    f"a worker is at it already ({holder}); memory-mcp shadow runs shows what it "
                    "does."
                )
            elif not runs:
                done.append("There was nothing to reflect on.")
    return {"done": done, "runs": runs}


@contextmanager
def _progress(show: bool) -> Generator[Callable[[str], None]]:
    """A bar that moves while it lasts, on standard error; tells what is being done."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console(errors=True),
        transient=True,
        disable=not show or not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda text: bar.update(task, description=clip(one_line(text), 100))


def _sentence(run: "Run") -> str:
    return f"{run.agent}: {run.kind} ({run.state}), {_spent(asdict(run))}: {run.outcome} [{run.id}]"


# --- Printing ---


def _show(told: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(told.get("listed", told))
    elif "answer" in told:
        print(told["answer"])
    elif "put_back" in told:
        print(f"{told['run_id']}:")
        for line in told["put_back"]:
            print(f"put back: {one_line(line)}")
        for line in told["left"]:
            print(f"left as it is: {one_line(line)}")
    elif "listed" in told:
        _print_runs(told["listed"])
    elif "run" in told:
        _print_record(told)
    else:
        _print_state(told)
    return 1 if told.get("left") else 0


def _print_state(state: dict[str, Any]) -> None:
    rows = [
        ("state", state["doing"]),
        ("model", state["model"] or "none"),
        ("spent today", spent_today(state)),
        ("runs", f"{state['runs']:,}"),
    ]
    if state["last_run"]:
        when = shown_time(state["last_run_at"])
        rows.append(("last run", f"{state['last_run']}, {state['last_run_state']}, {when}"))
    print_table("The shadow agent", ("what", "how it stands"), rows)


def spent_today(state: dict[str, Any]) -> str:
    """What was spent today of what may be."""
    tokens = f"{state['tokens_today']:,}"
    usd = f"${state['usd_today']:.4f}"
    if state["day_tokens"] is None:
        return f"{tokens} tokens, {usd}"
    text = f"{tokens} of {state['day_tokens']:,} tokens, {usd} of ${state['day_usd']:.2f}"
    if unpriced := state["unpriced_calls_today"]:
        text += f" ({counted(unpriced, 'call')} without a known price: tokens alone limit those)"
    return text


def _print_runs(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        undone = f", {run['undone']:,} of them undone" if run["undone"] else ""
        print(
            f"{run['id']}  {shown_time(run['started_at'])}  {run['agent']}\n"
            f"    {run['kind']} ({run['trigger']}): {run['state']}, "
            f"{counted(run['changes'], 'change')}{undone}, {_spent(run)}\n"
            f"    {clip(one_line(run['outcome']), OUTCOME_CHARS)}"
        )
    print(f"{counted(len(runs), 'run')}." if runs else "No run yet.")


def _spent(run: dict[str, Any]) -> str:
    tokens = f"{run['tokens_in'] + run['tokens_out']:,} tokens"
    return tokens if run["cost_usd"] is None else f"{tokens}, ${run['cost_usd']:.4f}"


def _print_record(told: dict[str, Any]) -> None:
    run = told["run"]
    print(f"{run['id']}  {run['kind']} for {run['agent']}, because: {run['trigger']}")
    print(f"{run['state']}: {indented(run['outcome'])}")
    print(f"started {shown_time(run['started_at'])}, {_spent(run)}, {run['model']}")
    if run["messages"]:
        print(f"read {counted(run['messages'], 'message')}")
    if run["takeovers"]:
        print(f"went on after {counted(run['takeovers'], 'worker')} died")
    for change in told["changes"]:
        print()
        print("\n".join(_difference(change)))
    for call in told["calls"]:
        print()
        print("\n".join(_call(call)))
    if run["pruned_at"]:
        print("\nThe payloads were thrown away (age or size); the counts stay.")


def _difference(change: dict[str, Any]) -> Iterator[str]:
    import difflib

    undone = " (undone)" if change["undone_at"] else ""
    yield f"== {change['operation']} {change['noun']} {change['noun_id']}{undone}"
    before: dict[str, Any] = change["before"] or {}
    after: dict[str, Any] = change["after"] or {}
    if change["operation"] == "superseded":
        yield f"- {indented(before.get('content', ''))}"
        yield f"  by {after.get('by')}"
        return
    old, new = (
        str(side.get("value", side.get("content", side.get("text", "")))).splitlines()
        for side in (before, after)
    )
    yield from list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]


def _call(call: dict[str, Any]) -> Iterator[str]:
    yield (
        f"== call {call['number']}, {shown_time(call['asked_at'])}: "
        f"{call['tokens_in']:,} tokens in, {call['tokens_out']:,} out"
    )
    if call["error"]:
        yield f"no answer: {indented(call['error'])}"
    elif call["answered_at"] is None:
        yield "no answer is known; the most it may have cost is counted"
    for title, payload in (("request", call["request"]), ("response", call["response"])):
        if payload is not None:
            yield f"{title}: {in_json(json.dumps(payload, ensure_ascii=False, indent=1))}"
