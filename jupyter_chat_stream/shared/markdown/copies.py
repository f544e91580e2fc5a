"""Turns the Markdown of an answer into Markdown that is harmless in every renderer. Pure.

An answer is untrusted, and the renderers of a copy (JupyterLab, nbconvert, GitHub, pandoc …) do not
agree on what is code, HTML, maths or a link. So safety must not depend on one reading. Outside of
fences, a copy contains nothing that could load, run or link in any renderer, and all renderers
recognise every fence. Only the appearance of a copy depends on this module's own reading.

``labextension/src/markdown/copies.ts`` writes the same copies (``tests/vectors/copies``).
"""

from __future__ import annotations

import re

from .copied_paragraphs import Headings, Paragraphs, chunk, count_marks, shallow
from .copied_texts import encode, visible
from .inlines import RISKY_COMMAND, seal_apart

_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})([^\n]*)")
_NESTED = re.compile(r"((?:[ \t]|>|[-*+][ \t]|[0-9]{1,9}[.)][ \t])*)(`{3,}|~{3,})([^\n]*)")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,40}")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|[0-9]{1,9}[.)])(?:[ \t]|\Z)")
_DETAILS = re.compile(r" {0,3}<details((?:[ \t][^<>]*)?)>", re.IGNORECASE | re.ASCII)
_OPEN = re.compile(r"[ \t]open(?:[ \t=]|\Z)", re.IGNORECASE | re.ASCII)
_DETAILS_END = re.compile(r"</details[ \t]*>[ \t]*\Z", re.IGNORECASE | re.ASCII)
_SUMMARY = re.compile(r" {0,3}<summary(?:[ \t][^<>]*)?>", re.IGNORECASE | re.ASCII)
_SUMMARY_END = re.compile(r"</summary[ \t]*>", re.IGNORECASE | re.ASCII)
_HR = re.compile(r" {0,3}<hr[ \t]*/?>[ \t]*", re.IGNORECASE | re.ASCII)
_RULE = re.compile(r"---[ \t]*")
_MATHS = {"$$": "$$", "\\[": "\\]"}
# Text that is rewritten even in code, because some renderers do not recognise that code.
_RISK = re.compile(
    r"[<$]|&(?:#|dollar|bsol)|!\[|\]\(|\]:|[\])`]\{|\\[(\[]|\\(?:begin|end)|:::|mermaid|"
    + RISKY_COMMAND
)
# The deepest nesting of folds (``<details>``); deeper folds become text.
MAX_FOLDS = 32
# A summary with more lines becomes text.
MAX_SUMMARY_LINES = 20
# The most characters of list and quote marks before a fence.
MAX_FRONT = 200
_CUT = "\n\n…"
_INDENT = re.compile(r"^(?: {4}| {0,3}\t)")


def harmless(text: str) -> str:
    """Rewrite Markdown so that it is harmless in every renderer. Every character stays visible."""
    return _Copy(visible(text).split("\n")).render()


