"""Generated texts of the kinds that have frozen pages: long rows of marks, deep nests, long blocks.

Each text holds three words of its own, at its beginning, in its middle and at its end: a page
that shows all three has cut nothing off. `KINDS` names the kinds with the size, in characters,
that a page must bear.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

BEGINNING, MIDDLE, END = MARKERS = ("beginning", "midway", "finish")
MOST_CHARS = 1_000_000
PROSE = "The quick brown fox jumps over the lazy dog and then goes on with its day. "
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
ISOLATES = "\u2067\u202e\u2066abc\u2069\u202c\u2069"
Make = Callable[[int], str]
_FENCE = re.compile(r"^```\w+$", re.MULTILINE)  # the language is not shown


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A way to make a text of about so many characters.

    ``chars`` is the size that a page must bear. ``is_plain`` says that every letter and digit of
    the source is to be seen: none of them is a part of a mark, of an address or of a formula.
    """

    name: str
    chars: int
    make: Make
    is_plain: bool = True

    def text(self, chars: int | None = None) -> str:
        """Make the text, in this size or in its own."""
        return self.make(chars or self.chars)

    def letters(self, text: str) -> str:
        """What is to be seen of such a text, letters and digits only."""
        return letters(_FENCE.sub("```", text))


def letters(text: str) -> str:
    """Leave letters and digits only."""
    return re.sub(r"[\W_]+", "", text)


