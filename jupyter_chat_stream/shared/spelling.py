"""Find the known word nearest to a wrong one, for an error message. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 64  # At most this many characters of a wrong word are compared and quoted.


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that was probably meant; None if none is near."""
    by_plain = {_plain(each): each for each in known}
    found = get_close_matches(_plain(word[:LONGEST]), by_plain, n=1)
    return by_plain[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Write the question that names the nearest known word; empty if none is near."""
    found = nearest(word, known)
    return "" if found is None else f" Did you mean {found!r}?"


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
