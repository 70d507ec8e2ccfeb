"""The hosts on this machine: which have memory, is it set up right, when were they heard."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from memory_mcp.cli.doctor.finding import Finding
from memory_mcp.domain.texts import each
from memory_mcp.domain.times import age
from memory_mcp.hosts.health import Health, look_at
from memory_mcp.hosts.host import Places
from memory_mcp.hosts.install import HOSTS


def look(heard: Mapping[str, datetime] | None, now: datetime) -> Iterator[Finding]:
    """A line for each host with memory, and one for those that are here without.

    `heard`: when hooks of each last told something; `None` where that is not known.
    """
    places = Places.here()
    without: list[str] = []
    for host in HOSTS.values():
        health = look_at(host, places)
        if health.has_server or health.has_hooks:
            yield _of(health, heard, now)
        elif not host.is_present(places):
            continue
        elif health.problems:
            told = f"{host.title} cannot be set up: {'; '.join(health.problems)}"
            yield Finding(host.name, "wrong", told, "mend that file by hand")
        else:
            without.append(host.name)
    if without:
        install = f"memory-mcp install {' '.join(without)}"
        yield Finding("hosts", "note", f"here, and without memory: {each(without)}", install)


def _of(health: Health, heard: Mapping[str, datetime] | None, now: datetime) -> Finding:
    host = health.host
    if health.problems:
        told = f"{host.title}: {'; '.join(health.problems)}"
        first = "mend that file by hand, then " if health.unreadable else ""
        return Finding(host.name, "wrong", told, f"{first}memory-mcp install {host.name}")
    told = f"{host.title} has the server" + (" and the hooks" if health.has_hooks else "")
    if not health.records:
        told += ", but neither hooks nor the capture tools: what is said is not recorded"
        return Finding(host.name, "note", told, f"memory-mcp install {host.name}")
    if not health.has_hooks or heard is None:
        return Finding(host.name, "ok", told)
    if at := heard.get(host.heard_as):
        return Finding(host.name, "ok", f"{told}; last heard {age(at, now)}")
    told = f"{told}; no hook of it was heard on this store yet"
    return Finding(host.name, "note", told, host.trust or host.afterwards)
