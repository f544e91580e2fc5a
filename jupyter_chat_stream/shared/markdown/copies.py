"""Turn the Markdown of an answer into Markdown that can harm nobody, whatever reads it.

An answer is untrusted, and the renderers of a copy (JupyterLab, nbconvert, GitHub, pandoc …)
differ in what they take for code, HTML, maths or a link. So safety does not rest on agreement:
outside of fences nothing is left that could load, run or lead anywhere in any of them, and a fence
stands where all of them see it. Only the looks of a copy depend on this module's own reading.

The twin of ``labextension/src/markdown/copies.ts``: both write the same (``tests/vectors/copies``).
"""

from __future__ import annotations

import re

from .inlines import RISKY_COMMAND, apart, encoded, inline, sealed

_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})([^\n]*)")
_NESTED = re.compile(r"((?:[ \t]|>|[-*+][ \t]|[0-9]{1,9}[.)][ \t])*)(`{3,}|~{3,})([^\n]*)")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,40}")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|[0-9]{1,9}[.)])(?:[ \t]|\Z)")
_FRONT = re.compile(r"[ \t]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)")
_DELIMITERS = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_DETAILS = re.compile(r" {0,3}<details((?:[ \t][^<>]*)?)>", re.IGNORECASE | re.ASCII)
_OPEN = re.compile(r"[ \t]open(?:[ \t=]|\Z)", re.IGNORECASE | re.ASCII)
_DETAILS_END = re.compile(r"</details[ \t]*>[ \t]*\Z", re.IGNORECASE | re.ASCII)
_SUMMARY = re.compile(r" {0,3}<summary(?:[ \t][^<>]*)?>", re.IGNORECASE | re.ASCII)
_SUMMARY_END = re.compile(r"</summary[ \t]*>", re.IGNORECASE | re.ASCII)
_HR = re.compile(r" {0,3}<hr[ \t]*/?>[ \t]*", re.IGNORECASE | re.ASCII)
_RULE = re.compile(r"---[ \t]*")
_MATHS = {"$$": "$$", "\\[": "\\]"}
# What means something at the front of a line, or in one.
_FRONT_MARK = re.compile(r"^([0-9]{0,9})([-+=.)])")
_SPECIAL = re.compile(r"[\\$<>&\[\]!`{}*_#~|]")
# What must not stand as it is even in code, because not every renderer sees that code.
_RISK = re.compile(
    r"[<$]|&(?:#|dollar|bsol)|!\[|\]\(|\]:|[\])`]\{|\\[(\[]|\\(?:begin|end)|:::|mermaid|"
    + RISKY_COMMAND
)
# How deep folds nest; what is deeper is text.
MAX_FOLDS = 32
# A summary of more lines is text.
MAX_SUMMARY_LINES = 20
# JupyterLab lists the headings of a copy, one by one: more than so many are text.
MAX_HEADINGS = 100
_HEADING = re.compile(r" {0,3}(?=#{1,6}(?:[ \t]|$))")
_UNDERLINE = re.compile(r" {0,3}(?=(?:=+|-+)[ \t]*$)")
# The most lists and quotes that a line may open: JupyterLab's contents take long for more.
MAX_NESTING = 32
_TOO_DEEP = re.compile(
    rf"(?:[ \t]*(?:[-*+](?=[ \t])|[0-9]{{1,9}}[.)](?=[ \t])|>)){{{MAX_NESTING}}}[ \t]*"
    r"(?:[0-9]{1,9}(?=[.)](?:[ \t]|$))|(?=[-*+](?:[ \t]|$)|>))"
)
# How many characters of lists and quotes may stand before a fence.
MAX_FRONT = 200


def harmless(text: str) -> str:
    """Write Markdown so that it harms no renderer; every character is still seen."""
    return _Copy(visible(text).split("\n")).written()


