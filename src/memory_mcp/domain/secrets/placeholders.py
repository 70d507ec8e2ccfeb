"""What stands in a secret's place and is none: names, references, blanks, examples."""

import re
from functools import lru_cache

_REFERENCE = re.compile(
    r"""
      [$%{<\[(*!&@#?] .* [)}\]>%] |  # ${NAME}, {{ name }}, <your-key>, [redacted: …]
      \$ (?: \{ .* | \w+ | \( .* ) |        # cut off at a space
      % (?: \( \w+ \) )? [sdvq] |            # to be printed there
      (?: required | nullable | sometimes | bail ) [|,] .* |    # how a field is checked
      [!&*] [A-Za-z] [\w.-]* |              # YAML: !vault, &anchor, *alias
      [{<\[(] .* |
      (?: file | env | vault | secret | secrets | ref | ssm | arn | op | kms | gcp | sops | awssm
        | azurekv | aws | keyring | https? | sha\d+ | md5 | data | urn | oci | docker | s3 | gs
        | bws ) : [^\s]* |
      ref\+ .* | AQICAH .* | ENC\[ .* | vault- .* |
      (?! [A-Za-z0-9/]{40} $ ) (?: \.{0,2} / | ~/ | [A-Za-z]:\\ ) [\w./\\~-]* |   # a path
      (?: process\.env | os\.environ | os\.getenv | import\.meta | config | settings | self | this
        | args | env | ctx | request | req | ENV | secrets | vars | var | local | data | module )
        (?: \.\?? | \[ | \( ) .*
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(
    r"(.)\1*|[*x•●X.\-_…?#]+|[x*•]{3,}.*|.*(?:\*{3,}|•{3,}|x{5,}|X{5,}|\.{3}|…).*", re.DOTALL
)
# Words with which people write examples; a value made of them is nobody's. Short ones stand in what
# a machine drew by chance, and count as whole words only.
_SHORT = "|".join(
    f"{word}|{word.title()}|{word.upper()}"
    for word in (
        *("my", "you", "your", "yours", "replace", "insert", "dummy", "masked", "removed"),
        *("hidden", "omitted", "todo", "fixme", "sample", "fake"),
    )
)
"""Written as one writes words: `mY` between two signs is chance."""
_EXAMPLE = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_SHORT})(?![A-Za-z0-9])"
    r"|(?i:example|change_?-?me|placeholder|redacted|not_?-?(?:a_?-?)?real|goes_?-?here|abcdefgh|foobar"
    r"|my(?:secret|password|token|apikey|key)|password|passwd|secret_?-?key|api_?-?key"
    r"|access_?-?token|undefined)"
)
_COMMON = frozenset(
    """
    none null nil true false undefined yes no on off any all str string text int bool number
    bytes object password passwort pass passwd pwd secret secrets token tokens key keys auth
    user username admin administrator root guest test testing test123 demo default example
    postgres postgresql mysql mariadb mongo mongodb redis rabbitmq minio elastic changeit
    changeme letmein qwerty public private required optional empty unset missing invalid valid
    expired unknown value values hidden field input hash hashed encrypted plain plaintext
    basic bearer digest oauth oauth2 jwt apikey cookie session ssh gpg prompt ask stdin file
    env vault keychain manual auto unchanged rejected accepted failed reset forgotten
    authenticated anonymous localhost foo bar baz foobar abc abc123 xyz 123456 12345678 1234
    12345
    """.split()
)


def is_reference(value: str) -> bool:
    """Whether it says where a secret is to be found, and not what it is."""
    return _REFERENCE.fullmatch(value) is not None


@lru_cache(maxsize=256)
def is_placeholder(value: str) -> bool:
    """Whether nobody's secret is this: a blank, a reference, an example."""
    return (
        value.casefold() in _COMMON
        or _BLANK.fullmatch(value) is not None
        or is_reference(value)
        or _EXAMPLE.search(value) is not None
    )


@lru_cache(maxsize=256)
def is_random(value: str, digits: int = 1) -> bool:
    """Whether it reads as if a machine had drawn it: digits among letters, few of them alike."""
    letters = sum(map(str.isalpha, value))
    if is_mixed(value, 24):
        return True
    return (
        sum(map(str.isdigit, value)) >= digits
        and letters >= 2
        and len(set(value)) >= min(8, 2 + len(value) // 3)
    )


def is_mixed(value: str, least: int) -> bool:
    """Whether its letters are large and small as drawn: a name in camel case has few large ones."""
    chars = len(value)
    if chars < least or not (value.isalnum() and value.isascii()):
        return False
    large = sum(map(str.isupper, value))
    small = sum(map(str.islower, value))
    return 4 * large > chars and 4 * small > chars and len(set(value)) >= 8
