"""`memory-mcp install` and `uninstall`: server and hooks in hosts' configurations."""

import argparse
import sys
from collections.abc import Sequence

from memory_mcp.domain.errors import InvalidInput, MemoryMCPError
from memory_mcp.domain.quoting import indented
from memory_mcp.domain.texts import each
from memory_mcp.hosts.host import Host, Places, Program
from memory_mcp.hosts.install import HOSTS, Change, carry_out, to_install, to_uninstall


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    taking_out = parser.prog.endswith("uninstall")
    parser.description = (
        "Take server and hooks out of hosts' configurations again."
        if taking_out
        else "Write the server, and hooks where the host has them, into hosts' configurations.\n"
        "What is there stays; the file as it was lies beside it."
    )
    parser.epilog = f"example: memory-mcp {'un' if taking_out else ''}install claude-code cursor"
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=", ".join(HOSTS))
    parser.add_argument("--all", action="store_true", help="every host that is on this machine")
    parser.add_argument(
        "--dry-run", action="store_true", help="only show what would change, as a difference"
    )
    if not taking_out:
        parser.add_argument(
            "--no-hooks", action="store_true", help="the server only; it gets a tool to record with"
        )


def run(arguments: argparse.Namespace) -> int:
    """Change the files, or show how; 1 if one could not be changed."""
    places = Places.here()
    hosts = _chosen(arguments, places)
    program = Program.here(_options(arguments))
    failed = False
    installed: list[Host] = []
    for host in hosts:
        if arguments.command == "uninstall":
            changes = to_uninstall(host, places, program)
            done = [_carry_out(change, dry=arguments.dry_run) for change in changes]
            failed = failed or not all(done)
            continue
        changes = to_install(host, places, program, hooks=not arguments.no_hooks)
        # A server that leaves the telling to hooks comes after them.
        ordered = changes if arguments.no_hooks else changes[::-1]
        if not _install(host, ordered, dry=arguments.dry_run):
            failed = True
        elif not arguments.dry_run:
            installed.append(host)
            for told in _left_to_do(host, changes):
                print(f"  {told}")
    if installed:
        _prepare(installed, program, arguments)
    return 1 if failed else 0


def _install(host: Host, changes: Sequence[Change], *, dry: bool) -> bool:
    """All of a host's files or none: half of it would be a server that waits for hooks."""
    if any(change.problem for change in changes):
        for change in changes:
            if change.problem:
                _carry_out(change, dry=dry)
        print(f"{host.title}: nothing was changed; mend that, then install again.", file=sys.stderr)
        return False
    return all(_carry_out(change, dry=dry) for change in changes)


def _prepare(hosts: Sequence[Host], program: Program, arguments: argparse.Namespace) -> None:
    """See to it that these hosts' first sessions are answered at once, as all later ones are.

    A host that does not wait for its servers (`codex exec`) has no memory in that session else.
    """
    from memory_mcp.bridge import session_options
    from memory_mcp.config import load_settings
    from memory_mcp.rendezvous import Rendezvous, Unreachable, hello

    try:
        hellos = [
            hello("session", **told)
            for host in hosts
            if (told := _told(session_options(_words(host, program, arguments)))) is not None
        ]
        settings = load_settings(database=arguments.database)
        rendezvous = Rendezvous(str(settings.database))
        for said in hellos:
            if met := rendezvous.join_running(said):
                met[0].close()
                continue
            import anyio

            from memory_mcp.daemon.start import make_first_snapshots

            anyio.run(make_first_snapshots, settings, hellos)
            break
    except (MemoryMCPError, Unreachable) as error:
        print(f"The hosts are set up, but memory is not ready: {error}", file=sys.stderr)


def _words(host: Host, program: Program, arguments: argparse.Namespace) -> list[str]:
    """The arguments that the host will start the server with."""
    hooked = host.has_hooks and not arguments.no_hooks
    _, words = program.server(hooks=host.heard_as if hooked else None)
    return words[len(program.words) - 1 :]


def _told(options: dict[str, str] | None) -> dict[str, object] | None:
    """What a bridge with these options tells the daemon."""
    if options is None:
        return None
    told: dict[str, object] = {
        name.removeprefix("--").replace("-", "_"): value for name, value in options.items()
    }
    told.pop("database", None)
    return told | ({"structured": True} if "structured" in told else {})


def _left_to_do(host: Host, changes: Sequence[Change]) -> list[str]:
    """What only the user can do, after what was written."""
    wrote = [change for change in changes if change.is_needed]
    hooked = any(change.after and f" hook {host.heard_as}" in change.after for change in wrote)
    told = [host.afterwards if wrote else "", host.trust if hooked else ""]
    return [text for text in told if text]


def _chosen(arguments: argparse.Namespace, places: Places) -> Sequence[Host]:
    wrong = [name for name in arguments.hosts if name not in HOSTS]
    if wrong:
        raise InvalidInput(f"there is no host {wrong[0]!r}; there are: {', '.join(HOSTS)}.")
    if not arguments.all and not arguments.hosts:
        found = [name for name, host in HOSTS.items() if host.is_present(places)]
        there = f"; on this machine are: {each(found)}" if found else ""
        raise InvalidInput(f"name a host, or --all{there}. There are: {', '.join(HOSTS)}.")
    chosen = [HOSTS[name] for name in dict.fromkeys(arguments.hosts)]
    if arguments.all:
        chosen += [
            host for host in HOSTS.values() if host not in chosen and host.is_present(places)
        ]
        if not chosen:
            raise InvalidInput(
                f"none of the hosts was found on this machine; name one: {', '.join(HOSTS)}."
            )
    return chosen


def _options(arguments: argparse.Namespace) -> list[str]:
    """What holds for this command holds for the server and the hooks too."""
    from memory_mcp.config import load_settings

    options: list[str] = []
    if arguments.database:
        options += ["--database", str(load_settings(database=arguments.database).database)]
    if arguments.agent:
        load_settings(agent=arguments.agent)  # refuses what is no name
        options += ["--agent", arguments.agent]
    if arguments.project_by:
        options += ["--project-by", arguments.project_by]
    return options


def _carry_out(change: Change, *, dry: bool) -> bool:
    """Do it and say so; whether it could be done."""
    title, path = change.host.title, indented(str(change.file.path))
    if change.problem:
        print(f"{title}: {path} was left as it is: {change.problem}", file=sys.stderr)
        return False
    if not change.is_needed:
        kept = "is as it should be" if change.installs else "holds nothing of memory-mcp"
        print(f"{title}: {path} {kept if change.before is not None else 'is not there'}.")
        return True
    if dry:
        print(change.difference(), end="")
        return True
    try:
        backup = carry_out(change)
    except MemoryMCPError as error:
        print(f"{title}: {error}", file=sys.stderr)
        return False
    verb = "removed" if change.after is None else "made" if change.before is None else "changed"
    kept = f" (as it was: {backup.name})" if backup else ""
    print(f"{title}: {path} was {verb}{kept}.")
    return True
