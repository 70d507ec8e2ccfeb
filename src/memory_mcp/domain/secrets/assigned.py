"""Values that their names call secret: `DB_PASSWORD=…`, `"apiKey": "…"`, `--token …`.

Two things must speak for it: the name, which ends in a word for a secret, and the value, which is
neither a reference nor an example nor code, and looks drawn or chosen by someone.
"""

import re
from collections.abc import Sequence

from memory_mcp.domain.secrets.placeholders import is_placeholder, is_random
from memory_mcp.domain.secrets.span import Span

VALUE_CHARS_MAX = 4_096
_NAME_CHARS_MAX = 64
_PASSWORD_CHARS_LEAST = 4
_KEY_CHARS_LEAST = 8
_DRAWN_CHARS_LEAST = 16

# What a name of a secret holds, in lower case. Looked for one by one, which is how bytes are found
# fastest.
_HINTS = ("pass", "secret", "token", "key", "auth")
_SIGNED_HINTS = (
    (";", "pwd"),
    ("$", "pwd"),
    ("_pwd", "pwd"),
    ("&", "sig"),
    ("?", "sig"),
    ("cred", "cred"),
)

# The word itself, and what may follow it in a name without making it another one.
_WORD = re.compile(
    r"""
    (?: pass (?: wor[dt] | wd | phrase | code )? | pwd | secrets? | tokens? | keys? | auth (?: orization )?
      | cred (?: s | ential s? )? | signature | sig(?==) )
    (?: (?: [_.-]? access[_.-]?key | [_.-]? key (?: [_.-]?base )? | [_.-]? token | [_.-]? secret | [_.-]? pass(?:word)? ) )*
    (?: [_.-] (?: prod (?: uction)? | dev | staging | stage | test | live | main | default | base | old | new
      | primary | secondary | value | plain | base64 | b64 | [0-9]{1,2} ) | [0-9]{1,2} ){0,2}
    (?![A-Za-z0-9_])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ASSIGNS = re.compile(
    r"""
    (?P<closing> \\{0,3} ["'`] | ["']?\] | \*\* )?
    (?:
      (?P<sign> [ \t]{0,20} (?: := | => | = (?!=) | : (?![:/=]) | \|(?!\|) ) [ \t]{0,20} (?: \\{0,2} \n [ \t]{1,20} )? )
      | (?P<element> > ) (?! [ \t=] )
      | (?P<value> [ \t]* ,? \s{0,40} [ \t-]* \\{0,3} ["']? value \\{0,3} ["']? \s{0,10} [:=] \s{0,10} )
      | (?P<gap> [ \t]{1,20} (?: is | was | to | as )? [ \t]{0,4} )
    )
    (?P<scheme> (?: bearer | basic | token | apikey | bot | hmac ) [ \t]+ )?
    (?P<open> (?: [rbuf]{0,2} \\{0,3} ["'`]{1,3} | \*\*`? | <!\[CDATA\[ )? )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_UNQUOTED = re.compile(r"""[^\s"'`,;&<>|)\]}\\][^\s"'`,;&<>|)\]}\\]*""")
_OF_A_LINE = re.compile(r"""[^\s"'`]+""")
_NEXT = re.compile(r"[&;][A-Za-z][\w.-]*=")
"""Where the next of several assignments on a line begins."""
_QUOTED = {
    quote: re.compile(rf"[^{quote}\n\\]+(?:\\[^{quote}\n][^{quote}\n\\]*)*") for quote in "\"'`"
}

_PASSWORDS = ("password", "passwort", "passwd", "pwd", "passphrase", "passcode", "pass")
_KEYS = re.compile(
    r"""
    (?: ^ | .* [^a-z] )? (?: auth | authorization | creds? | credentials? | signature | sig ) $
    | .* secrets? $ | .* tokens? $ | .* secretkey (?:base)? $
    | .* (?: api | app | application | access | secret | private | auth | encryption | encrypt | signing | sign
        | master | account | shared | service | role | deploy | subscription | license | licence | ingest
        | write | admin | hmac | aes | fernet | crypto | session | storage | integration | server | webhook
        | root | personal | consumer | jwt | cookie | host | user | client | rest | project | secret ) keys? $
    """,
    re.VERBOSE,
)
# Tokens and keys that open nothing, and names that merely end like one.
_OTHERS = re.compile(
    r"""
    (?: page | continuation | cursor | sync | csrf | xsrf | csrfmiddleware | cancel | cancellation | next | prev | design
      | eos | bos | pad | unk | mask | sep | cls | stop | special | start | end | max | num | total | input
      | output | prompt | completion | cached | reasoning | per | concurrency | idempotency | public
      | pub | publishable | site | anon | host | user | push | device | registration | client
      | thinking | image | audio | text | new | old | vocab | known | syntax | lexer | string ) (?: key | token ) s? $
    | (?: kubernetes | k8s | image | tls ) secrets? $
    | (?: author | by | com | low | sur | tres | over | under | en | tran | im | out | bi ) pass $
    """,
    re.VERBOSE,
)
_CODE = re.compile(
    r"""
    [A-Za-z_$][\w$]* (?: (?: \.|\?\.|::|-> ) [A-Za-z_$][\w$]* )+ ; ?     # object.attribute
    | [A-Za-z_$][\w.$]* [(\[{] .*                                         # call(…), List[…]
    | [A-Z]\w* \| .* | \w+ <.*
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z]+)*[.:;!?]?")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{24,}", re.IGNORECASE)
_UUIDS_OPEN = re.compile(
    r"api_?key|api_?token|access_?token|auth_?token|heroku|snyk|plaid|client_?secret|license|(?:private|secret)_?key"
)
_MASKED = re.compile(r"\[redacted: [^\]\n]{1,40}\]")
_LINE = re.compile(
    r"(?:^|[\n|]|\bexport|\bset|\benv|\bENV|\bARG|-e|--env|--build-arg|\\n)[ \t\"'>+$-]*\Z"
)


def words_in(low: str) -> list[tuple[str, int]]:
    """Where there is a word of a secret's name, by the way it begins; `low` is in lower case."""
    found: list[tuple[str, int]] = []
    for hint in _HINTS:
        at = low.find(hint)
        while at != -1:
            found.append((hint, at))
            at = low.find(hint, at + 3)
    for sign, hint in _SIGNED_HINTS:
        if sign in low:
            at = low.find(hint)
            while at != -1:
                found.append((hint, at))
                at = low.find(hint, at + 3)
    return found


def assigned_in(text: str, low: str, words: Sequence[tuple[str, int]]) -> list[Span]:
    """Values with a secret's name in `text`; `low` is the same in lower case, place by place."""
    masked = [found.span() for found in _MASKED.finditer(low)] if "[redacted: " in low else []
    spans: list[Span] = []
    for _, at in words:
        if (word := _WORD.match(text, at)) is None:
            continue
        if (assigns := _ASSIGNS.match(text, word.end())) is None:
            continue
        if not any(start <= at < end for start, end in masked):
            span = _value_of(text, low, at, assigns)
            if span is not None:
                spans.append(span)
    return spans


def _value_of(text: str, low: str, at: int, assigns: re.Match[str]) -> Span | None:
    start = _name_start(low, at)
    name = low[start : assigns.start()]
    kind = kind_of_name(name)
    return _value(text, start, at, name, kind, assigns) if kind is not None else None


def _name_start(low: str, at: int) -> int:
    """Where the name begins that holds the word at `at`: `DB_PASSWORD`, `secret access key`."""
    start = at
    while start and at - start < _NAME_CHARS_MAX:
        before = low[start - 1]
        is_part = "a" <= before <= "z" or "0" <= before <= "9" or before in "_-."
        # One space, where a name is written as words.
        is_space = before == " " and start > 1 and "a" <= low[start - 2] <= "z" and at - start < 12
        if not (is_part or is_space):
            break
        start -= 1
    return start


def kind_of_name(name: str) -> str | None:
    """What a value with this name is, if its name, in lower case, says that it is a secret."""
    last = re.split(r"[ ]", name)[-1]
    plain = re.sub(r"[^a-z]+", "", name)
    bare = (
        re.sub(
            r"(?:prod(?:uction)?|dev|staging|stage|live|main|default|value|plain|primary|secondary)$",
            "",
            plain,
        )
        or plain
    )
    if bare.endswith(_PASSWORDS):
        return None if _OTHERS.search(re.sub(r"[^a-z]+", "", last)) else "password"
    if _KEYS.fullmatch(bare) is None:
        return None
    if _OTHERS.search(bare) and not re.search(
        r"(?:api|access|secret|private|auth)(?:key|token)s?$", bare
    ):
        return None
    if "token" in last:
        return "token"
    return "key" if "key" in last else "secret"


def _value(
    text: str, start: int, word: int, name: str, kind: str, assigns: re.Match[str]
) -> Span | None:
    opening, sign = assigns["open"], assigns["sign"]
    first = assigns.end()
    quote = opening[-1:] if opening[-1:] in _QUOTED else ""
    is_flag = name.rpartition(" ")[2].startswith("-") and assigns["gap"] is not None
    if (
        assigns["gap"] is not None
        and not quote
        and not is_flag
        and not _is_said(text, word, assigns)
    ):
        return None
    is_line = sign is not None and sign.strip() == "=" and sign == "=" and _begins_line(text, start)
    if quote:
        found = _QUOTED[quote].match(text, first, first + VALUE_CHARS_MAX)
    elif is_line:
        found = _OF_A_LINE.match(text, first, first + VALUE_CHARS_MAX)
    else:
        found = _UNQUOTED.match(text, first, first + VALUE_CHARS_MAX)
    if found is None:
        return None
    value = found[0]
    if assigns["element"] and not text.startswith("</", first + len(value)):
        return None
    if is_line and (more := _NEXT.search(value)):
        value = value[: more.start()]
    if not quote:
        value = value.rstrip(",;" if is_line else ".,:!?" if assigns["gap"] else ".,")
    elif value.endswith("\\"):
        value = value.rstrip("\\")
    if not value:
        return None
    end = first + len(value)
    way = (
        "quoted"
        if quote
        else "line"
        if is_line
        else "flag"
        if is_flag
        else "said"
        if assigns["gap"]
        else "plain"
    )
    if kind == "password":
        is_secret = _is_password(text, value, name, way, sign, end)
    else:
        is_secret = _is_key(value, name, way, sign)
    return Span(first, end, kind) if is_secret else None


def _begins_line(text: str, start: int) -> bool:
    return start == 0 or _LINE.search(text, max(0, start - 16), start) is not None


def _is_said(text: str, start: int, assigns: re.Match[str]) -> bool:
    """Whether a value follows after a mere space: `password is …`, or `login … password …`."""
    gap = assigns["gap"].strip().lower()
    if gap in ("is", "was"):
        return True
    return (
        not gap
        and re.search(r"\blogin\s+\S{1,100}\s+\Z", text[max(0, start - 120) : start]) is not None
    )


def _is_password(text: str, value: str, name: str, way: str, sign: str | None, end: int) -> bool:
    if len(value) < _PASSWORD_CHARS_LEAST or is_placeholder(value):
        return False
    if way != "quoted" and way != "line" and _CODE.fullmatch(value):
        return False
    is_words = _WORDS.fullmatch(value) is not None
    has_digit = any(char.isdigit() for char in value)
    letters = sum(char.isalpha() for char in value)
    has_sign = any(not char.isalnum() and char not in "-_. :" for char in value)
    classes = sum(
        (any(c.islower() for c in value), any(c.isupper() for c in value), has_digit, has_sign)
    )
    if way == "quoted":
        if " " in value:
            return "phrase" in name and not value.endswith((".", "!", "?", ":"))
        if is_words:
            return (
                len(value) >= 14 and value.islower() and "-" not in value and "_" not in value
            ) or (value.count("-") >= 3 and value.islower())
        return (letters >= 1 and classes >= 2) or (value.isdigit() and len(value) >= 6)
    if way == "line":
        if _CODE.fullmatch(value) and not has_digit:
            return False
        return (not is_words and classes >= 2) or (
            is_words and len(value) >= 6 and not value.endswith(("word", "token", "key"))
        )
    if way == "said":
        is_strong = (
            classes >= 3 and has_digit and len(value) >= 8 and ("-" not in value or has_sign)
        )
        return (
            is_strong
            or (has_digit and letters >= 3 and text[end - len(value) - 1] in "\"'`")
            or (
                bool(
                    re.search(
                        r"\blogin\s+\S+\s+(?:password|passwd)\s+\Z",
                        text[max(0, end - len(value) - 140) : end - len(value)],
                    )
                )
            )
        )
    if sign is not None and sign.strip() == "=" and sign != "=" and _NAME.fullmatch(value):
        # `password = pw2` may be code: a name on the right.
        return len(value) >= 8 and has_digit and "_" not in value
    if is_words:
        return False
    if sign is not None and ":" in sign and not _ends_line(text, end):
        # `password: 12 letters` is prose; a value has its line, or its place in a list, for itself.
        return has_digit and classes >= 3
    return classes >= 2 and (letters >= 1) and len(value) >= 5


def _ends_line(text: str, end: int) -> bool:
    rest = text[end : end + 40].lstrip(" \t")
    return not rest or rest[0] in "\r\n,;}])&#|<\"'`\\" or rest.startswith(("//", "/*"))


def _is_key(value: str, name: str, way: str, sign: str | None) -> bool:
    if len(value) < _KEY_CHARS_LEAST or " " in value or is_placeholder(value):
        return False
    if _CODE.fullmatch(value) or value.startswith(("pk.", "pk_")):  # those are public
        return False
    if _UUID.fullmatch(value):
        return _UUIDS_OPEN.search(name.replace("-", "_").replace(" ", "_")) is not None
    if value.isdigit():
        return False
    if _WORDS.fullmatch(value):
        return False
    is_bare = way in ("plain", "said")
    if way == "said" or (is_bare and sign is not None and sign.strip() != "="):
        return len(value) >= _DRAWN_CHARS_LEAST and is_random(value, 2)
    if _HEX.fullmatch(value):
        return True
    if is_bare and sign is not None and sign != "=" and _NAME.fullmatch(value):
        return len(value) >= _DRAWN_CHARS_LEAST and is_random(value, 3)
    return is_random(value, 1 if len(value) < 24 else 2)
