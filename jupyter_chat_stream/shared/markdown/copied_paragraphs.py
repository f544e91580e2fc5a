"""The lines of a paragraph, an item, a heading or a table of a harmless copy (see ``copies``)."""

from __future__ import annotations

import re

from .inlines import inline, sealed

_FRONT = re.compile(r"[ \t]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)")
_DELIMITERS = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
# The most headings in a copy: JupyterLab lists each of them, so further ones become text.
MAX_HEADINGS = 100
_HEADING = re.compile(r" {0,3}(?=#{1,6}(?:[ \t]|$))")
_UNDERLINE = re.compile(r" {0,3}(?=(?:=+|-+)[ \t]*$)")
# The most lists and quotes that a line may open: JupyterLab's contents take long for more.
MAX_NESTING = 32
_TOO_DEEP = re.compile(
    rf"(?:[ \t]*(?:[-*+](?=[ \t])|[0-9]{{1,9}}[.)](?=[ \t])|>)){{{MAX_NESTING}}}[ \t]*"
    r"(?:[0-9]{1,9}(?=[.)](?:[ \t]|$))|(?=[-*+](?:[ \t]|$)|>))"
)


class Headings:
    """Counts the headings of a copy, and turns those beyond the limit into text."""

    def __init__(self) -> None:
        self._count = 0

    def first(self, line: str) -> str:
        """Write the first line of a paragraph."""
        return self._mark(line, _HEADING)

    def next(self, line: str) -> str:
        """Write another line of a paragraph; it may underline the line before."""
        return self._mark(self._mark(line, _HEADING), _UNDERLINE)

    def _mark(self, line: str, mark: re.Pattern[str]) -> str:
        found = mark.match(line)
        if found is None:
            return line
        self._count += 1
        return f"{found[0]}\\{line[found.end() :]}" if self._count > MAX_HEADINGS else line


def shallow(line: str) -> str:
    """Write the mark of a line's first list or quote beyond the limit as text."""
    found = _TOO_DEEP.match(line)
    return line if found is None else f"{found[0]}\\{line[found.end() :]}"


def chunk(lines: list[str], keeps_dollar: bool) -> str:
    """Write lines of text. The lines of one item, heading or cell are read together."""
    is_table = any("|" in line and _DELIMITERS.fullmatch(line) for line in lines)
    segments: list[list[str]] = []
    for line in lines:
        if is_table or not segments or _FRONT.match(line):
            segments.append([line])
        else:
            segments[-1].append(line)
    if is_table:
        rows = [re.split(r"(?<!\\)\|", line) for line in lines]
        written = [
            "|".join(inline(cell, keeps_dollar=keeps_dollar, is_cell=True) for cell in row)
            for row in rows
        ]
    else:
        written = [inline("\n".join(each), keeps_dollar=keeps_dollar) for each in segments]
    return sealed("\n".join(written))


def count_marks(line: str) -> int:
    """Count the marks in a line that may open a formula."""
    return line.count("$") + line.count("\\(") + line.count("\\[")
