"""Names of secrets: which words they end in, and where such a name gets a value."""

import re
from collections.abc import Sequence
from functools import lru_cache

NAME_CHARS_MAX = 48

Word = tuple[str, int]
"""A word that names of secrets hold, by the way it begins, and where it stands."""

# Looked for one by one, which is the fastest way to go through a long text; the second ones only
# where there is what stands before them, or another word of theirs.
_HINTS = ("pass", "secret", "token", "key", "auth", "contrase", "senha")
_SIGNED_HINTS = (
    (";", "pwd"),
    ("$", "pwd"),
    ("_pwd", "pwd"),
    ("-signature=", "signature="),
    ("&", "sig"),
    ("?", "sig"),
    ("cred", "cred"),
)

# The word itself, what may follow in a name without making it another one, and how its value is
# given: after a sign, in an element, as the value beside the name, or after a mere space.
NAMED = re.compile(
    r"""
    (?: pass (?: wor[dt] | wd | phrase | code | e )? | contrase[n?]a | senha | pwd
      | secrets? | tokens? | keys? | auth (?: orization )? | cred (?: s | ential s? )?
      | signature | sig(?==) )
    (?: [_.-]? access[_.-]?key | [_.-]? key (?: [_.-]?base )? | [_.-]? token | [_.-]? secret
      | [_.-]? pass (?: word )? ){0,3}
    (?: [_.-] (?: prod (?: uction )? | dev | staging | stage | test | live | main | default | base
        | old | new | primary | secondary | value | plain | base64 | b64 | [0-9]{1,2} )
      | [0-9]{1,2} | [ ] [0-9]{1,2} (?= [ ]? : ) ){0,2}
    (?! [a-z0-9_] ) (?P<end>)
    (?: \\{0,3} ["'`] | ["']? \] | \*\* )?
    (?:
      (?P<sign> [ \t]{0,20} (?:
          # with its type
          : [ \t]? (?: & (?: 'static [ ] )? )? [a-z][\w.]{0,40} (?: \[ [^\]\n]{0,60} \] )?
            (?: [ ]? \| [ ]? \w{1,20} )? [ \t]? = [ \t]{0,20} (?= [rbuf]{0,2} ["'`] )
          | := | => | = (?! = ) | : (?! [:/=] ) | \| (?! \| ) ) [ \t]{0,20}
        (?: (?: [|>][+-]? )? \\{0,2} \n [ \t]{1,20} )? )
      | (?P<element> > ) (?! [ \t=] )
      | (?P<call> \( \s{0,4} (?= ["'] ) )
      | (?P<value> [ \t]{0,4} ,? \s{0,40} (?: - [ \t] )? \\{0,3} ["']? value \\{0,3} ["']?
        \s{0,10} [:=] \s{0,10} )
      | (?P<gap> (?: ['?]s )? [ \t]{1,20}
          (?: (?: for | of | to ) [ ] (?: [\w.-]{1,30} [ ] ){1,6}? (?: is | was ) [ ]
            | (?: (?: (?: should | will | must ) [ ] be | has [ ] been | is | was ) [ ] )?
              (?: now [ ] )? (?: (?: re )? set [ ] | changed [ ] )? to [ ]
            | (?<= senha [ ] ) \? [ ]  # `é`
            | (?: is | was | lautet | ist | es | est ) [ \t] (?: (?: now | still ) [ ] )? )? )
    )
    (?: (?: bearer | basic | token | apikey | bot | hmac ) [ \t]{1,4} )?
    (?P<open> (?: [rbuf]{0,2} \\{0,3} ["'`]{1,3} | \*\* `? | <!\[cdata\[ )? )
    (?: (?: bearer | basic | token | api-?key | bot | hmac | ssws | flyv1 | geniekey | oauth )
      [ \t]{1,4} | pass: )?
    """,
    re.VERBOSE,
)

_PASSWORDS = (
    "password",
    "passwort",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "pass",
    "motdepasse",
    "contrasea",
    "contrasena",
    "senha",
)
_SUFFIX = re.compile(
    "(?:prod(?:uction)?|dev|staging|stage|live|main|default|value|plain|primary|secondary)$"
)
_SECRETS = re.compile(
    r"""
    (?: x (?: amz | goog | oss | cos ) )? (?: auth | authorization | creds?
        | credentials? | signature | sig )
    | .* (?: secrets? | tokens? | secretkey (?: base )? )
    | .* (?: api | app | application | access | secret | private | auth | encryption | encrypt
        | signing | sign | master | account | shared | service | role | deploy | subscription
        | license | licence | ingest | write | admin | hmac | aes | fernet | crypto | session
        | unseal | recovery | storage | integration | server | webhook | root | personal
        | consumer | jwt | cookie | host | user | client | rest | project ) keys?
    """,
    re.VERBOSE,
)
# Tokens and keys that open nothing, and names that merely end like one.
_OTHERS = re.compile(
    r"""
    (?: page | continuation | cursor | sync | csrf | xsrf | csrfmiddleware | cancel | cancellation
      | next | prev | design | eos | bos | pad | unk | mask | sep | cls | stop | special | start
      | end | max | num | total | input | output | prompt | completion | cached | reasoning | per
      | concurrency | idempotency | public | pub | publishable | site | anon | host | user | push
      | device | registration | client | thinking | image | audio | text | new | old | vocab
      | known | syntax | lexer | string ) (?: key | token ) s? $
    | (?: kubernetes | k8s | image | tls ) secrets? $
    | (?: author | by | com | low | sur | tres | over | under | en | tran | im | out | bi ) pass $
    """,
    re.VERBOSE,
)
_SURELY = re.compile("(?:api|access|secret|private|auth)(?:key|token)s?$")
_NO_LETTERS = re.compile("[^a-z]+")


def words_in(low: str) -> list[Word]:
    """Where there is a word of a secret's name; `low` is in lower case."""
    found: list[Word] = []
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


def name_start(low: str, at: int) -> int:
    """Where the name begins that holds the word at `at`: `DB_PASSWORD`, `secret access key`."""
    start = at
    while start and at - start < NAME_CHARS_MAX:
        before = low[start - 1]
        is_part = "a" <= before <= "z" or "0" <= before <= "9" or before in "_-."
        # One space, where a name is written as words.
        is_space = before == " " and start > 1 and "a" <= low[start - 2] <= "z" and at - start < 12
        if not (is_part or is_space):
            break
        start -= 1
    return start


@lru_cache(maxsize=512)
def kind_of_name(name: str) -> str | None:
    """What a value with this name is, if its name, in lower case, says that it is a secret."""
    last = name.rstrip(" 0123456789").rpartition(" ")[2]
    plain = _NO_LETTERS.sub("", name)
    bare = _SUFFIX.sub("", plain) or plain
    if bare.endswith(_PASSWORDS):
        return None if _OTHERS.search(_NO_LETTERS.sub("", last)) else "password"
    if _SECRETS.fullmatch(bare) is None or (_OTHERS.search(bare) and not _SURELY.search(bare)):
        return None
    return "token" if "token" in last else "key" if "key" in last else "secret"


def ends_in_word(words: Sequence[Word], word: str, before: str, low: str) -> bool:
    """Whether one of the words stands after `before`."""
    return any(each == word and low.endswith(before, 0, at) for each, at in words)