def _inline(unit: str) -> Make:
    """Repeat a unit in one paragraph."""

    def make(chars: int) -> str:
        half = unit * (chars // len(unit) // 2)
        return f"{BEGINNING} {half} {MIDDLE} {half} {END}"

    return make


def _blocks(unit: str, between: str = "\n\n") -> Make:
    """Repeat a unit in blocks of their own."""

    def make(chars: int) -> str:
        half = unit * (chars // len(unit) // 2)
        return between.join((BEGINNING, half, MIDDLE, half, END))

    return make


def _numbered(template: str, *, middle: str = "\n\n{}\n\n") -> Make:
    """Repeat a template with its number, up to a size."""

    def make(chars: int) -> str:
        count = max(2, chars // len(template.format(1000)))
        units = [template.format(number) for number in range(count)]
        first, second = "".join(units[: count // 2]), "".join(units[count // 2 :])
        return f"{BEGINNING}\n\n{first}{middle.format(MIDDLE)}{second}\n\n{END}"

    return make


def _growing_backticks(chars: int) -> str:
    """Runs of backticks of which no two have one length: none of them closes another."""
    rows: list[str] = []
    size = 1
    while sum(map(len, rows)) + len(rows) < chars:
        rows.append("`" * size)
        size += 1
    return f"{BEGINNING} {'a'.join(rows)} {MIDDLE} {'a'.join(rows[:20])} {END}"


def _nest(opener: str, closer: str) -> Make:
    def make(chars: int) -> str:
        depth = chars // len(opener + closer)
        return f"{BEGINNING}\n\n{opener * depth}\n{MIDDLE}\n{closer * depth}\n\n{END}"

    return make


def _nested_marks(mark: str) -> Make:
    """A line of marks, each of which opens one more quote or list."""

    def make(chars: int) -> str:
        row = mark * (chars // len(mark) // 2)
        return f"{BEGINNING}\n\n{row}deep\n\n{MIDDLE}\n\n{row}deep\n\n{END}"

    return make


def _stairs(chars: int) -> str:
    """A list in which each item is nested in the one before it."""
    depth = int(chars**0.5)
    steps = [f"{'  ' * number}- step{number}\n" for number in range(depth)]
    steps.insert(depth // 2, f"{'  ' * (depth // 2)}- {MIDDLE}\n")
    return f"{BEGINNING}\n\n{''.join(steps)}\n\n{END}"


def _table(columns: int) -> Make:
    def make(chars: int) -> str:
        row = "|" + "".join(f" cell{column} |" for column in range(columns))
        count = max(2, chars // (len(row) + 1))
        rows = [row, "|" + "---|" * columns, *[row] * count]
        rows[len(rows) // 2 + 1] = "|" + f" {MIDDLE} |" * columns
        return "\n\n".join((BEGINNING, "\n".join(rows), END))

    return make


def _fence(language: str, line: str, between: str = "\n") -> Make:
    def make(chars: int) -> str:
        half = between.join([line] * (chars // (len(line) + len(between)) // 2))
        code = f"{half}{between}{MIDDLE}{between}{half}"
        return f"{BEGINNING}\n\n```{language}\n{code}\n```\n\n{END}"

    return make


def _mermaid(chars: int) -> str:
    nodes = [f"  n{number} --> n{number + 1}" for number in range(chars // 18)]
    nodes.insert(len(nodes) // 2, f"  {MIDDLE} --> n1")
    return "\n".join((BEGINNING, "", "```mermaid", "graph TD", *nodes, "```", "", END))


def _formula(chars: int) -> str:
    terms = " + ".join(f"x_{{{number}}}^2" for number in range(chars // 12))
    return f"{BEGINNING}\n\n$$\n{terms}\n$$\n\n{MIDDLE}\n\n{END}"


def _footnotes(chars: int) -> str:
    count = chars // 40
    uses = " ".join(f"word[^n{number}]" for number in range(count))
    notes = "\n".join(f"[^n{number}]: the note" for number in range(count))
    return f"{BEGINNING} {uses}\n\n{MIDDLE}\n\n{notes}\n\n{END}"


def _references(chars: int) -> str:
    count = chars // 55
    uses = " ".join(f"[word][r{number}]" for number in range(count))
    targets = "\n".join(f"[r{number}]: https://example.org/{number}" for number in range(count))
    return f"{BEGINNING} {uses}\n\n{MIDDLE}\n\n{targets}\n\n{END}"


def _zalgo(chars: int) -> str:
    marks = "".join(chr(0x300 + number % 0x6F) for number in range(60))
    half = "".join(f"{letter}{marks}" for letter in "abcdefgh" * (chars // 61 // 16))
    return f"{BEGINNING} {half} {MIDDLE} {half} {END}"


def _rows() -> list[Kind]:
    """Rows of one mark: alone, between letters, and openers that nothing closes."""
    marks = ("**", "*", "_", "`", "[", "![", "<", "$", "~", "&", "\\", "|", "]", "(", "#", ":")
    openers = ("**a ", "*a _b ", "~~a ", "[a](", "[a", "![a](", "[^a", "$a ", "\\(a ", "<b ")
    rows = [Kind(name=f"row {mark}", chars=40_000, make=_inline(mark)) for mark in marks]
    rows += [Kind(name=f"letters {mark}", chars=40_000, make=_inline(f"a{mark}")) for mark in marks]
    rows += [Kind(name=f"openers {unit}", chars=40_000, make=_inline(unit)) for unit in openers]
    # Two dollars or ends of a formula may meet: what is between them is no text then.
    maths = {"letters $", "openers $a ", "row $"}
    return [
        Kind(name=each.name, chars=each.chars, make=each.make, is_plain=each.name not in maths)
        for each in rows
    ]


KINDS = {
    kind.name: kind
    for kind in (
        *_rows(),
        Kind(name="growing backticks", chars=100_000, make=_growing_backticks),
        Kind(name="code spans", chars=100_000, make=_inline("`a` ")),
        Kind(name="addresses", chars=40_000, make=_inline("http://www.")),
        Kind(name="mails", chars=40_000, make=_inline("a.b@")),
        Kind(name="entities", chars=40_000, make=_inline("&#")),
        Kind(
            name="details",
            chars=100_000,
            make=_nest("<details>\n\n", "</details>\n\n"),
            is_plain=False,
        ),
        Kind(name="bold tags", chars=40_000, make=_nest("<b>", "</b>"), is_plain=False),
        Kind(
            name="table tags",
            chars=100_000,
            make=_nest("<table><tr><td>\n", "</td></tr></table>\n"),
            is_plain=False,
        ),
        Kind(name="unclosed details", chars=40_000, make=_blocks("<details>\n"), is_plain=False),
        Kind(name="comments", chars=40_000, make=_inline("<!-- ")),
        Kind(name="quotes", chars=10_000, make=_nested_marks(">")),
        Kind(name="lists", chars=20_000, make=_nested_marks("- ")),
        Kind(name="numbers", chars=20_000, make=_nested_marks("1. ")),
        Kind(name="lists in quotes", chars=20_000, make=_nested_marks("> - ")),
        Kind(name="stairs", chars=1_000_000, make=_stairs),
        Kind(name="a paragraph without blanks", chars=100_000, make=_inline("word")),
        Kind(name="digits", chars=100_000, make=_inline("0123456789")),
        Kind(name="one paragraph", chars=100_000, make=_inline(PROSE)),
        Kind(name="lines of one paragraph", chars=100_000, make=_inline("a line\n")),
        Kind(name="rules", chars=40_000, make=_blocks("---\n\n")),
        Kind(name="tasks", chars=100_000, make=_numbered("- [ ] task {}\n")),
        Kind(name="headings", chars=100_000, make=_numbered("## heading {}\n\n")),
        Kind(
            name="links",
            chars=100_000,
            make=_numbered("[link {0}](https://example.org/{0}) ", middle=" {} "),
            is_plain=False,
        ),
        Kind(name="footnotes", chars=100_000, make=_footnotes, is_plain=False),
        Kind(name="references", chars=100_000, make=_references, is_plain=False),
        Kind(name="a long table", chars=200_000, make=_table(4)),
        Kind(name="a wide table", chars=100_000, make=_table(200)),
        Kind(
            name="small formulas",
            chars=40_000,
            make=_numbered("$x_{{{}}}^2$ and ", middle=" {} "),
            is_plain=False,
        ),
        Kind(name="one formula", chars=40_000, make=_formula, is_plain=False),
        Kind(name="mermaid", chars=100_000, make=_mermaid),
        Kind(name="combining marks", chars=50_000, make=_inline("\u0301")),
        Kind(name="zalgo", chars=50_000, make=_zalgo),
        Kind(name="families", chars=50_000, make=_inline(FAMILY)),
        Kind(name="directions", chars=50_000, make=_inline(ISOLATES)),
        Kind(name="code", chars=900_000, make=_fence("python", "value = compute(1, 'two')  # 3")),
        Kind(name="a line of code", chars=900_000, make=_fence("json", '{"a": [1, 2]},', " ")),
        Kind(name="code without a language", chars=900_000, make=_fence("", "plain " * 12)),
        Kind(name="prose", chars=MOST_CHARS, make=_numbered(f"{PROSE * 5}{{}}\n\n")),
        Kind(name="a list", chars=MOST_CHARS, make=_numbered(f"- {PROSE}{{}}\n", middle="- {}\n")),
        Kind(
            name="a numbered list",
            chars=200_000,
            make=_numbered(f"1. {PROSE}{{}}\n", middle="1. {}\n"),
            is_plain=False,
        ),
    )
}
