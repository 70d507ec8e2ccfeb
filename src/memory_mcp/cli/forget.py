"""`memory-mcp forget`: what is to be gone goes, with a receipt; undone, ended, and proven."""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from memory_mcp.cli.asking import answer_to
from memory_mcp.cli.printing import own_zone, print_json, printable
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import counted

if TYPE_CHECKING:
    from memory_mcp.config import Settings
    from memory_mcp.domain.agents import Agent
    from memory_mcp.domain.forgetting import Match, Wanted
    from memory_mcp.services import Services

LAST = "last"
TEXT_BYTES_MAX = 1 << 20
EXAMPLES = 5
EPILOG = """\
example: memory-mcp forget --text "my old address"     shows what would go, and asks
  memory-mcp forget --text "my old address" --yes        forgets it; --undo puts it back for 30 days
  memory-mcp forget --id passage-0199… --id mail-0199… --yes
  memory-mcp forget --conversation conversation-0199…
  memory-mcp forget --after 2025-01-01 --before 2026-01-01
  memory-mcp --agent work forget                         the agent itself, with all it holds
  memory-mcp forget --text "my old address" --now --yes  for good at once: no undo, no byte left
  memory-mcp forget --undo                               what went last; or --undo receipt-…
  memory-mcp forget --receipts                           what went from where
  memory-mcp forget --receipt receipt-… --now --yes      ends its 30 days at once
  memory-mcp forget --verify receipt-… < text            looks for it in every file of the store
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "Forget what is meant by all that is given: it is out of every search and view at once, "
        "can be put back for 30 days, and is gone for good then. Without --yes it only shows what "
        "would go, and on a terminal asks."
    )
    parser.epilog = EPILOG
    parser.add_argument("--text", metavar="TEXT", help="whatever holds exactly it; -: from stdin")
    parser.add_argument(
        "--id", action="append", metavar="ID", help="a passage, message, mail or conversation"
    )
    parser.add_argument("--conversation", metavar="ID", help="its id, or its host's")
    parser.add_argument("--before", metavar="DATE", help="what is of a time before it")
    parser.add_argument("--after", metavar="DATE", help="what is of that time on")
    parser.add_argument("--all-agents", action="store_true", help="in every agent's memory")
    parser.add_argument("--yes", action="store_true", help="do it, without asking")
    parser.add_argument(
        "--now", action="store_true", help="for good at once: nothing can be put back"
    )
    parser.add_argument(
        "--delete-copies",
        action="store_true",
        help="with --now: delete the copies that memory-mcp made before it changed a schema, too",
    )
    parser.add_argument(
        "--undo",
        nargs="?",
        const=LAST,
        metavar="RECEIPT",
        help="put back what went with a receipt, or what was forgotten last",
    )
    parser.add_argument("--receipts", action="store_true", help="list the last forgettings")
    parser.add_argument("--receipt", metavar="RECEIPT", help="show one; with --now: end it")
    parser.add_argument(
        "--verify",
        metavar="RECEIPT",
        help="look for the text, which --text or standard input tells, in every file of the store",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    _check(arguments)
    if arguments.text == "-" or (arguments.verify and arguments.text is None):
        arguments.text = _from_stdin()
    told = answer_to("forget", arguments)
    if arguments.verify:
        return _show_traces(told, arguments)
    waits = told.get("found") and not arguments.yes
    if waits and not arguments.json and sys.stdin.isatty() and sys.stdout.isatty():
        _show(told, arguments)
        if input("Type yes to forget this: ").strip().lower() != "yes":
            print("Nothing was forgotten.")
            return 1
        arguments.yes = True
        told = answer_to("forget", arguments)
    _show(told, arguments)
    return 0


def reads(arguments: argparse.Namespace) -> bool:
    """Whether nothing is changed by it."""
    changes = arguments.undo or arguments.yes
    return bool(arguments.receipts or arguments.verify or not changes)


async def ask(
    services: "Services", settings: "Settings", arguments: argparse.Namespace
) -> dict[str, Any]:
    """Find or do what is asked for."""
    from memory_mcp.domain.plain import as_json

    forgetting, zone = services.forgetting, own_zone()
    if arguments.receipts:
        listed = [receipt.told(zone) for receipt in await forgetting.receipts()]
        return {"receipts": listed}
    if arguments.verify:
        receipt = await forgetting.receipt(arguments.verify)
        traces = await forgetting.traces(arguments.text)
        files = [asdict(each) for each in traces.files]
        return {"receipt": receipt.told(zone), "rows": list(traces.rows), "files": files}
    if arguments.receipt:
        return await _one_receipt(services, arguments)
    if arguments.undo:
        receipt = None if arguments.undo == LAST else arguments.undo
        agent = await services.agents.find(settings.agent)
        owner = (await forgetting.receipt(receipt)).agent_id if receipt else agent.id
        return {"said": (await forgetting.restore(owner, None, receipt)).answer}
    whole_agent = arguments.agent and not any(_scopes(arguments))
    agents = await services.agents.all() if arguments.all_agents else []
    agents = agents or [await services.agents.find(settings.agent)]
    if whole_agent and agents[0].name != "default":
        return await _whole_agent(services, agents[0], arguments)
    said, found, receipts = list[str](), list["Match"](), list[str]()
    for agent in agents:
        preview = await forgetting.preview(agent.id, _wanted(arguments))
        found += preview.found.matches
        if arguments.all_agents and not preview.found.matches:
            continue
        head = f"In the memory of {agent.name!r}:\n" if arguments.all_agents else ""
        if preview.code is None or not arguments.yes:
            said.append(head + preview.shown)
            continue
        forgotten = await forgetting.confirm(agent.id, preview.code, "command")
        receipts += [forgotten.receipt] if forgotten.receipt else []
        undo = f"memory-mcp forget --undo {forgotten.receipt}"
        said.append(head + (forgotten.gone if arguments.now else forgotten.told_to(undo)))
    if not arguments.all_agents:
        said += await _elsewhere(services, agents[0], arguments)
    for receipt in receipts:
        said += await _ended(services, receipt, arguments)
    told = {
        "said": "\n".join(said) or "Nothing holds that.",
        "found": len(found),
        "counts": Counter(match.noun for match in found),
        "examples": [asdict(match) for match in found[:EXAMPLES]],
        "done": receipts,
    }
    return json.loads(as_json(told))


async def _one_receipt(services: "Services", arguments: argparse.Namespace) -> dict[str, Any]:
    receipt = await services.forgetting.receipt(arguments.receipt)
    zone, said = own_zone(), list[str]()
    if arguments.now and arguments.yes:
        said = await _ended(services, receipt.id, arguments)
        receipt = await services.forgetting.receipt(receipt.id)
    elif arguments.now:
        said = ["Nothing was done yet: --yes lets it go for good."]
    return {"said": "\n".join([receipt.told(zone), *said])}


async def _whole_agent(
    services: "Services", agent: "Agent", arguments: argparse.Namespace
) -> dict[str, Any]:
    """The agent itself, with everything it has."""
    held = asdict(await services.agents.holdings(agent.id))
    what = ", ".join(counted(number, noun.removesuffix("s")) for noun, number in held.items())
    if not arguments.yes:
        said = f"Agent {agent.name!r} would go, with {what}. Nothing is forgotten yet."
        return {"said": said, "found": 1, "done": []}
    receipt = await services.forgetting.forget_agent(agent.id)
    said = [f"Forgotten: agent {agent.name!r}, with {what}."]
    if not arguments.now:
        said.append(f"To undo it, within 30 days: memory-mcp forget --undo {receipt}")
    said += await _ended(services, receipt, arguments)
    return {"said": "\n".join(said), "found": 1, "done": [receipt]}


async def _ended(services: "Services", receipt: str, arguments: argparse.Namespace) -> list[str]:
    """End what stands on a receipt, if that is wanted; name what was left."""
    said: list[str] = []
    if arguments.now:
        erased = await services.forgetting.end(receipt)
        said.append(
            "It is gone for good, and no byte of it is left in the store's file."
            if erased
            else "It is gone for good. Another process is still reading the file as it was; its "
            "freed pages are overwritten as soon as it has ended."
        )
        if arguments.delete_copies:
            gone = await services.forgetting.remove_copies(receipt)
            said.append(f"Deleted: {', '.join(gone) or 'no copies, as there are none of ours'}.")
    from memory_mcp.domain.receipts import UNTOUCHED

    told = await services.forgetting.receipt(receipt)
    left = [name for line in told.lines if line.place == UNTOUCHED for name in line.ids]
    if left and not arguments.delete_copies:
        said.append(
            f"Not touched, and they may hold it: {', '.join(left)}. Delete them yourself, or those "
            "that memory-mcp made with --now --delete-copies."
        )
    if arguments.now:
        said.append(f"To prove it: memory-mcp forget --verify {receipt}, and type the text.")
    return said


async def _elsewhere(
    services: "Services", agent: "Agent", arguments: argparse.Namespace
) -> list[str]:
    """In whose memory else a text stands."""
    if arguments.text is None:
        return []
    wanted, others = _wanted(arguments), list[str]()
    for other in await services.agents.all():
        if other.id != agent.id:
            number = len((await services.forgetting.find(other.id, wanted)).matches)
            others += [f"{other.name!r} ({number:,})"] if number else []
    if not others:
        return []
    return [f"It also stands in the memory of {', '.join(others)}: --all-agents, or --agent NAME."]


def _wanted(arguments: argparse.Namespace) -> "Wanted":
    from memory_mcp.domain.forgetting import Wanted
    from memory_mcp.domain.times import parse_span

    ids = [one for one in arguments.id or () if not one.startswith("conversation-")]
    conversations = [one for one in arguments.id or () if one.startswith("conversation-")]
    return Wanted(
        text=arguments.text,
        ids=tuple(ids),
        conversation=arguments.conversation or (conversations[0] if conversations else None),
        window=parse_span(arguments.after, arguments.before, own_zone()),
        at_once=arguments.now,
    )


def _scopes(arguments: argparse.Namespace) -> list[Any]:
    return [
        arguments.text,
        arguments.id,
        arguments.conversation,
        arguments.before,
        arguments.after,
    ]


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be meant, before anything is looked for."""
    scopes = any(each is not None for each in _scopes(arguments))
    others = [
        name
        for name, value in (
            ("--undo", arguments.undo),
            ("--receipts", arguments.receipts),
            ("--receipt", arguments.receipt),
            ("--verify", arguments.verify),
        )
        if value
    ]
    if others[1:] or (others and scopes and others != ["--verify"]):
        raise InvalidInput(f"{' and '.join(others)} go alone: see --help.")
    if arguments.delete_copies and not arguments.now:
        raise InvalidInput("--delete-copies goes with --now: until then everything can come back.")
    if others:
        return
    if not scopes and not arguments.agent:
        raise InvalidInput(
            "say what is to be forgotten: --text, --id, --conversation, --before, --after, or "
            "--agent with the name of an agent that is to go with all it holds."
        )
    conversations = [one for one in arguments.id or () if one.startswith("conversation-")]
    if conversations and (len(arguments.id) > 1 or arguments.conversation):
        raise InvalidInput("one conversation at a time, and no other ids with it.")
    if arguments.id and (arguments.text or arguments.before or arguments.after):
        raise InvalidInput("--id goes alone: it says all that is meant.")
    _wanted(arguments)  # dates that are none are refused here


