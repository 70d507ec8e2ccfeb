"""Secrets are taken out of whatever is stored, before it is stored.

What is recognised is said in `secrets/`: tokens by the marks that their issuers give them, values
by the names they are given, and what stands in addresses, headers and private keys. A password in
plain words is not recognised.

A text is redacted first and cut then: half a secret would not be recognised.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.secrets.assigned import assigned_in
from memory_mcp.domain.secrets.framed import framed_in
from memory_mcp.domain.secrets.names import kind_of_name, words_in
from memory_mcp.domain.secrets.span import Span, apart
from memory_mcp.domain.secrets.tokens import tokens_in
from memory_mcp.domain.texts import clip, counted

DEPTH_MAX = 50
"""How deep a JSON value may be nested."""
ALLOWED_MAX = 200
ALLOWED_CHARS_MAX = 500
_PASSES_MAX = 4
_SHORT_CHARS = 2_000
# All that a secret needs: a digit, a sign that gives a name its value, or that of a mark.
_IDLE = bytes(code for code in range(256) if chr(code) not in "0123456789:=|>_-")


@dataclass(frozen=True, slots=True)
class Redaction:
    """What a process takes out of texts."""

    is_on: bool = True
    allowed: tuple[str, ...] = ()
    """Secrets that are none, word for word; a `*` stands for anything."""

    def allows(self, secret: str) -> bool:
        """Whether it may be stored as it is."""
        # Whole words and `*` alone: no pattern of them can take longer than the text is long.
        return any(fnmatchcase(secret, each) for each in self.allowed)


def allowed_secrets(told: str) -> tuple[str, ...]:
    """The secrets in a list of them, separated by white space.

    Raises:
        InvalidInput: there are too many, or one is too long or would let everything pass.
    """
    allowed = tuple(dict.fromkeys(told.split()))
    if len(allowed) > ALLOWED_MAX or any(len(each) > ALLOWED_CHARS_MAX for each in allowed):
        raise InvalidInput(
            f"MEMORY_MCP_REDACT_ALLOW may have {ALLOWED_MAX} entries of {ALLOWED_CHARS_MAX} "
            "characters each."
        )
    for one in allowed:
        if len(one.replace("*", "")) < 4 or one.count("*") > 3:
            raise InvalidInput(
                f"MEMORY_MCP_REDACT_ALLOW has {clip(one, 60)!r}; an entry needs 4 characters "
                "besides its stars, of which it may have 3. MEMORY_MCP_REDACT=off turns all of it "
                "off."
            )
    return tuple(one.replace("[", "[[]").replace("?", "[?]") for one in allowed)


_in_force = Redaction()
_QUOTES = re.compile(r'["\\\n]')


def put_in_force(redaction: Redaction) -> None:
    """Say what this process takes out of texts; whoever opens a store says it once."""
    global _in_force
    _in_force = redaction


def secrets_in(text: str) -> list[Span]:
    """Where secrets stand in the text, in order, none within another."""
    if len(text) < _SHORT_CHARS and not text.encode("utf-8", "surrogatepass").translate(
        None, _IDLE
    ):
        return []
    plain = text.encode("ascii", "replace")  # a byte a character, which `?` stands for if need be
    low = text.lower() if text.isascii() else plain.lower().decode("ascii")
    words = words_in(low)
    found = tokens_in(text, plain) + framed_in(text, low, words)
    if words:
        found += assigned_in(text, low, words)
    if not found:
        return found
    found = apart(found)
    if _in_force.allowed:
        found = [span for span in found if not _in_force.allows(text[span.start : span.end])]
    return found


def redact(text: str) -> str:
    """`text` with every recognised secret replaced by `[redacted: kind]`.

    The same secret always gives the same text, and redacting it again changes nothing.
    """
    return _redact(text, None)


def _redact(text: str, kinds: Counter[str] | None) -> str:
    if not _in_force.is_on:
        return text
    # What is redacted may bring up another: a name that has a value now.
    for _ in range(_PASSES_MAX):
        spans = secrets_in(text)
        if not spans:
            break
        parts: list[str] = []
        at = 0
        for span in spans:
            parts += (text[at : span.start], f"[redacted: {span.kind}]")
            at = span.end
            if kinds is not None:
                kinds[span.kind] += 1
        text = "".join((*parts, text[at:]))
    return text


def redacted(told: Any) -> Any:
    """A JSON value with every text in it redacted, names too.

    Raises:
        InvalidInput: it is nested too deep.
    """
    return _walk(told, None, 0)


def redacted_json(text: str | None) -> str | None:
    """JSON with every text in it redacted; as it is where there is nothing to take out."""
    if text is None:
        return None
    told = json.loads(text)
    plain = redacted(told)
    return text if plain == told else json.dumps(plain, ensure_ascii=False)


def kinds_in(*told: Any) -> Counter[str]:
    """The kinds of secrets in JSON values, with how many there are of each."""
    kinds = Counter[str]()
    for one in told:
        _walk(one, kinds, 0)
    return kinds


def told_kinds(kinds: Counter[str]) -> str:
    """What was taken out, for whoever sent it: `1 secret was masked (GitHub token): …`."""
    if not kinds:
        return ""
    number = sum(kinds.values())
    names = [kind if times == 1 else f"{times} × {kind}" for kind, times in kinds.most_common()]
    were, their = ("was", "its") if number == 1 else ("were", "their")
    return (
        f"{counted(number, 'secret')} {were} masked ({', '.join(names)}): in {their} place memory "
        f"keeps [redacted: {kinds.most_common(1)[0][0]}]."
    )


def in_short(text: str, chars: int) -> str:
    """`text` redacted, then cut to so many characters."""
    return clip(redact(text), chars)


def _walk(told: Any, kinds: Counter[str] | None, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise InvalidInput(f"metadata is nested more than {DEPTH_MAX} deep.")
    if isinstance(told, str):
        return _redact(told, kinds)
    if isinstance(told, list | tuple):
        return [_walk(part, kinds, depth + 1) for part in cast("list[Any]", told)]
    if isinstance(told, dict):
        return {
            _redact(name, kinds): _under(name, part, kinds, depth)
            for name, part in cast("dict[str, Any]", told).items()
        }
    return told


def _under(name: str, part: Any, kinds: Counter[str] | None, depth: int) -> Any:
    """A part of a JSON value, which its name may call a secret."""
    plain = _walk(part, kinds, depth + 1)
    if isinstance(part, str) and plain == part and kind_of_name(name.lower()) is not None:
        called, judged = f'{name}="', _QUOTES.sub("x", part)
        whole = _redact(f'{called}{judged}"', kinds)
        return whole[len(called) : -1] if whole != f'{called}{judged}"' else plain
    return plain
