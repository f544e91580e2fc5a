"""Writes the text of one paragraph, item, heading or cell of a harmless copy (see ``copies``).

``inline`` reads code spans, maths, tags and links like the dialect, and writes them in a form that
looks right in most renderers. ``seal`` ignores the context: it rewrites everything that any
renderer could read as more than text. A formula is kept only if all renderers read the same one.
"""

from __future__ import annotations

import re

from .copied_marks import MAX_MARKS, as_code, count_emphasis
from .copied_texts import encode, escape_tag, set_apart

TAGS = (
    *("b", "br", "code", "del", "em", "i", "ins", "kbd", "mark", "q"),
    *("s", "samp", "small", "strong", "sub", "sup", "u", "var", "wbr"),
)
_VOID = {"br", "wbr"}
# The deepest nesting of tags; deeper tags become text.
MAX_TAGS = 32
# TeX commands that make links, load data, set attributes, or rename such commands.
_COMMANDS = (
    "href|url|require|class|cssId|style|data|html[A-Za-z]*|includegraphics|bbox|mmlToken|unicode"
    "|def|[egx]def|let|futurelet|newcommand|renewcommand|providecommand|newenvironment"
    "|renewenvironment|DeclareMathOperator|csname|catcode|input|include|toggle|action|texttip|mathtip"
)
RISKY_COMMAND = rf"\\(?:{_COMMANDS})(?![A-Za-z])"
_COMMAND = re.compile(rf"\\(?=(?:{_COMMANDS})(?![A-Za-z]))")
# An invisible character, which separates a name from its backslash.
_JOINER = "\u2060"

_SAFE = r"[ \t\n]*(?:[Hh][Tt][Tt][Pp][Ss]?://|[Mm][Aa][Ii][Ll][Tt][Oo]:)"
_SAFE_ADDRESS = re.compile(_SAFE)
_BRACKETED = re.compile(
    r"[ \t]*<((?:[Hh][Tt][Tt][Pp][Ss]?://|[Mm][Aa][Ii][Ll][Tt][Oo]:)[^<>\n\\]*)>"
)
_AUTOLINK = re.compile(
    r"<((?:[Hh][Tt][Tt][Pp][Ss]?://|[Mm][Aa][Ii][Ll][Tt][Oo]:)[A-Za-z0-9._~:/?#@%&=+,;-]*)>"
)
_TAG = re.compile(r"<(/?)([A-Za-z]{1,6})(?:[ \t\n][^<>]*)?/?>")
_NUMBER = re.compile(r"&(?:#0{0,5}([0-9]{1,3})|#[xX]0{0,5}([0-9A-Fa-f]{1,2})|(dollar|bsol));?")
_PLAIN = re.compile(r"[^\\`$<&!\]{]+")
_PICTURE = re.compile(r"!\[([^\[\]\\`$<&!\n]*)\]\(" + _SAFE)
_RUNS = re.compile("`+")
_CODE_RISK = re.compile(
    r"<|&(?:#|dollar|bsol)|!\[|\]\(|\]:|[\])]\{|\$\$|\\[(\[]|\\(?:begin|end)|:::|" + RISKY_COMMAND
)
# Pandoc's attributes, and roles of other dialects.
_ATTRIBUTES = re.compile(r"\{(?:[#.:=]|[A-Za-z][A-Za-z0-9_-]{0,40}=|[a-z:-]{1,40}\}`)")
# The most characters that are searched for formulas without a result.
MAX_EFFORT = 200_000
_BLANKS = re.compile("[ \t\n]*")
_BRACES = re.compile(r"\\.|[{}]")
_ENVIRONMENT = re.compile(r"\\(begin|end)[ \t]*\{([^{}\n]*)\}")


def inline(text: str, *, keeps_dollar: bool, is_cell: bool = False) -> str:
    """Write the text of one paragraph, item, heading or cell.

    Args:
        keeps_dollar: whether to keep a dollar, because no second dollar could form a formula.
    """
    return _Inline(text, keeps_dollar, is_cell).render()


def seal_apart(text: str) -> str:
    """Write and seal a text that stands alone; as code if it has too many marks."""
    render = inline(text, keeps_dollar=False)
    return seal(render) if count_emphasis(render) <= MAX_MARKS else as_code(text)


def seal(text: str) -> str:
    """Rewrite everything that a renderer could read as more than text."""
    for pattern, instead in _SEALS:
        text = pattern.sub(instead, text)
    return text


_SEALS = (
    (re.compile(rf"<(?!/?(?:{'|'.join(TAGS)}|span)>)"), "&lt;"),
    (re.compile(r"!(?=\[)"), "&#33;"),
    (re.compile(rf"\](?=[(:])(?![(:]{_SAFE})"), "&#93;"),
    (re.compile(r"(?<=[\])`>])\{"), "&#123;"),
    (re.compile(r":(?=::)"), "&#58;"),
)


