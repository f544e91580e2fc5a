"""Folding and snippets: plain text, marked in UTF-16 code units, cut between signs."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_chat_stream.store.search.folding import MAX_WORD, Places, bag_of, compose, fold
from jupyter_chat_stream.store.search.matching import MAX_LONGER, SNIPPET, Match, find
from jupyter_chat_stream.store.search.queries import MAX_LOOKUPS, Lookup, parse


def shown(q: str, *fields: str) -> Match:
    match = find(parse(q), fields)
    assert match is not None
    return match


def marks(match: Match) -> list[str]:
    units = match.snippet.encode("utf-16-le")
    return [units[2 * first : 2 * end].decode("utf-16-le") for first, end in match.ranges]


def test_a_short_text_is_its_own_snippet() -> None:
    match = shown("zeb", "A Zebra,\nstriped.")
    assert match == Match(snippet="A Zebra, striped.", ranges=((2, 7),))


def test_a_snippet_of_a_long_text_is_cut_at_blanks_around_the_match() -> None:
    match = shown("zebra", "word " * 200 + "zebra" + " word" * 200)
    assert match.snippet.startswith("…word ")
    assert match.snippet.endswith(" word…")
    assert SNIPPET - 40 <= len(match.snippet) <= SNIPPET + 2
    assert marks(match) == ["zebra"]


def test_a_snippet_shows_the_place_with_the_most_words() -> None:
    match = shown("zebra giraffe", "zebra " + "word " * 100 + "a giraffe and a zebra " + "x " * 99)
    assert marks(match) == ["giraffe", "zebra"]


def test_a_snippet_comes_from_the_field_that_has_most_of_the_words() -> None:
    assert marks(shown("zebra giraffe", "a zebra", "zebra giraffe")) == ["zebra", "giraffe"]


@pytest.mark.parametrize(
    ("q", "text", "expected"),
    [
        ("cafe", "le cafe\u0301.", ["caf\u00e9"]),
        ("strasse", "Die Straße", ["Straße"]),
        ("学习", "🎉机器学习", ["学习"]),
        ("b", "🎉🎉 b 👩‍👩‍👧", ["b"]),
        ("df.groupby", "x = df.groupby(y)", ["df.groupby"]),
        ("abc", "\u202eab\u200dc\u202c d", ["ab\u200dc\u202c"]),
        ("fi", "oﬃce ﬁ", ["ﬁ"]),
    ],
)
def test_ranges_are_in_utf16_and_mark_whole_signs(q: str, text: str, expected: list[str]) -> None:
    assert marks(shown(q, text)) == expected


SIGNS = ["e\u0301\u0323", "👩‍👩‍👧", "🇩🇪", "👍🏽", "字", "ﷺ", "a", " ", "\n", "क्षि", "𝔘", "\u0300"]


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(
    st.lists(st.sampled_from(SIGNS), max_size=300),
    st.lists(st.sampled_from(SIGNS), max_size=300),
)
def test_no_snippet_cuts_a_surrogate_pair_or_a_combining_sequence(
    before: list[str], after: list[str]
) -> None:
    text = compose("".join([*before, " zebra ", *after]))
    match = shown("zebra", text)
    assert marks(match) == ["zebra"]
    inner = match.snippet.removeprefix("…").removesuffix("…")
    assert len(inner) <= SNIPPET + 2 * MAX_LONGER
    flat = "".join(" " if unicodedata.category(each) == "Cc" else each for each in text)
    at = flat.index(inner)
    for place in {at, at + len(inner)} - {0, len(flat)}:
        assert unicodedata.category(flat[place])[0] != "M"
        assert "\u200d" not in flat[place - 1 : place + 1]
        assert flat[place] != "🏽"
    match.snippet.encode("utf-16-le").decode("utf-16-le")


def test_a_text_of_marks_alone_has_a_bounded_snippet() -> None:
    match = shown("zebra", "zebra" + "\u0323" * 100_000)
    assert len(match.snippet) < 2 * SNIPPET + MAX_LONGER


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(st.text(max_size=80))
def test_each_character_folds_by_itself(text: str) -> None:
    """So a long text may be folded in slices, and each range of the fold has its characters."""
    assert fold(text) == "".join(map(fold, text))
    folded = fold(text)
    assert fold(folded).split() == folded.split()
    places = Places(text)
    for at, char in enumerate(folded):
        first, end = places.of(at, at + 1)
        assert char in fold(text[first]) or not text[first:end]


def test_characters_of_every_plane_have_a_fold() -> None:
    for code in (*range(0x2100), *range(0x2100, 0x110000, 61)):
        assert isinstance(fold(chr(code)), str)


def test_a_query_looks_up_pairs_and_the_beginning_of_the_last_word() -> None:
    lookups = parse('my_var "of the" zeb').lookups
    assert Lookup("zeb", is_prefix=True) in lookups
    assert len([each for each in lookups if each.word.startswith("_")]) == 2
    assert len(lookups) == 3
    assert len(parse(" ".join(f"w{n}" for n in range(200))).lookups) == MAX_LOOKUPS
    assert parse("x" * 300).lookups == (Lookup("x" * MAX_WORD, is_prefix=True),)


def test_every_lookup_of_a_text_is_in_its_bag() -> None:
    text = f"df.groupby(my_var) 机器学习 {'x' * 300} Straße"
    bag = bag_of([text])
    for lookup in parse(f'"{text}"').lookups:
        assert lookup.word in bag