def harmless_start(text: str, most_bytes: int) -> str:
    """Write as much of a text's beginning as fits in, with `` …`` at the cut."""
    source = visible(text).encode()
    room = most_bytes - len("\n\n…".encode())
    size = min(room, len(source))
    while size > 0:
        start = harmless(source[:size].decode(errors="ignore"))
        taken = len(start.encode())
        if taken <= room:
            return start if size == len(source) else f"{start}\n\n…"
        size = min(size - 64, size * room // taken)
    return "…"


def visible(text: str) -> str:
    """Write a text's control characters as their pictures (U+2400), line ends as line feeds."""
    text = re.sub("\r\n?", "\n", text)
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    text = re.sub("[\x00-\x08\x0b-\x1f]", lambda found: chr(0x2400 + ord(found[0])), text)
    return re.sub("[\x7f-\x9f\u2028\u2029]", "\ufffd", text)


def one_line(text: str) -> str:
    """Write a text that is no Markdown (a name, a title) as one line of harmless Markdown."""
    line = re.sub("[ \t\n]+", " ", visible(text)).strip(" ")
    line = _SPECIAL.sub(lambda found: _written(found[0]), line)
    return _FRONT_MARK.sub(lambda found: f"{found[1]}\\{found[2]}", line)


def _written(mark: str) -> str:
    if mark in "$\\":
        return apart(ord(mark))
    return f"\\{mark}" if mark in "*_#~|" else f"&#{ord(mark)};"


class _Copy:
    """One text on its way, line by line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._out: list[str] = []
        self._folds = 0
        self._is_in_list = False
        self._headings = 0
        # A dollar that is alone in all of the text can make no formula with another one.
        self._keeps_dollar = sum(map(_count_marks, lines)) <= 1
        # Where a formula's end is known to be missing, so that it is looked for once.
        self._no_end: dict[str, int] = {}

    def written(self) -> str:
        while self._at < len(self._lines):
            self._block()
        for _ in range(self._folds):
            self._apart("</details>")
        return "\n".join(self._out).strip("\n")

    # ------------------------------------------------------------------ blocks

    def _block(self) -> None:
        line = self._lines[self._at]
        if not line.strip(" \t"):
            if self._out and self._out[-1] != "":
                self._out.append("")
            self._at += 1
        elif not (self._fence(line) or self._fold(line) or self._maths(line) or self._code(line)):
            self._text()

    def _apart(self, *lines: str) -> None:
        """Write lines with an empty one before and behind them: every renderer sees a block."""
        if self._out and self._out[-1] != "":
            self._out.append("")
        self._out += [*lines, ""]

    def _fence(self, line: str) -> bool:
        found = _FENCE.fullmatch(line)
        if found is not None and not (found[1] and self._is_in_list) and _is_fence(found):
            self._top_fence(len(found[1]), found[2], found[3])
            return True
        found = _NESTED.fullmatch(line)
        if found is None or not _is_fence(found) or self._is_indented(line):
            return False
        self._nested_fence(found[1], found[2], found[3])
        return True

    def _top_fence(self, indent: int, marks: str, info: str) -> None:
        end = self._at + 1
        while end < len(self._lines) and not _closes(self._lines[end], marks):
            end += 1
        code = [_outdented(line, indent) for line in self._lines[self._at + 1 : end]]
        self._write_code(code, info)
        self._is_in_list = False
        self._at = end + 1

    def _write_code(self, code: list[str], info: str) -> None:
        found = _LANGUAGE.match(info.strip(" \t{}="))
        language = found[0] if found is not None else ""
        language = "" if "mermaid" in language.lower() else language  # it would be run
        longest = max((len(run) for run in re.findall("`+", "\n".join(code))), default=0)
        fence = "`" * max(3, longest + 1)
        self._apart(f"{fence}{language}", *code, fence)

    def _nested_fence(self, front: str, marks: str, info: str) -> None:
        """A fence in a list or a quote stays if it is harmless as text, too; else it is HTML."""
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
            self._out += self._lines[self._at : end]
        else:
            self._out.append(f"{front}<pre><code>{encoded(chr(10).join(code))}</code></pre>")
        self._at = end

    def _is_indented(self, line: str) -> bool:
        """Whether a line is code by its indentation."""
        is_first = not self._out or self._out[-1] == ""
        return is_first and not self._is_in_list and re.match(" {4}| {0,3}\t", line) is not None

    def _code(self, line: str) -> bool:
        if not self._is_indented(line):
            return False
        end = self._at
        for at in range(self._at, len(self._lines)):
            if re.match(" {4}| {0,3}\t", self._lines[at]):
                end = at + 1
            elif self._lines[at].strip(" \t"):
                break
        code = [re.sub(r"^(?: {4}| {0,3}\t)", "", line) for line in self._lines[self._at : end]]
        self._write_code(code, "")
        self._at = end
        return True

    def _maths(self, line: str) -> bool:
        """A formula that begins a line and ends one; its marks are what all renderers know."""
        opener = line.lstrip(" ")[:2]
        closer = _MATHS.get(opener)
        if closer is None or self._is_indented(line) or self._no_end.get(closer, -1) > self._at:
            return False
        end = self._at
        rest = line.lstrip(" ")[2:]
        while rest.strip(" \t") or end == self._at:
            if closer in rest:
                break
            end += 1
            rest = self._lines[end] if end < len(self._lines) else ""
        if (
            not rest.rstrip(" \t").endswith(closer)
            or rest.index(closer) < len(rest.rstrip(" \t")) - 2
        ):
            self._no_end[closer] = end
            return False
        source = "\n".join([line.lstrip(" ")[2:], *self._lines[self._at + 1 : end + 1]])
        content = source.rstrip(" \t")[:-2].strip(" \t\n")
        if not content or "`" in content or "$$" in content:
            return False
        # Like a paragraph, so that `inline` decides what of it may stay.
        self._apart(sealed(inline(f"{opener}{content}{closer}", keeps_dollar=False)))
        self._at = end + 1
        return True

    # ------------------------------------------------------------------ folds

    def _fold(self, line: str) -> bool:
        if _HR.fullmatch(line):
            self._apart("<hr>")
            self._at += 1
            return True
        found = _DETAILS.match(line)
        if found is not None and self._folds < MAX_FOLDS:
            self._folds += 1
            self._is_in_list = False
            self._lines[self._at] = line[found.end() :]
            summary = self._summary()
            opened = " open" if _OPEN.search(found[1]) else ""
            self._apart(f"<details{opened}>{summary}")
            return True
        closing = _DETAILS_END.search(line) if self._folds else None
        if closing is None:
            return False
        before = line[: closing.start()]
        if before.strip(" \t"):
            self._out.append(_chunk([before], self._keeps_dollar))
        self._apart("</details>")
        self._folds -= 1
        self._is_in_list = False
        self._at += 1
        return True

    def _summary(self) -> str:
        """Take the summary that stands at the front of a fold."""
        at = self._at
        while at < len(self._lines) and not self._lines[at].strip(" \t"):
            at += 1
        found = _SUMMARY.match(self._lines[at]) if at < len(self._lines) else None
        if found is None:
            return ""
        text = self._lines[at][found.end() :]
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
        return f"<summary>{sealed(inline(inner, keeps_dollar=False))}</summary>"

    # ------------------------------------------------------------------ text

    def _text(self) -> None:
        lines = [self._lines[self._at]]
        if not self._out or self._out[-1] == "":
            # Pandoc reads settings between two such lines.
            lines[0] = "***" if _RULE.fullmatch(lines[0]) else lines[0]
        lines[0] = self._heading(_shallow(lines[0]), _HEADING)
        self._note_list(lines[0])
        self._at += 1
        while self._at < len(self._lines) and not self._begins_block(self._lines[self._at]):
            line = _shallow(self._lines[self._at])
            lines.append(self._heading(self._heading(line, _HEADING), _UNDERLINE))
            self._note_list(line)
            self._at += 1
        self._out.append(_chunk(lines, self._keeps_dollar))

    def _heading(self, line: str, mark: re.Pattern[str]) -> str:
        """Write what makes a line a heading as text if there are too many headings."""
        found = mark.match(line)
        if found is None:
            return line
        self._headings += 1
        is_text = self._headings > MAX_HEADINGS
        return f"{found[0]}\\{line[found.end() :]}" if is_text else line

    def _note_list(self, line: str) -> None:
        if _LIST_ITEM.match(line):
            self._is_in_list = True
        elif line[0] not in " \t" and (not self._out or self._out[-1] == ""):
            self._is_in_list = False

    def _begins_block(self, line: str) -> bool:
        if not line.strip(" \t") or _HR.fullmatch(line) or _DETAILS.match(line):
            return True
        if self._folds and _DETAILS_END.search(line):
            return True
        fence = _NESTED.fullmatch(line)
        is_maths = line.lstrip(" ")[:2] in _MATHS
        return is_maths or (fence is not None and _is_fence(fence))


def _chunk(lines: list[str], keeps_dollar: bool) -> str:
    """Write lines of text; what stands in one item, heading or cell is read as one."""
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


def _shallow(line: str) -> str:
    """Write the mark of a line's first list or quote beyond the limit as text."""
    found = _TOO_DEEP.match(line)
    return line if found is None else f"{found[0]}\\{line[found.end() :]}"


def _count_marks(line: str) -> int:
    return line.count("$") + line.count("\\(") + line.count("\\[")


def _is_fence(found: re.Match[str]) -> bool:
    return len(found[1]) <= MAX_FRONT and not (found[2][0] == "`" and "`" in found[3])


def _closes(line: str, marks: str) -> bool:
    line = line.strip(" \t")
    return len(line) >= len(marks) and not line.strip(marks[0])


def _outdented(line: str, indent: int) -> str:
    blanks = len(line) - len(line.lstrip(" "))
    return line[min(blanks, indent) :]


def _within(line: str, quotes: int, indent: int) -> str | None:
    """A line as a fence in a list or a quote sees it; None if it does not belong to it."""
    if quotes:
        found = re.match(rf"(?:[ \t]{{0,3}}>){{{quotes}}} ?", line)
        return None if found is None else line[found.end() :]
    line = line.replace("\t", "    ")
    blanks = len(line) - len(line.lstrip(" "))
    if line.strip(" ") and blanks < min(indent, 2):
        return None
    return line[min(blanks, indent) :]
