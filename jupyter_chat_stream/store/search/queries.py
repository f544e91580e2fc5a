"""What a person searches for. Any text is a query: no character of it is an operator."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cached_property

from .folding import MAX_WORD, may_go_on, pair, words_of

MAX_QUERY = 500  # characters
MAX_LOOKUPS = 48  # words that are looked up in the index; the text is compared with all
_QUOTES = re.compile('["\u201c\u201d\u201e]')


@dataclass(frozen=True)
class Term:
    """Words that must follow each other. If ``is_open``, the last one may go on."""

    words: tuple[str, ...]
    is_open: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression that finds the term in a fold with a blank at each end."""
        end = "[^ ]*" if self.is_open else "(?= )"
        return re.compile(" " + " +".join(map(re.escape, self.words)) + end)


@dataclass(frozen=True)
class Lookup:
    """A word that the index looks up; ``is_prefix``: every word that begins with it."""

    word: str
    is_prefix: bool = False


@dataclass(frozen=True)
class Query:
    """All terms must match, within one message or one thread's title and name.

    A query without a letter, a digit or a symbol has no terms, and finds nothing.
    """

    terms: tuple[Term, ...]

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        """The words that every matching message has in the index."""
        lookups: dict[Lookup, None] = {}
        for term in self.terms:
            whole_words = term.words[:-1] if term.is_open else term.words
            for first, second in itertools.pairwise(whole_words):
                lookups[Lookup(pair(first, second))] = None
            if len(whole_words) == 1:
                lookups[Lookup(whole_words[0][:MAX_WORD])] = None
            if term.is_open and len(term.words[-1]) > 1:
                lookups[Lookup(term.words[-1][:MAX_WORD], is_prefix=True)] = None
        return tuple(sorted(lookups, key=lambda lookup: -len(lookup.word))[:MAX_LOOKUPS])


def parse(text: str) -> Query:
    """Parse a query: a run without blanks is a term, and so is a text in quotes.

    The last word may go on, unless a quote ends it: the person may still be typing. A term of one
    letter does not go on, because almost every message has a word that begins with it.
    """
    terms: list[Term] = []
    pieces = _QUOTES.split(text)
    for number, piece in enumerate(pieces):
        is_last = number == len(pieces) - 1
        runs = [piece] if number % 2 else piece.split()
        for place, run in enumerate(runs):
            words = tuple(words_of(run))
            if words:
                is_open = is_last and place == len(runs) - 1 and may_go_on(words[-1])
                is_letter = len(words) == 1 and len(words[0]) == 1
                terms.append(Term(words, is_open=is_open and not is_letter))
    return Query(tuple(dict.fromkeys(terms)))
