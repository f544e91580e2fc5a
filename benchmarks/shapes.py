"""Texts of one shape, as long as one likes, each line or formula with its own number.

A text that is longer begins with the text that is shorter: an answer can begin with some of it at
once and go on with the rest in time.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from jupyter_chat_stream.providers.demo.answers import long_text

PROSE = "the quick brown fox jumps over the lazy dog and goes on with its day"
MIXED = (
    "## Part row{n}\n\nSome *prose* with `code` and a [link](https://example.org/{n}).\n\n",
    "- item row{n}\n- another\n\n1. first\n2. second\n\n",
    "```python\ndef f{n}(x):\n    return x + {n}  # row{n}\n```\n\n",
    "| a | b |\n|---|---|\n| row{n} | {n} |\n\n> A quote of row{n}.\n\n",
    "A formula of row{n}: $x_{{{n}}}^2$.\n\n",
)
_NUMBERED = re.compile(r"row(\d+)\b")


def _lines(head: str, template: str) -> Callable[[int], str]:
    def make(chars: int) -> str:
        count = chars // len(template.format(n=0)) + 2
        return head + "".join(template.format(n=number) for number in range(count))

    return make


def _mixed(chars: int) -> str:
    parts: list[str] = []
    size = number = 0
    while size <= chars:
        parts.append(MIXED[number % len(MIXED)].format(n=number))
        size += len(parts[-1])
        number += 1
    return "".join(parts)


SHAPES: dict[str, Callable[[int], str]] = {
    "prose": long_text,
    "an open fence": _lines("```python\n", "value = compute(row{n}, 'two')  # a comment\n"),
    "code in a numbered list": _lines(
        "1. First:\n\n   ```python\n", "   value = compute(row{n}, 'two')  # a comment\n"
    ),
    "a long list": _lines("", f"- {PROSE} row{{n}}\n"),
    "a long table": _lines(
        "| name | value | more |\n|---|---:|---|\n", "| row{n} | {n} | some words |\n"
    ),
    "a quote": _lines("", f"> {PROSE} row{{n}}\n"),
    "maths": _lines("", "Of row{n}: $x_{{{n}}}^2 + y_{{{n}}}^2 = r^2$ is a circle.\n\n"),
    "mixed": _mixed,
}


def text_of(shape: str, chars: int) -> str:
    """Make a text of exactly so many characters."""
    return SHAPES[shape](chars)[:chars]


def last_word(text: str) -> str:
    """Return the last word of a text that is in it once and is seen, however it is drawn."""
    numbered = _NUMBERED.findall(text[:-12])
    return f"row{numbered[-1]}" if numbered else text[:-12].split()[-1]
