"""Writes the lines of a paragraph, item, heading or table of a harmless copy (see ``copies``)."""

from __future__ import annotations

import re

from .copied_marks import MAX_MARKS, as_code, count_emphasis
from .inlines import inline, seal

_FRONT = re.compile(r"[ \t]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)")
# The mark of an item or a heading: quotes and blanks before it, and its number.
_ITEM = re.compile(r"((?:[ \t]*>)*)([ \t]*)(?:[-*+]|#{1,6}|([0-9]{1,9})[.)])[ \t]")
_QUOTES = re.compile(r"(?:[ \t]*>)*")
_DELIMITERS = re.compile(r"[ \t>]*(?:\|[ \t]*)?:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*(?:\|[ \t]*)?")
_CELL_END = re.compile(r"(?<!\\)\|")
# The most headings in a copy; further headings become text, because JupyterLab lists each heading.
MAX_HEADINGS = 100
_HEADING = re.compile(r" {0,3}(?=#{1,6}(?:[ \t]|$))")
_UNDERLINE = re.compile(r" {0,3}(?=(?:=+|-+)[ \t]*$)")
# The most lists and quotes that a line may open; JupyterLab's table of contents is slow with more.
MAX_NESTING = 32
_TOO_DEEP = re.compile(
    rf"(?:[ \t]*(?:[-*+](?=[ \t])|[0-9]{{1,9}}[.)](?=[ \t])|>)){{{MAX_NESTING}}}[ \t]*"
    r"(?:[0-9]{1,9}(?=[.)](?:[ \t]|$))|(?=[-*+](?:[ \t]|$)|>))"
)


class Headings:
    """Counts the headings of a copy, and turns headings beyond the limit into text."""

    def __init__(self) -> None:
        self._count = 0

    def first(self, line: str) -> str:
        """Write the first line of a paragraph."""
        return self._mark(line, _HEADING)

    def next(self, line: str) -> str:
        """Write another line of a paragraph, which may be the underline of a heading."""
        return self._mark(self._mark(line, _HEADING), _UNDERLINE)

    def _mark(self, line: str, mark: re.Pattern[str]) -> str:
        match = mark.match(line)
        if match is None:
            return line
        self._count += 1
        return f"{match[0]}\\{line[match.end() :]}" if self._count > MAX_HEADINGS else line


def shallow(line: str) -> str:
    """Write the mark of the first list or quote beyond the limit as text."""
    match = _TOO_DEEP.match(line)
    return line if match is None else f"{match[0]}\\{line[match.end() :]}"


class Paragraphs:
    """Counts the marks of lines that a renderer may read as one paragraph, up to an empty line.

    An item begins a paragraph of its own if its mark stands where a list can begin or go on. A line
    that is indented too far, or in other quotes, may continue the paragraph before it.
    """

    def __init__(self, *, keeps_dollar: bool) -> None:
        self._keeps_dollar = keeps_dollar
        self._count = 0
        self._quotes: int | None = None  # of the last line; None before the first one
        self._max_blanks = 3  # the most blanks before the mark of the next item
        self._is_ordered = True  # whether any number may begin an item

    def write(self, segment: list[str]) -> str:
        """Write a segment; as code if its paragraph has too many marks."""
        item = self._item(segment[0])
        before, is_first = self._count, self._quotes is None
        if item is not None:
            self._count = 0
        text = "\n".join(segment)
        output = self._write_bounded(text, is_cell=False)
        if output is None:
            self._count = before
            return as_code(text)
        self._quotes = _quotes_of(segment[-1])
        if item is not None:
            self._max_blanks, self._is_ordered = item
        elif is_first:
            self._is_ordered = False
        return output

    def write_row(self, row: str, *, begins: bool) -> str:
        """Write the cells of a row, which begins a paragraph if the table is one."""
        if begins:
            self._count = 0
        return "|".join(map(self._cell, _CELL_END.split(row)))

    def _cell(self, cell: str) -> str:
        output = self._write_bounded(cell, is_cell=True)
        return as_code(cell) if output is None else output

    def _write_bounded(self, text: str, *, is_cell: bool) -> str | None:
        """Write a text; None if its paragraph would have too many marks."""
        output = inline(text, keeps_dollar=self._keeps_dollar, is_cell=is_cell)
        marks = count_emphasis(output)
        if self._count + marks > MAX_MARKS:
            return None
        self._count += marks
        return output

    def _item(self, line: str) -> tuple[int, bool] | None:
        """Return the bounds of the next item if this line begins one: blanks, and any number."""
        match = _ITEM.match(line)
        if match is None or self._quotes not in (None, match[1].count(">")):
            return None
        blanks = len(match[2].expandtabs(4))
        is_ordered = match[3] is not None
        if blanks > self._max_blanks or (is_ordered and match[3] != "1" and not self._is_ordered):
            return None
        return blanks + 5, is_ordered


def _quotes_of(line: str) -> int:
    match = _QUOTES.match(line)
    return 0 if match is None else match[0].count(">")


def chunk(lines: list[str], paragraphs: Paragraphs) -> str:
    """Write lines of text. The lines of one item, heading or cell are read together."""
    if any("|" in line and _DELIMITERS.fullmatch(line) for line in lines):
        head = _head_of_table(lines)
        rows = enumerate(lines)
        return seal("\n".join(paragraphs.write_row(row, begins=at >= head) for at, row in rows))
    segments: list[list[str]] = []
    for line in lines:
        if not segments or _FRONT.match(line):
            segments.append([line])
        else:
            segments[-1].append(line)
    return seal("\n".join(paragraphs.write(segment) for segment in segments))


def _head_of_table(lines: list[str]) -> int:
    """Return the index of a table's first row; that of no line if every renderer sees none."""
    for at in range(1, len(lines)):
        if _DELIMITERS.fullmatch(lines[at]) and _width(lines[at]) == _width(lines[at - 1]):
            return at - 1
    return len(lines)


def _width(row: str) -> int:
    """Count the cells of a row."""
    cells = _CELL_END.split(row.lstrip(" \t>"))
    return len(cells) - (not cells[0].strip(" \t")) - (not cells[-1].strip(" \t"))


def count_marks(line: str) -> int:
    """Count the marks in a line that may open a formula."""
    return line.count("$") + line.count("\\(") + line.count("\\[")
