"""Blanks of the dialect, the same in Python and TypeScript: JavaScript's ``\\s`` and ``trim``.

Python's own set differs: it contains U+001C to U+001F and U+0085, but not U+FEFF. Only ASCII blanks
are removed from the edges of a paragraph or heading; other blanks there belong to the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it.rules_block import StateBlock

# The content of a character class in a regular expression.
BLANK = "\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_EVERY = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_EDGE = " \t\n"
_CLOSING_MARKS = re.compile(r"(^|[ \t])#+[ \t]*\Z")
BlockRule = Callable[[StateBlock, int, int, bool], bool]


def is_blank(text: str) -> bool:
    """Whether a text consists of blanks only."""
    return not text.strip(_EVERY)


def trim(text: str) -> str:
    """Remove all blanks from the edges of a text."""
    return text.strip(_EVERY)


def with_edges(rule: BlockRule) -> BlockRule:
    """Wrap a rule to read its text again, because markdown-it-py trims every kind of blank."""

    def apply(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        if not rule(state, start, end, silent):
            return False
        if not silent:
            opening, inline, _ = state.tokens[-3:]
            _, after = inline.map or (start, state.line)
            text = state.getLines(start, after, state.blkIndent, False).strip(_EDGE)
            if opening.markup.startswith("#"):
                text = _CLOSING_MARKS.sub("", text[len(opening.markup) :]).strip(_EDGE)
            inline.content = text
        return True

    return apply
