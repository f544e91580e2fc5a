"""Reads the few HTML elements that an answer may use. Any other tag is text."""

from __future__ import annotations

import re
from typing import Any

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from .blanks import BLANK, is_blank, trimmed
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
    found = _TAG.match(state.src, state.pos, state.posMax)
    name = found[2].lower() if found is not None else ""
    if found is None or name not in TAGS:
        return False
    if not silent:
        token = state.push("tag", name, 0)
        token.content, token.info = found[0], "close" if found[1] else "open"
    state.pos = found.end()
    return True


def details(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a fold: ``<details>`` at the start of a line, up to its end or the container's end."""
    found = None if state.is_code_block(start) else _DETAILS.match(line_text(state, start))
    if found is None:
        return False
    if silent:
        return True
    content_end, end_mark, following = _end_of_details(state, start, end, found.end())
    token = state.push("details_open", "details", 1)
    token.info = "open" if _OPEN.search(found[1]) else ""
    _read_fold(state, start, content_end, end_mark, found.end())
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


def _fence_after(line: str, opened: str) -> str:
    found = _FENCE.match(line)
    marks = found[1] if found is not None else ""
    if not opened:
        return "" if marks[:1] == "`" and "`" in line[len(marks) :] else marks
    is_closing = marks[:1] == opened[0] and len(marks) >= len(opened)
    return "" if is_closing and is_blank(line[len(marks) :]) else opened


def _shift(state: StateBlock, line: int, position: int) -> None:
    state.bMarks[line] = position
    state.tShift[line] = state.skipSpaces(position) - position


def _read_fold(state: StateBlock, start: int, end: int, end_mark: int, mark: int) -> None:
    last = end - 1
    kept = state.bMarks[start], state.tShift[start]
    kept_mark, line_max, parent = state.eMarks[last], state.lineMax, state.parentType
    _shift(state, start, state.bMarks[start] + state.tShift[start] + mark)
    state.eMarks[last] = end_mark
    state.lineMax, state.parentType = end, "details"
    first, undone = _read_summary(state, start, end)
    state.md.block.tokenize(state, first, end)
    if undone is not None:
        line, *marks = undone
        state.bMarks[line], state.tShift[line] = marks
    state.bMarks[start], state.tShift[start] = kept
    state.eMarks[last] = kept_mark
    state.lineMax, state.parentType = line_max, parent


def _read_summary(
    state: StateBlock, start: int, end: int
) -> tuple[int, tuple[int, int, int] | None]:
    first = state.skipEmptyLines(start)
    after = first
    while after < end and not state.isEmpty(after):
        after += 1
    found = _SUMMARY.match(state.getLines(first, after, state.blkIndent, False))
    if first >= end or found is None:
        return start, None
    state.push("summary_open", "summary", 1)
    state.push("inline", "", 0).content = trimmed(found[1])
    state.push("summary_close", "summary", -1)
    line = first + found[0].count("\n")
    at = line_text(state, line).lower().find("</summary")
    front = state.bMarks[line] + state.tShift[line]
    rest = -1 if at < 0 else state.src.find(">", front + at) + 1
    kept = line, state.bMarks[line], state.tShift[line]
    _shift(state, line, rest if rest > 0 else state.eMarks[line])
    return line, kept


def html_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read an HTML table, from a line that begins with ``<table`` to a line with ``</table>``."""
    if state.is_code_block(start) or not _TABLE.match(line_text(state, start)):
        return False
    without: dict[Any, range] = state.env.setdefault("lines_without_table_end", {})
    container = (state.level, state.blkIndent, end)
    if start in without.get(container, ()):
        return False
    line = start
    while line < end and not is_outside(state, line):
        if _TABLE_END.search(line_text(state, line)):
            break
        line += 1
    else:
        without[container] = range(start, line)
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
    done = 0
    for found in _PART.finditer(source):
        between = source[done : found.start()]
        tag = found[2].lower()
        if not reader.text(between):
            return None
        if not (reader.close(tag) if found[1] else reader.open(tag, found[3])):
            return None
        done = found.end()
    return reader.table if is_blank(source[done:]) else None


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
        opened = [tag, _attributes_of(tag, attributes), []]
        if tag in _CELLS:
            self._cell = opened
        else:
            self._stack.append(opened)
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
            self._stack[-1][2].append([tag, attributes, [trimmed("".join(texts))]])
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
    kept: Attributes = {} if align is None else {"align": align[1].lower()}
    for name, pattern in _SPANS.items():
        found = pattern.search(text)
        value = int(found[1]) if found is not None else 0
        if value:
            kept[name] = min(value, MAX_SPAN)
    return kept
