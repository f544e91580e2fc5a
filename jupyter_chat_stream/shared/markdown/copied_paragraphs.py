"""Writes the lines of a paragraph, item, heading or table of a harmless copy (see ``copies``)."""

from __future__ import annotations

import re

from .copied_marks import MAX_MARKS, as_code, count_emphasis
from .inlines import inline, sealed

_FRONT = re.compile(r"[ \t]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)")
# The mark of an item or a heading: the blanks before it, and its number.
_ITEM = re.compile(r"([ \t]*)(?:[-*+]|#{1,6}|([0-9]{1,9})[.)])[ \t]")
_DELIMITERS = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
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
        found = mark.match(line)
        if found is None:
            return line
        self._count += 1
        return f"{found[0]}\\{line[found.end() :]}" if self._count > MAX_HEADINGS else line


def shallow(line: str) -> str:
    """Write the mark of the first list or quote beyond the limit as text."""
    found = _TOO_DEEP.match(line)
    return line if found is None else f"{found[0]}\\{line[found.end() :]}"


class _Paragraphs:
    """Counts the marks of segments that a renderer may read as one paragraph.

    An item begins a paragraph of its own if its mark stands where a list can begin or go on; a line
    of a quote, or one that is indented too far, may continue the paragraph before it.
    """

    def __init__(self, *, keeps_dollar: bool) -> None:
        self._keeps_dollar = keeps_dollar
        self._count = 0
        self._furthest = 3  # the most blanks before the mark of the next item
        self._is_ordered = False

    def write(self, segment: list[str]) -> str:
        """Write a segment; as code if its paragraph has too many marks."""
        if self._begins_item(segment[0]):
            self._count = 0
        return self._bounded("\n".join(segment), is_cell=False)

    def write_row(self, row: str, *, begins: bool) -> str:
        """Write the cells of a row, which begins a paragraph if the table is one."""
        if begins:
            self._count = 0
        cells = re.split(r"(?<!\\)\|", row)
        return "|".join(self._bounded(cell, is_cell=True) for cell in cells)

    def _bounded(self, text: str, *, is_cell: bool) -> str:
        written = inline(text, keeps_dollar=self._keeps_dollar, is_cell=is_cell)
        marks = count_emphasis(written)
        if self._count + marks > MAX_MARKS:
            return as_code(text)
        self._count += marks
        return written

    def _begins_item(self, line: str) -> bool:
        found = _ITEM.match(line)
        if found is None:
            return False
        blanks = len(found[1].expandtabs(4))
        is_ordered = found[2] is not None
        if blanks > self._furthest or (is_ordered and found[2] != "1" and not self._is_ordered):
            return False
        self._furthest = blanks + 5
        self._is_ordered = is_ordered
        return True


def chunk(lines: list[str], keeps_dollar: bool) -> str:
    """Write lines of text. The lines of the same item, heading or cell are read together."""
    is_table = any("|" in line and _DELIMITERS.fullmatch(line) for line in lines)
    segments: list[list[str]] = []
    for line in lines:
        if is_table or not segments or _FRONT.match(line):
            segments.append([line])
        else:
            segments[-1].append(line)
    paragraphs = _Paragraphs(keeps_dollar=keeps_dollar)
    if is_table:
        is_whole = len(lines) > 1 and _DELIMITERS.fullmatch(lines[1]) is not None
        written = [paragraphs.write_row(line, begins=is_whole) for line in lines]
    else:
        written = [paragraphs.write(each) for each in segments]
    return sealed("\n".join(written))


def count_marks(line: str) -> int:
    """Count the marks in a line that may open a formula."""
    return line.count("$") + line.count("\\(") + line.count("\\[")
