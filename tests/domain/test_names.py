"""Which names mean the same."""

import sys
import unicodedata

import pytest

from memory_mcp.domain.names import name_key

SAME = [
    ["Bob", "BOB", "bob", " bob ", "\uff22\uff2f\uff22"],
    ["Stra\u00dfe", "STRASSE", "strasse", "STRA\u1e9eE"],
    ["I\u015eIK", "\u0131\u015f\u0131k", "i\u015fik", "\u0130\u015f\u0130K", "I\u015f\u0131k"],
    ["Zo\u00eb", "ZO\u00cb", "Zoe\u0308", "ZOE\u0308"],
    ["\ufb01le", "FILE", "\ufb01LE"],
    ["\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2"],
    ["\uac00", "\u1100\u1161"],
    ["\u30ac", "\uff76\uff9e"],
]
DIFFERENT = [
    ["bob", "rob"], ["bob", "bobo"], ["zoe", "zo\u00eb"], ["a b", "ab"], ["a-b", "a b"],
    ["a.b", "ab"], ["agent-1", "agent-2"], ["\u0430da", "ada"], ["", "a"],
]  # fmt: skip


@pytest.mark.parametrize("names", SAME, ids=lambda names: names[0])
def test_names_that_only_their_writing_tells_apart_have_one_key(names: list[str]) -> None:
    forms = [unicodedata.normalize(form, name) for name in names for form in ("NFC", "NFD")]
    assert len({name_key(name) for name in forms}) == 1


@pytest.mark.parametrize("names", DIFFERENT, ids=repr)
def test_other_names_have_keys_of_their_own(names: list[str]) -> None:
    assert len({name_key(name) for name in names}) == len(names)


def test_no_change_of_case_or_composition_changes_the_key_of_any_letter() -> None:
    unstable: list[str] = []
    for number in range(sys.maxunicode + 1):
        if 0xD800 <= number < 0xE000:
            continue
        name = f"a{chr(number)}b"
        spelled = {name, name.upper(), name.lower(), name.title(), name.casefold()}
        spelled |= {unicodedata.normalize("NFD", each) for each in spelled}
        spelled |= {unicodedata.normalize("NFKC", each) for each in spelled}
        keys = {name_key(each) for each in spelled}
        if keys != {name_key(next(iter(keys)))}:
            unstable.append(name)
    assert unstable == []