def _from_stdin() -> str:
    if sys.stdin.isatty():
        print("The text, then Ctrl-D:", file=sys.stderr)
    data = sys.stdin.buffer.read(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise InvalidInput("the text is longer than a megabyte.")
    return data.decode("utf-8", "replace").rstrip("\n")


def _show(told: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print what was found or done."""
    if arguments.json:
        print_json(told)
        return
    if "receipts" in told:
        print(printable("\n\n".join(told["receipts"]) or "Nothing was forgotten here yet."))
        return
    print(printable(told["said"]))
    if told.get("found") and not arguments.yes and not sys.stdin.isatty():
        print("The same with --yes forgets it, for good at once with --now.")


def _show_traces(told: dict[str, Any], arguments: argparse.Namespace) -> int:
    """Print where the text still stands; 1 where it does."""
    found = bool(told["rows"] or told["files"])
    if arguments.json:
        print_json(told)
        return int(found)
    print(printable(told["receipt"]))
    if not found:
        print("The text stands in no row, no index and no byte of the store's files.")
        return 0
    print("The text still stands in:")
    for row in told["rows"]:
        print(printable(f"- {row}"))
    for each in told["files"]:
        print(printable(f"- {each['file']}, {each['how']}, from byte {each['offset']:,} on"))
    return 1
