"""Folding: texts become words that compare equal without case, accents and width.

Each character folds by itself, in any context. A separator becomes a blank. A character of a
script without blanks (Chinese, Japanese, Korean, Thai, ...) and a symbol such as an emoji are words
of their own. So ``fold(text).split()`` are the words, and identifiers such as ``my_var`` are
several words that follow each other.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from zlib import crc32

MAX_WORD = 64  # characters of a word that the index holds
# The index reads so many characters of a message. Postgres holds at most 1 MB of words in one row.
MAX_CHARS = 256 * 1024
MAX_BAG_BYTES = 900_000
SLICE = 16 * 1024  # characters folded at once: the interpreter's lock is held for less than 1 ms

# Letters that have no decomposition into a letter and an accent.
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"}
# Accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic, variation selectors. In
# other scripts a mark is a letter: there, a word without it is another word.
_ACCENTS = (
    (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2),
    (0x05C4, 0x05C5), (0x05C7, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC),
    (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),
)  # fmt: skip
# Scripts that are written without blanks between words.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF),
    (0x19E0, 0x19FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3041, 0x318F),
    (0x31A0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xA4CF), (0xA960, 0xA97F),
    (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0x1AFF0, 0x1B2FF), (0x20000, 0x3FFFF),
)  # fmt: skip
_ZERO_WIDTH_SPACE = "\u200b"
_SKIN_TONES = (0x1F3FB, 0x1F3FF)


def _is_within(char: str, ranges: Iterable[tuple[int, int]]) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in ranges)


def _spell(char: str) -> str:
    """Return a folded character with the blanks around it that make words."""
    category = unicodedata.category(char)
    if char == _ZERO_WIDTH_SPACE:
        return " "
    if category == "Cf" or _is_within(char, (*_ACCENTS, _SKIN_TONES)):
        return ""
    if category in ("So", "Cn") or (category[0] in "LMN" and _is_within(char, _UNSPACED)):
        return f" {char} "
    return char if category[0] in "LMN" else " "


def _fold_char(char: str) -> str:
    lower = char.casefold()
    base = "".join(
        char_ for char_ in unicodedata.normalize("NFKD", lower) if not _is_within(char_, _ACCENTS)
    )
    nfc = unicodedata.normalize("NFC", base).casefold()
    return "".join(_LETTERS.get(char_) or _spell(char_) for char_ in nfc)


class _FoldTable(dict[int, str]):
    """What each character folds to, filled when a character is first seen."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        text = _spell(char) if category in ("Cs", "So", "Cn", "Co") else _fold_char(char)
        self[code] = text
        return text


_TABLE = _FoldTable()
for _code in range(128):
    _TABLE[_code]  # an ASCII text is then folded by the interpreter's fast path


def compose(text: str) -> str:
    """Return a text in the form (NFC) in which it is searched and shown."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """Fold a text in the form of ``compose``."""
    if len(text) <= SLICE:
        return text.translate(_TABLE)
    pieces = (text[at : at + SLICE] for at in range(0, len(text), SLICE))
    return "".join(piece.translate(_TABLE) for piece in pieces)


def words_of(text: str) -> list[str]:
    """Return the words of a text, in order."""
    return fold(compose(text)).split()


def may_go_on(word: str) -> bool:
    """Return whether longer words may begin with this one: it is no character of its own."""
    return fold(word) == word


class Places:
    """Finds the characters of a text that made a range of its fold."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Each ASCII character folds to one character.
        self._ends = None if text.isascii() else list(accumulate(map(_length, text)))

    def of(self, first: int, end: int) -> tuple[int, int]:
        """Return the range of the text that made ``first`` to ``end`` of the fold."""
        if self._ends is None:
            return first, end
        begin, last = bisect_right(self._ends, first), bisect_right(self._ends, end - 1)
        after = last + 1
        while after < len(self._text) and not _length(self._text[after]):
            after += 1  # marks belong to the character before them
        return begin, after


def _length(char: str) -> int:
    return len(_TABLE[ord(char)])


# ---------------------------------------------------------------------- what the index holds


def pair(first: str, second: str) -> str:
    """Return the index's word for two words that follow each other.

    It has 20 bits, so several pairs share one, and the index stays small. A match is compared with
    the text itself, so that costs time only.
    """
    number = crc32(f"{first[:MAX_WORD]} {second[:MAX_WORD]}".encode()) & 0xFFFFF
    return f"_{number:05x}"


def bag_of(fields: Iterable[str]) -> list[str]:
    """Return what the index holds of a message: its different words and pairs of words."""
    bag: dict[str, None] = {}
    size = 0
    for entry in _entries(fields):
        if entry not in bag:
            size += len(entry.encode())
            if size > MAX_BAG_BYTES:
                break
            bag[entry] = None
    return list(bag)


def _entries(fields: Iterable[str]) -> Iterator[str]:
    for field in cut_fields(fields):
        words = fold(field).split()
        for word in words:
            yield word[:MAX_WORD]
        for first, second in pairwise(words):
            yield pair(first, second)


def cut_fields(fields: Iterable[str]) -> Iterator[str]:
    """Yield the searched beginning of a message's fields, composed."""
    remaining = MAX_CHARS
    for field in fields:
        if remaining > 0:
            yield compose(field[:remaining])
        remaining -= len(field)
