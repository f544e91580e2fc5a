"""Reads the few HTML elements that an answer may use. Any other tag is text."""

from __future__ import annotations

import re
from typing import Any

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from .blanks import BLANK, is_blank, trim
from .inlines import TAGS
from .rules import is_outside, line_text

Element = list[Any]  # [name, attributes, children]; a child is an element or a text
Attributes = dict[str, object]

_TAG = re.compile(rf"<(/?)([a-zA-Z]{{1,6}})(?:[{BLANK}][^<>]*)?>")
_DETAILS = re.compile(rf"<details(?=[{BLANK}>])([^<>]*)>", re.IGNORECASE | re.ASCII)
_OPEN = re.compile(rf"[{BLANK}]open(?=[{BLANK}=]|\Z)", re.IGNORECASE | re.ASCII)
_DETAILS_END = re.compile(rf"</details[{BLANK}]*>[{BLANK}]*\Z", re.IGNORECASE | re.ASCII)
_SUMMARY = re.compile(
    rf"[{BLANK}]*<summary(?:[{BLANK}][^<>]*)?>(.*?)</summary[{BLANK}]*>",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
_FENCE = re.compile(r"(`{3,}|~{3,})")
_TABLE = re.compile(rf"<table(?=[{BLANK}>])[^<>]*>", re.IGNORECASE | re.ASCII)
_TABLE_END = re.compile(rf"</table[{BLANK}]*>", re.IGNORECASE | re.ASCII)


def inline_tag(state: StateInline, silent: bool) -> bool:
    """Read a tag of an inline element."""
    match = _TAG.match(state.src, state.pos, state.posMax)
    name = match[2].lower() if match is not None else ""
    if match is None or name not in TAGS:
        return False
    if not silent:
        token = state.push("tag", name, 0)
        token.content, token.info = match[0], "close" if match[1] else "open"
    state.pos = match.end()
    return True


def details(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a fold: ``<details>`` at the start of a line, up to its end or the container's end."""
    match = None if state.is_code_block(start) else _DETAILS.match(line_text(state, start))
    if match is None:
        return False
    if silent:
        return True
    content_end, end_mark, following = _end_of_details(state, start, end, match.end())
    token = state.push("details_open", "details", 1)
    token.info = "open" if _OPEN.search(match[1]) else ""
    _read_fold(state, start, content_end, end_mark, match.end())
    state.push("details_close", "details", -1)
    state.line = following
    return True


def _end_of_details(state: StateBlock, start: int, end: int, mark: int) -> tuple[int, int, int]:
    depth = 1
    fence = ""
    for line in range(start, end):
        if line > start and is_outside(state, line):
            return line, state.eMarks[line - 1], line
        text = line_text(state, line)[mark if line == start else 0 :]
        fence = _fence_after(text, fence)
        if fence:
            continue
        depth += line > start and _DETAILS.match(text) is not None
        closing = _DETAILS_END.search(text)
        depth -= closing is not None
        if closing is not None and depth == 0:
            front = state.bMarks[line] + state.tShift[line] + (mark if line == start else 0)
            return line + 1, front + closing.start(), line + 1
    return end, state.eMarks[end - 1], end


def _fence_after(line: str, open_fence: str) -> str:
    match = _FENCE.match(line)
    marks = match[1] if match is not None else ""
    if not open_fence:
        return "" if marks[:1] == "`" and "`" in line[len(marks) :] else marks
    is_closing = marks[:1] == open_fence[0] and len(marks) >= len(open_fence)
    return "" if is_closing and is_blank(line[len(marks) :]) else open_fence


def _move_start(state: StateBlock, line: int, position: int) -> None:
    state.bMarks[line] = position
    state.tShift[line] = state.skipSpaces(position) - position


def _read_fold(state: StateBlock, start: int, end: int, end_mark: int, mark: int) -> None:
    last_line = end - 1
    saved_start = state.bMarks[start], state.tShift[start]
    saved_end, line_max, parent = state.eMarks[last_line], state.lineMax, state.parentType
    _move_start(state, start, state.bMarks[start] + state.tShift[start] + mark)
    state.eMarks[last_line] = end_mark
    state.lineMax, state.parentType = end, "details"
    content_start, saved_line = _read_summary(state, start, end)
    state.md.block.tokenize(state, content_start, end)
    if saved_line is not None:
        line, *marks = saved_line
        state.bMarks[line], state.tShift[line] = marks
    state.bMarks[start], state.tShift[start] = saved_start
    state.eMarks[last_line] = saved_end
    state.lineMax, state.parentType = line_max, parent


def _read_summary(
    state: StateBlock, start: int, end: int
) -> tuple[int, tuple[int, int, int] | None]:
    summary_line = state.skipEmptyLines(start)
    next_line = summary_line
    while next_line < end and not state.isEmpty(next_line):
        next_line += 1
    match = _SUMMARY.match(state.getLines(summary_line, next_line, state.blkIndent, False))
    if summary_line >= end or match is None:
        return start, None
    state.push("summary_open", "summary", 1)
    state.push("inline", "", 0).content = trim(match[1])
    state.push("summary_close", "summary", -1)
    line = summary_line + match[0].count("\n")
    at = line_text(state, line).lower().find("</summary")
    front = state.bMarks[line] + state.tShift[line]
    content_start = -1 if at < 0 else state.src.find(">", front + at) + 1
    saved_line = line, state.bMarks[line], state.tShift[line]
    _move_start(state, line, content_start if content_start > 0 else state.eMarks[line])
    return line, saved_line


def html_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read an HTML table, from a line that begins with ``<table`` to a line with ``</table>``."""
    if state.is_code_block(start) or not _TABLE.match(line_text(state, start)):
        return False
    searched_lines: dict[Any, range] = state.env.setdefault("lines_without_table_end", {})
    container = (state.level, state.blkIndent, end)
    if start in searched_lines.get(container, ()):
        return False
    line = start
    while line < end and not is_outside(state, line):
        if _TABLE_END.search(line_text(state, line)):
            break
        line += 1
    else:
        searched_lines[container] = range(start, line)
        return False
    if silent:
        return True
    token = state.push("html_table", "", 0)
    token.content = state.getLines(start, line + 1, state.blkIndent, False)
    state.line = line + 1
    return True


_PART = re.compile(
    rf"<(/?)(table|caption|thead|tbody|tfoot|tr|th|td)((?:[{BLANK}][^<>]*)?)>",
    re.IGNORECASE | re.ASCII,
)
_CELLS = ("caption", "th", "td")
_BODIES = ("table", "thead", "tbody", "tfoot")
_PARENTS = {"caption": ("table",), "tr": _BODIES, "th": ("tr",), "td": ("tr",)}
_PARENTS |= dict.fromkeys(("thead", "tbody", "tfoot"), ("table",))
_ALIGN = re.compile(
    rf"[{BLANK}]align[{BLANK}]*=[{BLANK}]*[\"']?(left|center|right)\b", re.IGNORECASE | re.ASCII
)
_SPANS = {
    name: re.compile(
        rf"[{BLANK}]{name}[{BLANK}]*=[{BLANK}]*[\"']?([0-9]{{1,4}})", re.IGNORECASE | re.ASCII
    )
    for name in ("colspan", "rowspan")
}
MAX_SPAN = 100  # of a cell; browsers are slow with larger spans


def table_of(source: str) -> Element | None:
    """Read a table with the cells' source as text; None if the source is not a table."""
    reader = _TableReader()
    end = 0
    for match in _PART.finditer(source):
        text = source[end : match.start()]
        tag = match[2].lower()
        if not reader.text(text):
            return None
        if not (reader.close(tag) if match[1] else reader.open(tag, match[3])):
            return None
        end = match.end()
    return reader.table if is_blank(source[end:]) else None


class _TableReader:
    """Takes the tags one by one; each call returns whether they still form a table."""

    def __init__(self) -> None:
        self.table: Element | None = None
        self._stack: list[Element] = []
        self._cell: Element | None = None

    def text(self, source: str) -> bool:
        if self._cell is not None:
            self._cell[2].append(source)
        return self._cell is not None or is_blank(source)

    def open(self, tag: str, attributes: str) -> bool:
        if self.table is not None or (tag == "table" and self._stack):
            return False
        self._close_cell()
        parents = _PARENTS.get(tag, ())
        while len(self._stack) > 1 and self._stack[-1][0] not in parents:
            self._close_box()
        if tag != "table" and (not self._stack or self._stack[-1][0] not in parents):
            return False
        element = [tag, _attributes_of(tag, attributes), []]
        if tag in _CELLS:
            self._cell = element
        else:
            self._stack.append(element)
        return True

    def close(self, tag: str) -> bool:
        is_cell = self._cell is not None and self._cell[0] == tag
        self._close_cell()
        if is_cell:
            return True
        while len(self._stack) > 1 and self._stack[-1][0] != tag:
            self._close_box()
        if not self._stack or self._stack[-1][0] != tag:
            return False
        self._close_box()
        return True

    def _close_cell(self) -> None:
        if self._cell is not None:
            tag, attributes, texts = self._cell
            self._stack[-1][2].append([tag, attributes, [trim("".join(texts))]])
        self._cell = None

    def _close_box(self) -> None:
        box = self._stack.pop()
        if self._stack:
            self._stack[-1][2].append(box)
        else:
            self.table = box


def _attributes_of(tag: str, text: str) -> Attributes:
    if tag not in ("th", "td"):
        return {}
    align = _ALIGN.search(text)
    attributes: Attributes = {} if align is None else {"align": align[1].lower()}
    for name, pattern in _SPANS.items():
        match = pattern.search(text)
        value = int(match[1]) if match is not None else 0
        if value:
            attributes[name] = min(value, MAX_SPAN)
    return attributes
