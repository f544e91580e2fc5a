"""Matches: whether a text has all terms of a query, and the snippet that shows it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, takewhile

from .folding import Places, cut_fields, fold
from .queries import Query, Term

SNIPPET = 160  # characters, about
BEFORE = 40  # characters of it before the first match, about
WORD = 16  # a snippet is cut at a blank if one is so near
MAX_SEEN = 64  # places of all terms that are compared to choose the snippet
MAX_LONGER = 64  # characters that a snippet may be longer, so that no combining sequence is cut
MAX_MARKS = 24  # marked ranges in one snippet
_JOINER = "\u200d"
CUT = "…"


@dataclass(frozen=True, kw_only=True)
class Match:
    """A snippet of a text, and the ranges in it that matched, in UTF-16 code units."""

    snippet: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Field:
    text: str
    fold: str  # with a blank at each end

    @classmethod
    def of(cls, text: str) -> _Field:
        return cls(text, f" {fold(text)} ")


def find(query: Query, fields: Sequence[str]) -> Match | None:
    """Return the match of a query in the fields of a text; None if a term is in none of them.

    A term is within one field; different terms may be in different fields.
    """
    if not query.terms:
        return None
    folded_fields = [_Field.of(text) for text in cut_fields(fields)]
    for term in query.terms:
        if not any(term.pattern.search(field.fold) for field in folded_fields):
            return None
    return _make_match(query, max(folded_fields, key=lambda field: _count(query, field)))


def _count(query: Query, field: _Field) -> int:
    return sum(term.pattern.search(field.fold) is not None for term in query.terms)


def _make_match(query: Query, field: _Field) -> Match:
    places = Places(field.text)
    term_ranges = sorted(_term_ranges(query, field, places))
    text, (begin, end) = field.text, _window(field.text, term_ranges)
    line, lead = _one_line(text[begin:end]), CUT if begin else ""
    marks: list[tuple[int, int]] = []
    for first, last, _ in term_ranges:
        first, last = max(first, begin), min(last, end)
        if first < last and (not marks or first >= marks[-1][1]):
            marks.append((first, last))
    ranges = tuple(
        (_units(lead + line[: first - begin]), _units(lead + line[: last - begin]))
        for first, last in marks[:MAX_MARKS]
    )
    return Match(snippet=lead + line + (CUT if end < len(text) else ""), ranges=ranges)


def _term_ranges(query: Query, field: _Field, places: Places) -> Iterator[tuple[int, int, int]]:
    """Yield each place of each term in the text: its range, and the term's number."""
    limit = max(MAX_SEEN // len(query.terms), 2)
    for number, term in enumerate(query.terms):
        for first, last in islice(_ranges(term, field.fold), limit):
            yield *places.of(first, last), number


def _ranges(term: Term, folded_text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a term in a fold without the blank at its beginning."""
    for match in term.pattern.finditer(folded_text):
        yield match.start(), match.end() - 1


def _window(text: str, ranges: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """Choose the part of the text that shows the most terms; the first of several."""
    counts: list[int] = []
    term_count = len({term for _, _, term in ranges})
    for at, (begin, _, _) in enumerate(ranges):
        near = takewhile(lambda place: place[0] < begin + SNIPPET - BEFORE, ranges[at:])  # noqa: B023
        counts.append(len({term for _, _, term in near}))
        if counts[-1] == term_count:
            break
    first = ranges[counts.index(max(counts))][0]
    begin = 0 if first <= BEFORE else _cut_after(text, first - BEFORE, first)
    end = begin + SNIPPET
    return begin, len(text) if end >= len(text) else _cut_before(text, end, first + 1)


def _cut_after(text: str, at: int, max_at: int) -> int:
    """Return the first good place for a cut from ``at`` on: after a blank, or between two signs."""
    for place in range(at, min(at + WORD, max_at)):
        if text[place - 1].isspace():
            return place
    nearest = chain(range(at, max_at), range(at, max(at - MAX_LONGER, 0), -1))
    return next((place for place in nearest if _is_between(text, place)), max(at - MAX_LONGER, 0))


def _cut_before(text: str, at: int, min_at: int) -> int:
    """Return the last good place for a cut up to ``at``."""
    for place in range(at, max(at - WORD, min_at), -1):
        if text[place].isspace():
            return place
    max_at = min(at + MAX_LONGER, len(text))
    nearest = chain(range(at, min_at, -1), range(at, max_at))
    return next((place for place in nearest if _is_between(text, place)), max_at)


def _is_between(text: str, at: int) -> bool:
    """Return whether a cut here leaves each combining sequence whole."""
    before, after = text[at - 1], text[at]
    is_mark = unicodedata.category(after)[0] == "M" or 0x1F3FB <= ord(after) <= 0x1F3FF
    return not is_mark and _JOINER not in (before, after) and not (_flag(before) and _flag(after))


def _flag(char: str) -> bool:
    return 0x1F1E6 <= ord(char) <= 0x1F1FF  # two of them are one flag


def _one_line(text: str) -> str:
    """Replace line breaks and controls by blanks; the length stays."""
    if text.isprintable():
        return text
    return "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text
    )


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
