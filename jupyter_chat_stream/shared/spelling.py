"""Find the known word nearest to a wrong one, for an error message. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 64  # At most this many characters of a wrong word are compared and quoted.


def nearest(word: str, known_words: Iterable[str]) -> str | None:
    """Find the known word that was probably meant; None if none is near."""
    by_plain = {_plain(known_word): known_word for known_word in known_words}
    matches = get_close_matches(_plain(word[:LONGEST]), by_plain, n=1)
    return by_plain[matches[0]] if matches else None


def did_you_mean(word: str, known_words: Iterable[str]) -> str:
    """Write the question that names the nearest known word; empty if none is near."""
    match = nearest(word, known_words)
    return "" if match is None else f" Did you mean {match!r}?"


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
