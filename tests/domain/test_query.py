"""Questions as search terms, proven on an FTS5 table like the store's own."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.query import STOP_WORDS, TERMS_MAX, index_form, search_terms
from memory_mcp.storage.sqlite.driver import sqlite_module

Finds = Callable[[str, str], bool]


@pytest.fixture(scope="module")
def finds() -> Finds:
    """Whether a text, once indexed, is found by a question."""
    connection = sqlite_module().connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE VIRTUAL TABLE texts USING fts5"
        "(text, tokenize='porter unicode61 remove_diacritics 2')"
    )

    def finds(text: str, question: str) -> bool:
        connection.execute("DELETE FROM texts")
        connection.execute("INSERT INTO texts VALUES (?)", (index_form(text),))
        matching = "SELECT 1 FROM texts WHERE texts MATCH ?"
        terms = search_terms(question)
        return bool(terms and connection.execute(matching, (" OR ".join(terms),)).fetchall())

    return finds


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Caroline went snowboarding in May", "Where does caroline SNOWBOARD?"),  # stemmed
        ("We met at the café", "cafe"),
        ("We met at the cafe", "CAFÉ"),
        ("Cafe\u0301 written in two signs", "café"),
        ("my e-mail: ada@example.org", "ada@example.org"),
        ("call snake_case_name()", "case name"),
        ("version 3.14 it is", "3.14"),
        ("\uff21\uff24\uff21 lovelace", "ada"),  # full-width letters are letters (NFKC)
        ("the ﬁrst of ½", "first"),
        ("Η ΟΔΟΣ", "οδος"),  # noqa: RUF001 (Greek)
        ("İstanbul'da", "istanbul"),
        ("Straße", "straße"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("ο πατερας μου", "ΠΑΤΕΡΑΣ"),  # noqa: RUF001 (a final sigma)
        ("ışık", "IŞIK"),  # noqa: RUF001 (a dotless i)
        ("ISIK", "ışık"),  # noqa: RUF001
        ("İZMİR", "izmir"),
        ("\uff11\uff12\uff13 rows", "123"),
        ("we launched 🚀 today", "🚀"),
        ("we launched🚀today", "launched"),
        ("👍🏽", "👍"),
        ("👍", "what about 👍🏿"),
        ("❤️", "❤"),
        ("🇩🇪", "🇩🇪"),
        ("a 👩‍🚀", "🚀"),
        ("Мы любим Москву", "МОСКВУ"),  # noqa: RUF001 (Cyrillic)
        ("שלום עולם", "עולם"),
        ("السلام عليكم", "السلام"),
        ("मुझे हिन्दी पसंद है", "हिन्दी"),
        ("எனக்கு தமிழ் பிடிக்கும்", "தமிழ்"),
        ("彼女は東京都に住んでいます", "東京"),
        ("彼女は東京都に住んでいます", "京都に住む"),  # pairs, so some of them do
        ("猫", "猫"),
        ("今日はﾃﾞｰﾀを見た", "データ"),  # half-width kana
        ("我的女儿在上海读书", "上海的学校"),
        ("iPhone手机坏了", "手机"),
        ("iPhone手机坏了", "iphone"),
        ("ฉันชอบกินข้าวผัด", "ข้าวผัด"),
        ("ລາວຢູ່ວຽງຈັນ", "ວຽງຈັນ"),
        ("ខ្ញុំស្រឡាញ់ភ្នំពេញ", "ភ្នំពេញ"),
        ("서울에서 김치를 먹었다", "김치"),  # a particle is glued to it
        ("서울에서 김치를 먹었다", "서울"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국"),  # jamo are composed
        ("ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ", "ᏣᎳᎩ"),  # letters whose case came to Unicode late
        ("𞤀𞤁𞤂𞤃 pulaar", "𞤀𞤁𞤂𞤃"),
    ],
)
def test_a_text_is_found_by_words_it_holds(finds: Finds, text: str, question: str) -> None:
    assert finds(text, question)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("the cat sat", "the dog"),  # no hit for a stop word beside a telling one
        ("I have been to Rome", "Have you been to Oslo?"),
        ("彼女は東京都に住んでいます", "大阪"),
        ("東の空と京の町", "東京"),  # the same signs, but not side by side
        ("서울에서 김치를 먹었다", "부산"),
        ("ฉันชอบกินข้าวผัด", "ส้มตำ"),
        ("snowboarding", "snow"),
        ("we launched 🚀 today", "🎉"),
        ("🇩🇰", "🇩🇪"),
        ("emoji 128640", "🚀"),
    ],
)
def test_a_text_is_not_found_by_words_it_does_not_hold(
    finds: Finds, text: str, question: str
) -> None:
    assert not finds(text, question)


@pytest.mark.parametrize(
    "question",
    [
        '"',
        '""',
        'tea" OR "a',
        "tea*",
        "^tea",
        "tea NEAR(rye, 2)",
        "text : tea",
        "{text} : tea",
        "- text : tea",
        "tea AND",
        "OR OR OR",
        "NOT tea",
        "(tea",
        "tea + rye",
        "tea'); DROP TABLE texts; --",
        "tea\0rye",
        "\ud800 tea",
        ":?@$",
    ],
)
def test_no_operator_of_fts5_works_in_a_question(finds: Finds, question: str) -> None:
    assert finds("a pot of tea", question) == ("tea" in question)
    assert all(
        term[0] == term[-1] == '"' and '"' not in term[1:-1] for term in search_terms(question)
    )


@given(question=st.text() | st.text("\"*^:(){}+-,'\\ \0aNEAROT\u0301\u200d東"))
def test_fts5_takes_the_terms_of_any_question(finds: Finds, question: str) -> None:
    finds("some text", question)  # a syntax error would raise

    assert len(search_terms(question)) <= TERMS_MAX


@given(
    words=st.lists(
        st.text("abcxyzäßéжя가나東京กข", min_size=1, max_size=6), min_size=1, max_size=6
    ),
    data=st.data(),
)
def test_a_text_is_found_by_each_of_its_words(
    finds: Finds, words: list[str], data: st.DataObject
) -> None:
    asked = data.draw(st.sampled_from(words))

    assert finds(" ".join(words), asked)


def test_stop_words_are_left_out_unless_there_is_nothing_else() -> None:
    assert search_terms("Where did she go with the umbrella?") == ['"go"', '"umbrella"']
    assert search_terms("Who is he?") == ['"who"', '"is"', '"he"']
    assert all(search_terms(word) == [f'"{word}"'] for word in STOP_WORDS)


def test_terms_keep_their_order_without_repeats_and_number_no_more_than_48() -> None:
    assert search_terms("tea, Rye; TEA rye tea") == ['"tea"', '"rye"']

    words = [f"word{n}" for n in range(60)]
    assert search_terms(" ".join(words)) == [f'"{word}"' for word in words[:TERMS_MAX]]


def test_signs_of_scripts_without_spaces_are_asked_for_in_overlapping_pairs() -> None:
    assert search_terms("東京都") == ['"東 京"', '"京 都"']
    assert search_terms("한국어 x 猫") == ['"한 국"', '"국 어"', '"x"', '"猫"']


def test_a_question_without_a_letter_or_digit_has_no_terms() -> None:
    assert search_terms("?! … ' \" - _") == []


def test_a_stop_word_that_is_written_as_a_name_is_asked_for() -> None:
    assert search_terms("what did Will say about tea") == ['"will"', '"tea"']
    assert search_terms("Will's tea") == ['"will"', '"tea"']
    assert search_terms("who runs IT") == ['"runs"', '"it"']
    assert search_terms("Will you drink tea?") == ['"drink"', '"tea"']
    assert search_terms("I think It's tea") == ['"think"', '"tea"']
    assert search_terms("Tea. What is it?") == ['"tea"']
    assert search_terms("What Will They Drink") == ['"drink"']
