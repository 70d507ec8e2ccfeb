"""Secrets in a frame: addresses, headers, private keys, command lines, lines of `.pgpass`.

Only what is secret in a frame is taken: of an address the password, of a cookie its value.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence

from memory_mcp.domain.secrets.placeholders import is_placeholder, is_random
from memory_mcp.domain.secrets.span import Span

Finder = Callable[[str, str], Iterator[Span]]
"""Finds secrets in a text; also given it in lower case, character by character."""

_ADDRESS = re.compile(
    r"""://([^\s/:@'"<>`\\]{0,256}):([^\s/'"<>`\\@]{1,1024}(?:@[^\s/'"<>`\\@:]{1,256}(?=@))?)@(?=[\w\[$%-])"""
)
_TOKEN_ADDRESS = re.compile(r"""://([A-Za-z0-9_-]{30,255})(?::|:x-oauth-basic)?@(?=[\w\[])""")
_SCHEMES = ("bearer ", "authorization: token ", "authorization: apikey ", "authorization: key ")
_BEARER = re.compile(r"""\s{0,4}["']?([A-Za-z0-9_.~+/=:|-]{10,4096})""")
_BASIC = re.compile(r"\s{0,4}([A-Za-z0-9+/_-]{6,4096}={0,2})(?![A-Za-z0-9+/=_-])")
_COOKIES = re.compile(r"""(?i:\b(?:set-)?cookie)["']?\s{0,4}[:=]\s{0,4}["']?([^\r\n"'`]{1,8192})""")
_COOKIE = re.compile(r"([!#$%&*+.^|~\w-]{1,256})=([^;,\s\"']{8,4096})")
_COOKIE_NAMES = re.compile(
    r"sess|token|auth|sid|jwt|login|remember|user|identity|csrf|xsrf|secret|key|connect\.", re.I
)
_COOKIE_ATTRIBUTES = frozenset(
    ("expires", "path", "domain", "max-age", "samesite", "priority", "version")
)
_CURL_USER = re.compile(
    r"""(?<![\w-])(?:-u|--user|--proxy-user)(?:=|\s{0,4})(["']?)([^\s:"'$]{1,128}):([^\s"']{1,512})"""
)
_CURLS = ("curl", "http ", "wget", "xh ", "httpie")
# After the two slashes: how addresses of webhooks begin, and from there on what of them opens them.
_WEBHOOK = re.compile(
    r"""(?:
        hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?:T[A-Z0-9]{6,}/)?+(?:[AB][A-Z0-9]{6,}/)?+
      | (?:[\w-]{1,20}\.)?discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/[0-9]{15,22}/
      | [\w-]{1,60}\.webhook\.office\.com/webhookb2/
      | outlook\.office(?:365)?\.com/webhook/
      | [\w.-]{1,60}\.logic\.azure\.com(?::443)?/workflows/[0-9a-f]{32}/[^\s"'<>]{1,200}?[?&]sig=
      | hooks\.zapier\.com/hooks/catch/(?=[0-9])
      | maker\.ifttt\.com/(?:trigger/[^\s/]{1,80}/(?:json/)?with/key|use)/
      | chat\.googleapis\.com/v1/spaces/[\w-]{1,60}/messages\?key=[\w-]{1,80}&(?:amp;)?token=
    )([\w/@%.+=:-]{16,600})""",
    re.VERBOSE | re.ASCII,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
# What may stand between the lines of a key where it is quoted, escaped, indented or in a diff.
_BREAK = r"(?:[\s>|+#\"',;*()&.]|\\{1,3}[nrt]|\\{1,3}\n|<br ?/?>)"
_KEY_HEADERS = re.compile(
    rf"{_BREAK}{{0,40}}(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|Key-\w+):[^\n\\]{{0,200}}{_BREAK}{{0,20}}){{0,6}}"
)
_KEY_LINE = re.compile(rf"([A-Za-z0-9+/=]{{4,}})({_BREAK}{{0,40}})")
_KEY_CHARS_LEAST = 16
_PUTTY = re.compile(
    r"(Private-Lines: (\d{1,4})\r?\n)((?:[A-Za-z0-9+/=]{1,80}(?:\r?\n|\Z)){1,200})"
    r"(?:Private-(?:MAC|Hash): ([0-9a-f]{40,64}))?"
)
_PGPASS = re.compile(
    r"^[^\s:#]{1,253}:(?:\d{2,5}|\*):[^\s:]{1,128}:[^\s:]{1,128}:(\S{3,512})$", re.MULTILINE
)
_COMMAND_HINTS = (
    "identified ",
    "mysql",
    "redis-cli",
    ":thin:",
    "sqlplus",
    " pass:",
    "securestring",
)
_COMMANDS = re.compile(
    r"""(?: \bsshpass\s+-p\s{0,3}
        | \bmysql(?:dump|admin|import|show)?\b[^\n|;]{0,120}?\s-p(?=\S)
        | \bredis-cli\b[^\n|;]{0,120}?\s-a\s{1,3}
        | :thin:[^\s/:@"']{1,128}/(?=[^\s"'@]{4,256}@)
        | \bsqlplus\s+(?:-\w{1,3}\s+){0,3}[\w$#]{1,128}/(?=[^\s"'@]{4,256}@)
        | \s-pass(?:in|out)?\s{1,3}pass:
        | \bconvertto-securestring\s+(?:-string\s+)?(?=["'])
        | \bidentified\s+(?:with\s+\S{1,40}\s+)?by\s{1,3}(?:password\s+)?
        )["']?([^\s"']{4,256})""",
    re.VERBOSE | re.IGNORECASE,
)


def _addresses(text: str, low: str) -> Iterator[Span]:
    at = text.find("://")
    while at != -1:
        if (found := _ADDRESS.match(text, at)) is not None:
            if _is_chosen(found[2], found[1]):
                yield Span(*found.span(2), "password")
        elif (found := _TOKEN_ADDRESS.match(text, at)) is not None:
            # A Sentry address names its project so, which is public.
            host = text[found.end() : found.end() + 80].partition("/")[0]
            if "sentry" not in host and is_random(found[1], 2) and not is_placeholder(found[1]):
                yield Span(*found.span(1), "token")
        elif (found := _WEBHOOK.match(text, at + 3)) is not None:
            if any(char.isdigit() for char in found[1]) and not is_placeholder(found[1]):
                yield Span(*found.span(1), "webhook")
        at = text.find("://", at + 3)


def _is_chosen(secret: str, user: str) -> bool:
    """Whether a password in an address is one: no blank, no example, no name, no port."""
    is_name = secret.isalpha() and (len(secret) < 6 or secret.casefold() == user.casefold())
    is_port = secret.isdigit() and len(secret) < 6
    return not (is_name or is_port or is_placeholder(secret))


def _bearers(text: str, low: str) -> Iterator[Span]:
    for scheme in _SCHEMES:
        for found in _after(scheme, _BEARER, text, low):
            value = found[1].rstrip(".:|")
            if is_random(value, 1) and not is_placeholder(value):
                yield Span(found.start(1), found.start(1) + len(value), "token")


def _after(word: str, pattern: re.Pattern[str], text: str, low: str) -> Iterator[re.Match[str]]:
    """What stands after each place of a word."""
    at = low.find(word)
    while at != -1:
        if (found := pattern.match(text, at + len(word))) is not None:
            yield found
        at = low.find(word, at + len(word))


def _basics(text: str, low: str) -> Iterator[Span]:
    for found in _after("basic ", _BASIC, text, low):
        value = found[1].replace("-", "+").replace("_", "/").rstrip("=")
        try:
            told = b64decode(value + "=" * (-len(value) % 4)).decode("ascii")
        except (ValueError, binascii.Error):
            continue
        secret = told.partition(":")[2]
        if secret and told.isprintable() and not is_placeholder(secret):
            yield Span(*found.span(1), "password")


def _cookies(text: str, low: str) -> Iterator[Span]:
    for header in _COOKIES.finditer(text):
        for found in _COOKIE.finditer(text, *header.span(1)):
            name, value = found[1].lower(), found[2]
            if name in _COOKIE_ATTRIBUTES or is_placeholder(value):
                continue
            is_named = _COOKIE_NAMES.search(name) is not None
            if (is_random(value, 1) and (is_named or len(value) >= 20)) or (
                is_named and len(value) >= 16 and not value.isalpha()
            ):
                yield Span(*found.span(2), "cookie")


def _users(text: str, low: str) -> Iterator[Span]:
    if not any(each in low for each in _CURLS):
        return
    for found in _CURL_USER.finditer(text):
        secret = found[3]
        if not is_placeholder(secret) and not secret.isdigit() and len(secret) >= 4:
            yield Span(*found.span(3), "password")


def _private_keys(text: str, low: str) -> Iterator[Span]:
    """Private keys with all their lines. Who writes about one has none after its first line."""
    at = 0
    while (begins := _PRIVATE_KEY.search(text, at)) is not None:
        at = begins.end()
        headers = _KEY_HEADERS.match(text, at)
        first = headers.end() if headers else at
        chars, end = 0, first
        place, lines = first, 0
        while (line := _KEY_LINE.match(text, place)) is not None:
            is_short = len(line[1]) < 40 and lines and not _ends(line[2], text, line.end())
            if is_short or not (lines or _is_key_line(line, text)):
                break
            chars, lines, end, place = chars + len(line[1]), lines + 1, line.end(1), line.end()
        if not lines or (chars < _KEY_CHARS_LEAST and not _PRIVATE_KEY_END.match(text, place)):
            continue
        ends = _PRIVATE_KEY_END.match(text, place)
        at = ends.end() if ends else end
        yield Span(begins.start(), at, "private key")


def _is_key_line(line: re.Match[str], text: str) -> bool:
    """Whether a key begins with this line: a whole line, not the first word of a sentence."""
    return len(line[1]) >= 40 or _ends(line[2], text, line.end())


def _ends(gap: str, text: str, at: int) -> bool:
    """Whether a line ends there: at its break, at the text's end, or where the key ends."""
    return "\n" in gap or "\\n" in gap or at == len(text) or text.startswith("-----END", at)


def _putty_keys(text: str, low: str) -> Iterator[Span]:
    for found in _PUTTY.finditer(text):
        lines = found[3].rstrip("\r\n")
        yield Span(found.start(3), found.start(3) + len(lines), "private key")
        if found[4]:
            yield Span(*found.span(4), "private key")


def _pgpass(text: str, low: str) -> Iterator[Span]:
    for found in _PGPASS.finditer(text):
        if not is_placeholder(found[1]) and not found[1].isdigit():
            yield Span(*found.span(1), "password")


def _commands(text: str, low: str) -> Iterator[Span]:
    for found in _COMMANDS.finditer(text):
        secret = found[1]
        if "/" in found[0][: -len(secret)]:
            secret = secret.partition("@")[0]  # Oracle's way: user/password@host
        if not is_placeholder(secret) and not secret.startswith("-"):
            yield Span(found.start(1), found.start(1) + len(secret), "password")


def framed_in(text: str, low: str, words: Sequence[tuple[str, int]]) -> list[Span]:
    """Secrets in a frame; `low` is `text` in lower case, and `words` what a name of a secret holds.

    A long text is gone through once for each thing that is looked for, so few are.
    """
    finders: set[Finder] = set()
    if ":" in low:
        if "://" in low:
            finders.add(_addresses)
        if ":5432:" in low:
            finders.add(_pgpass)
    if "bearer " in low:
        finders.add(_bearers)
    if "cookie" in low:
        finders.add(_cookies)
    if any(each in low for each in _COMMAND_HINTS):
        finders.add(_commands)
    if "curl" in low:
        finders.add(_users)
    for word, at in words:
        if word == "key" and low.endswith("private ", 0, at):
            finders.add(_private_keys)
        elif word == "key" and low.endswith("putty-user-", 0, at):
            finders.add(_putty_keys)
        elif word == "auth":
            finders |= {_bearers, _basics}
        elif word == "pass" and low.endswith(("ssh", "pg"), 0, at):
            finders |= {_commands, _pgpass}
    return [span for finder in finders for span in finder(text, low)] if finders else []