def harmless_start(text: str, limit_bytes: int) -> str:
    """Rewrite as much of a text's beginning as fits in ``limit_bytes``, with ``…`` at the cut."""
    source = visible(text).encode()
    max_bytes = limit_bytes - len(_CUT.encode())
    size = min(max_bytes, len(source))
    while size > 0:
        start = harmless(source[:size].decode(errors="ignore"))
        start_bytes = len(start.encode())
        if start_bytes <= max_bytes:
            return start if size == len(source) else start + _CUT
        size = min(size - 64, size * max_bytes // start_bytes)
    return "…"


class _Copy:
    """Rewrites one text, line by line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._output: list[str] = []
        self._folds = 0
        self._is_in_list = False
        self._headings = Headings()
        # A single dollar cannot form a formula with another one.
        self._keeps_dollar = sum(map(count_marks, lines)) <= 1
        self._marks = Paragraphs(keeps_dollar=self._keeps_dollar)
        # By closer: the line up to which it is known to be missing, so that it is searched only
        # once.
        self._no_end: dict[str, int] = {}

    def render(self) -> str:
        while self._at < len(self._lines):
            self._block()
        for _ in range(self._folds):
            self._write_apart("</details>")
        return "\n".join(self._output).strip("\n")

    # ------------------------------------------------------------------ blocks

    def _block(self) -> None:
        line = self._lines[self._at]
        if not line.strip(" \t"):
            if not self._is_after_empty():
                self._output.append("")
            self._at += 1
        elif not (self._fence(line) or self._fold(line) or self._maths(line) or self._code(line)):
            self._paragraph()

    def _write_apart(self, *lines: str) -> None:
        """Write lines between empty lines, so that every renderer recognises a block."""
        if not self._is_after_empty():
            self._output.append("")
        self._output += [*lines, ""]

    def _fence(self, line: str) -> bool:
        match = _FENCE.fullmatch(line)
        if match is not None and not (match[1] and self._is_in_list) and _is_fence(match):
            self._top_fence(len(match[1]), match[2], match[3])
            return True
        match = _NESTED.fullmatch(line)
        if match is None or not _is_fence(match) or self._is_indented(line):
            return False
        self._nested_fence(match[1], match[2], match[3])
        return True

    def _top_fence(self, indent: int, marks: str, info: str) -> None:
        end = self._at + 1
        while end < len(self._lines) and not _closes(self._lines[end], marks):
            end += 1
        code = [_outdent(line, indent) for line in self._lines[self._at + 1 : end]]
        self._write_code(code, info)
        self._is_in_list = False
        self._at = end + 1

    def _write_code(self, code: list[str], info: str) -> None:
        match = _LANGUAGE.match(info.strip(" \t{}="))
        language = match[0] if match is not None else ""
        language = "" if "mermaid" in language.lower() else language  # some renderers would run it
        longest = max((len(run) for run in re.findall("`+", "\n".join(code))), default=0)
        fence = "`" * max(3, longest + 1)
        self._write_apart(f"{fence}{language}", *code, fence)

    def _nested_fence(self, front: str, marks: str, info: str) -> None:
        """Keep a fence in a list or a quote if it is harmless even as text; else write HTML."""
        quotes, indent = front.count(">"), len(front.replace("\t", "    "))
        code: list[str] = []
        end = self._at + 1
        is_closed = False
        while end < len(self._lines) and not is_closed:
            line = _within(self._lines[end], quotes, indent)
            if line is None:
                break
            is_closed = _closes(line, marks)
            if not is_closed:
                code.append(line)
            end += 1
        source = "\n".join([info, *code])
        if is_closed and _RISK.search(source) is None:
            self._output += self._lines[self._at : end]
        else:
            self._output.append(f"{front}<pre><code>{encode(chr(10).join(code))}</code></pre>")
        self._at = end

    def _is_indented(self, line: str) -> bool:
        """Return whether a line's indentation makes it code."""
        return self._is_after_empty() and not self._is_in_list and _INDENT.match(line) is not None

    def _is_after_empty(self) -> bool:
        return not self._output or self._output[-1] == ""

    def _code(self, line: str) -> bool:
        if not self._is_indented(line):
            return False
        end = self._at
        for at in range(self._at, len(self._lines)):
            if _INDENT.match(self._lines[at]):
                end = at + 1
            elif self._lines[at].strip(" \t"):
                break
        code = [_INDENT.sub("", line) for line in self._lines[self._at : end]]
        self._write_code(code, "")
        self._at = end
        return True

    def _maths(self, line: str) -> bool:
        """Write a formula of several lines with marks that all renderers know."""
        opener = line.lstrip(" ")[:2]
        closer = _MATHS.get(opener)
        if closer is None or self._is_indented(line) or self._no_end.get(closer, -1) > self._at:
            return False
        end = self._at
        text = line.lstrip(" ")[2:]
        while (text.strip(" \t") or end == self._at) and closer not in text:
            end += 1
            text = self._lines[end] if end < len(self._lines) else ""
        last_line = text.rstrip(" \t")
        if not last_line.endswith(closer) or last_line.index(closer) < len(last_line) - 2:
            self._no_end[closer] = end
            return False
        source = "\n".join([line.lstrip(" ")[2:], *self._lines[self._at + 1 : end + 1]])
        content = source.rstrip(" \t")[:-2].strip(" \t\n")
        if not content or "`" in content or "$$" in content:
            return False
        # `seal_apart` decides which parts may stay, as in a paragraph.
        self._write_apart(seal_apart(f"{opener}{content}{closer}"))
        self._at = end + 1
        return True

    # ------------------------------------------------------------------ folds

    def _fold(self, line: str) -> bool:
        if _HR.fullmatch(line):
            self._write_apart("<hr>")
            self._at += 1
            return True
        match = _DETAILS.match(line)
        if match is not None and self._folds < MAX_FOLDS:
            self._folds += 1
            self._is_in_list = False
            self._lines[self._at] = line[match.end() :]
            summary = self._summary()
            open_attribute = " open" if _OPEN.search(match[1]) else ""
            self._write_apart(f"<details{open_attribute}>{summary}")
            return True
        closing = _DETAILS_END.search(line) if self._folds else None
        if closing is None:
            return False
        before = line[: closing.start()]
        if before.strip(" \t"):
            self._output.append(chunk([before], self._paragraphs()))
        self._write_apart("</details>")
        self._folds -= 1
        self._is_in_list = False
        self._at += 1
        return True

    def _summary(self) -> str:
        at = self._at
        while at < len(self._lines) and not self._lines[at].strip(" \t"):
            at += 1
        match = _SUMMARY.match(self._lines[at]) if at < len(self._lines) else None
        if match is None:
            return ""
        text = self._lines[at][match.end() :]
        end = at
        while not (closing := _SUMMARY_END.search(text)):
            end += 1
            is_over = end >= len(self._lines) or end - at >= MAX_SUMMARY_LINES
            if is_over or not self._lines[end].strip(" \t"):
                return ""
            text = f"{text}\n{self._lines[end]}"
        inner = re.sub("[ \t\n]+", " ", text[: closing.start()]).strip(" ")
        self._lines[end] = text[closing.end() :]
        self._at = end
        return f"<summary>{seal_apart(inner)}</summary>"

    # ------------------------------------------------------------------ text

    def _paragraph(self) -> None:
        first = self._lines[self._at]
        if self._is_after_empty() and _RULE.fullmatch(first):
            first = "***"  # Pandoc reads settings between two such lines.
        lines = [self._headings.first(shallow(first))]
        self._note_list(first)
        self._at += 1
        while self._at < len(self._lines) and not self._begins_block(self._lines[self._at]):
            line = self._lines[self._at]
            lines.append(self._headings.next(shallow(line)))
            self._note_list(line)
            self._at += 1
        self._output.append(chunk(lines, self._paragraphs()))

    def _paragraphs(self) -> Paragraphs:
        """Return the count of marks that the next lines continue."""
        if self._is_after_empty():
            self._marks = Paragraphs(keeps_dollar=self._keeps_dollar)
        return self._marks

    def _note_list(self, line: str) -> None:
        if _LIST_ITEM.match(line):
            self._is_in_list = True
        elif line[0] not in " \t" and self._is_after_empty():
            self._is_in_list = False

    def _begins_block(self, line: str) -> bool:
        if not line.strip(" \t") or _HR.fullmatch(line) or _DETAILS.match(line):
            return True
        if self._folds and _DETAILS_END.search(line):
            return True
        fence = _NESTED.fullmatch(line)
        is_maths = line.lstrip(" ")[:2] in _MATHS
        return is_maths or (fence is not None and _is_fence(fence))


def _is_fence(match: re.Match[str]) -> bool:
    is_near = len(match[1]) <= MAX_FRONT and shallow(match[0]) == match[0]
    return is_near and not (match[2][0] == "`" and "`" in match[3])


def _closes(line: str, marks: str) -> bool:
    line = line.strip(" \t")
    return len(line) >= len(marks) and not line.strip(marks[0])


def _outdent(line: str, indent: int) -> str:
    blanks = len(line) - len(line.lstrip(" "))
    return line[min(blanks, indent) :]


def _within(line: str, quotes: int, indent: int) -> str | None:
    """Return a line of a fence without the container's marks; None if it is outside the fence."""
    if quotes:
        match = re.match(rf"(?:[ \t]{{0,3}}>){{{quotes}}} ?", line)
        return None if match is None else line[match.end() :]
    line = line.replace("\t", "    ")
    blanks = len(line) - len(line.lstrip(" "))
    if line.strip(" ") and blanks < min(indent, 2):
        return None
    return line[min(blanks, indent) :]