class _Inline:
    def __init__(self, text: str, keeps_dollar: bool, is_cell: bool) -> None:
        self._text = text
        self._keeps_dollar = keeps_dollar
        self._is_cell = is_cell
        self._at = 0
        self._output: list[str] = []
        # The name of each open tag, and its index in `_output`.
        self._open_tags: list[tuple[str, int]] = []
        self._runs: dict[int, list[int]] | None = None
        # By mark: the start and the result of a search, so that no search is repeated.
        self._searches: dict[str, tuple[int, int | None]] = {}
        self._effort = 0

    def render(self) -> str:
        marks = {"\\": self._backslash, "`": self._code, "$": self._dollar, "<": self._tag}
        marks |= {"&": self._entity, "!": self._picture, "]": self._address, "{": self._brace}
        while self._at < len(self._text):
            match = _PLAIN.match(self._text, self._at)
            if match is not None:
                self._write(match[0], len(match[0]))
            else:
                marks[self._text[self._at]]()
        return "".join(self._output)

    def _write(self, output: str, size: int) -> None:
        self._output.append(output)
        self._at += size

    def _backslash(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following in ("(", "["):
            closer = "\\)" if following == "(" else "\\]"
            end = self._end_of_maths(closer, self._at + 2)
            if end is not None:
                self._maths(f"\\\\{following}", f"\\{closer}", self._at + 2, end)
                return
        if following == "$":
            self._write(self._dollars(1), 2)
        elif following == "\\":
            self._write(set_apart(92), 2)
        elif following and following in "()[]`<>!&{}":
            self._write(f"&#{ord(following)};", 2)
        elif following.isascii() and following.isalpha():
            is_environment = _ENVIRONMENT.match(self._text, self._at) is not None
            self._write(set_apart(92) if is_environment else "\\", 1)
        else:
            self._write(f"\\{following}", 1 + len(following))

    def _code(self) -> None:
        run = _RUNS.match(self._text, self._at)
        size = len(run[0]) if run is not None else 1
        end = self._end_of_code(size)
        if end is None:
            self._write("&#96;" * size, size)
            return
        code = self._text[self._at + size : end]
        code_size = end + size - self._at
        is_kept = _CODE_RISK.search(code) is None and (self._keeps_dollar or "$" not in code)
        if is_kept:
            self._write(self._text[self._at : end + size], code_size)
            return
        code = code.replace("\n", " ")
        code = code.replace("\\|", "|") if self._is_cell else code
        if code.strip(" ") and code[0] == code[-1] == " ":
            code = code[1:-1]
        self._write(f"<code>{encode(code)}</code>", code_size)

    def _end_of_code(self, size: int) -> int | None:
        if self._runs is None:
            self._runs = {}
            for match in _RUNS.finditer(self._text):
                self._runs.setdefault(len(match[0]), []).append(match.start())
            for places in self._runs.values():
                places.reverse()
        places = self._runs.get(size, [])
        while places and places[-1] <= self._at:
            places.pop()
        return places[-1] if places else None

    # ------------------------------------------------------------------ maths

    def _dollar(self) -> None:
        size = 2 if self._text.startswith("$$", self._at) else 1
        mark = "$" * size
        end = self._end_of_dollar() if size == 1 else self._end_of_maths(mark, self._at + 2)
        if end is not None:
            self._maths(mark, mark, self._at + size, end)
            return
        while size > 1 and self._text.startswith("$", self._at + size):
            size += 1
        self._write(self._dollars(size), size)

    def _dollars(self, count: int) -> str:
        return "$" if self._keeps_dollar and count == 1 else set_apart(36) * count

    def _end_of_dollar(self) -> int | None:
        start = self._at + 1
        end = self._find("$", start)
        if end is None or end == start or self._text[start] in " \t\n":
            return None
        following = self._text[end + 1 : end + 2]
        if self._text[end - 1] in " \t\n" or (following and following in "0123456789$"):
            return None
        return end if self._is_formula(start, end) else None

    def _end_of_maths(self, closer: str, start: int) -> int | None:
        end = self._find(closer, start)
        blanks = _BLANKS.match(self._text, start)
        if end is None or blanks is None or blanks.end() >= end:
            return None
        if closer == "\\]" and self._text[end + 2 : end + 3] in ("(", ":"):
            return None  # the result would look like a link
        return end if self._is_formula(start, end) else None

    def _is_formula(self, start: int, end: int) -> bool:
        """Whether a formula contains no code and has balanced braces."""
        tick = self._find("`", start, "")
        if (tick is not None and tick < end) or self._effort > MAX_EFFORT:
            return False
        depth = 0
        for match in _BRACES.finditer(self._text, start, end):
            depth += 1 if match[0] == "{" else -1 if match[0] == "}" and depth else 0
        self._effort += end - start if depth else 0
        return depth == 0

    def _find(self, mark: str, start: int, escape: str = "\\") -> int | None:
        """Find a mark without a backslash before it."""
        searched_from, index = self._searches.get(mark, (len(self._text) + 1, None))
        if searched_from <= start and (index is None or start <= index):
            return index
        at = start
        while at < len(self._text) and not self._text.startswith(mark, at):
            at += 2 if self._text[at] == escape else 1
        result = at if at < len(self._text) else None
        self._searches[mark] = (start, result)
        return result

    def _maths(self, opener: str, closer: str, start: int, end: int) -> None:
        content = maths(self._text[start:end])
        if not opener.startswith("$"):
            content = re.sub(r"(?<!\\)\$", r"\\$", content)
        if content.endswith("\\"):
            content += " "
        self._output.append(f"{opener}{content}{closer}")
        self._at = end + (1 if opener == "$" else 2)

    # ------------------------------------------------------------------ tags, entities, links

    def _tag(self) -> None:
        address = _AUTOLINK.match(self._text, self._at)
        if address is not None:
            self._write(f"[{address[1]}]({address[1]})", len(address[0]))
            return
        match = _TAG.match(self._text, self._at)
        name = match[2].lower() if match is not None else ""
        if match is None or name not in TAGS:
            self._write("&lt;", 1)
        elif name in _VOID:
            self._write(f"<{name}>", len(match[0]))
        elif match[1]:
            self._closing(name, match[0])
        else:
            self._opening(name, match[0])

    def _opening(self, name: str, source: str) -> None:
        if len(self._open_tags) < MAX_TAGS:
            self._open_tags.append((name, len(self._output)))
        self._write(escape_tag(source), len(source))

    def _closing(self, name: str, source: str) -> None:
        names = [open_name for open_name, _ in self._open_tags]
        if name not in names:
            self._write(escape_tag(source), len(source))
            return
        while self._open_tags:
            open_name, index = self._open_tags.pop()
            if open_name == name:
                self._output[index] = f"<{name}>"
                break
        self._write(f"</{name}>", len(source))

    def _entity(self) -> None:
        """Write a numeric entity of a letter as the letter, which could be part of a name."""
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            self._write("&", 1)
            return
        name = {"dollar": 36, "bsol": 92}.get(match[3], 0)
        code = int(match[1]) if match[1] else int(match[2], 16) if match[2] else name
        if code in (36, 92):
            self._write(set_apart(code), len(match[0]))
        elif code < 128 and chr(code).isalpha():
            self._write(chr(code), len(match[0]))
        else:
            self._write("&", 1)

    def _picture(self) -> None:
        if not self._text.startswith("![", self._at):
            self._write("!", 1)
            return
        match = _PICTURE.match(self._text, self._at)
        is_alone = self._text[self._at - 1 : self._at] != "!" or self._at == 0
        if match is None or not is_alone:
            self._write("&#33;", 1)
            return
        # A link replaces the picture. Without a text, it is called "picture".
        if match[1].strip(" \t"):
            self._write("", 1)
        else:
            self._write("[picture", 2)

    def _address(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following not in ("(", ":") or following == "":
            self._write("]", 1)
            return
        if following == ":" and self._is_footnote():
            self._write("&#93;:", 2)
            return
        match = _BRACKETED.match(self._text, self._at + 2)
        if match is not None:
            address = re.sub(
                "[ ()\"'`$!\\[\\]{}]", lambda character: f"%{ord(character[0]):02X}", match[1]
            )
            self._write(f"]{following}{' ' if following == ':' else ''}{address}", 0)
            self._at = match.end()
        elif _SAFE_ADDRESS.match(self._text, self._at + 2):
            self._write(f"]{following}", 2)
        else:
            self._write(f"&#93;{following}", 2)

    def _is_footnote(self) -> bool:
        front = self._at - 1
        while front >= 0 and self._text[front] not in " \t\n[]":
            front -= 1
        return self._text.startswith("[^", max(0, front))

    def _brace(self) -> None:
        is_risk = _ATTRIBUTES.match(self._text, self._at) is not None
        self._write("&#123;" if is_risk else "{", 1)


def maths(content: str) -> str:
    """Write TeX so that it makes no links, and is harmless even as text."""
    content = _COMMAND.sub("\\\\" + _JOINER, content.replace("<", "\\lt "))
    content = re.sub(r"(!)(?=\[)|(\])(?=[(:{])|(\))(?=\{)|(&)(?=[#A-Za-z])", r"\1\2\3\4 ", content)
    content = re.sub(r"\\\\(?=[()\[\]])", r"\\\\ ", content)
    environments: list[str] = []
    for match in _ENVIRONMENT.finditer(content):
        if match[1] == "begin":
            environments.append(match[2])
        elif not environments or environments.pop() != match[2]:
            environments.append("")
            break
    if environments:
        content = re.sub(r"\\(?=(?:begin|end)(?![A-Za-z]))", "\\\\" + _JOINER, content)
    return content
