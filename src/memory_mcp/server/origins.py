"""Whom a browser was told it speaks to, and whose page asks: `Host` and `Origin`, compared whole.

A page of anywhere may have a browser send requests to this machine (DNS rebinding, and plain forms
of `fetch`). Its name stands in one of the two headers, so both must name this machine, or where
others may connect, `Origin` must name the host that was asked.
"""

import ipaddress
import re
from collections.abc import Iterable

from starlette.responses import JSONResponse

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)
_LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))


def host_in(authority: str) -> str | None:
    """The name in `name`, `name:port`, `[address]` or `[address]:port`; `None` for anything else.

    In lower case, without the dot that may end a whole name, addresses in their shortest form.
    """
    found = _HOST.fullmatch(authority.lower())
    if found is None or not 0 < int(found["port"] or 1) < 65_536:
        return None
    name = found["name"]
    if not name.startswith("["):
        return name.removesuffix(".") or None
    try:
        return ipaddress.IPv6Address(name[1:-1]).compressed
    except ValueError:
        return None


def origin_in(origin: str) -> str | None:
    """The host of a web page's origin; `None` for one that is no page of http or https."""
    scheme, separator, authority = origin.partition("://")
    return host_in(authority) if separator and scheme.lower() in ("http", "https") else None


def refusal_of(hosts: Iterable[str], origins: Iterable[str], *, local: bool) -> JSONResponse | None:
    """The answer to a request with these headers that is turned away; `None` if it may go on.

    `local`: whether the server is for this machine alone.
    """
    told = list(hosts)
    host = host_in(told[0]) if len(told) == 1 else None
    if host is None or (local and host not in _LOCAL):
        text = "the Host header names no host of this server; ask it at the address it serves."
        return JSONResponse({"error": text}, status_code=421)
    pages = list(origins)
    if not pages:
        return None
    page = origin_in(pages[0]) if len(pages) == 1 else None
    if page is None or page not in (_LOCAL if local else {*_LOCAL, host}):
        text = "the Origin header names a page of elsewhere, which may not use this server."
        return JSONResponse({"error": text}, status_code=403)
    return None
