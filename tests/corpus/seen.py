"""What a browser would make of a page: its elements, and what of them is not harmless."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Iterator
from pathlib import Path

HOSTILE: list[str] = json.loads((Path(__file__).parent / "hostile.json").read_text("utf-8"))

ELEMENTS = {
    *("a", "b", "blockquote", "br", "caption", "code", "del", "details", "div", "dd", "dl", "dt"),
    *("em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "ins", "kbd", "li", "mark", "ol", "p"),
    *(
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
    ),
    *("td", "tfoot", "th", "thead", "tr", "u", "ul", "var", "wbr"),
}
# What renderers set themselves, by the element it stands at.
ATTRIBUTES = {"class", "id", "href", "title", "open", "align", "start", "style", "rel"}
_STYLE = re.compile(r"text-align: ?(left|center|right);?")
_CLASS = re.compile(r"anchor-link|highlight( hl-\w*)?|language-[\w+#.-]+|[a-z]{1,3}")


_FORMULA = re.compile(
    r"\$\$.+?\$\$|\$.+?\$|\\\(.+?\\\)|\\\[.+?\\\]|\\begin\{.+?\\end\{.+?\}", re.DOTALL
)
_COMMAND = re.compile(
    r"\\(href|url|require|class|cssId|style|data|html\w*|[egx]?def|let|csname|mmlT)"
)


class _Harms(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if not _is_harmless(tag, name, value or ""):
                self.found.append(f"<{tag} {name}={value!r}>")

        if tag in ("code", "pre"):
            self._code += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("code", "pre"):
            self._code -= 1

    def handle_data(self, data: str) -> None:
        """MathJax reads formulas in the texts of a page, but not in its code."""
        for formula in _FORMULA.findall("" if self._code else data):
            if _COMMAND.search(formula):
                self.found.append(f"the formula {formula!r}")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.found.append("a comment")

    def handle_pi(self, data: str) -> None:
        self.found.append("<?>")


def _is_harmless(tag: str, name: str, value: str) -> bool:
    if name == "href":
        return tag == "a" and re.match(r"https?://|mailto:|#", value, re.IGNORECASE) is not None
    if name == "style":
        return tag in ("th", "td") and _STYLE.fullmatch(value) is not None
    if name == "class":
        return tag in ("a", "code", "div", "pre", "span") and _CLASS.fullmatch(value) is not None
    if name == "id":
        return tag in ("h1", "h2", "h3", "h4", "h5", "h6")
    return name in ATTRIBUTES


def harms(page: str) -> Iterator[str]:
    """Name each element and attribute of a page that is not known to be harmless."""
    parser = _Harms()
    parser.feed(page)
    parser.close()
    return iter(parser.found)
