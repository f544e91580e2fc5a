"""Writes plain texts of a copy: control characters, names in one line, HTML. Pure."""

from __future__ import annotations

import re

# Characters that are Markdown at the beginning of a line, or anywhere in it.
_FRONT_MARK = re.compile(r"^([0-9]{0,9})([-+=.)])")
_SPECIAL = re.compile(r"[\\$<>&\[\]!`{}*_#~|]")


def visible(text: str) -> str:
    """Write a text's control characters as their pictures (U+2400), line ends as line feeds."""
    text = re.sub("\r\n?", "\n", text)
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    text = re.sub("[\x00-\x08\x0b-\x1f]", lambda match: chr(0x2400 + ord(match[0])), text)
    return re.sub("[\x7f-\x9f\u2028\u2029]", "\ufffd", text)


def one_line(text: str) -> str:
    """Write a text that is no Markdown (a name, a title) as one line of harmless Markdown."""
    line = re.sub("[ \t\n]+", " ", visible(text)).strip(" ")
    line = _SPECIAL.sub(lambda match: _escape_mark(match[0]), line)
    return _FRONT_MARK.sub(lambda match: f"{match[1]}\\{match[2]}", line)


def _escape_mark(mark: str) -> str:
    if mark in "$\\":
        return set_apart(ord(mark))
    return f"\\{mark}" if mark in "*_#~|" else f"&#{ord(mark)};"


def set_apart(code: int) -> str:
    """Write a dollar or a backslash so that it begins no formula in any renderer."""
    return f"<span>&#{code};</span>"


def escape_tag(source: str) -> str:
    """Write a tag as text."""
    return re.sub("[<&`$!\\[\\]\\\\{}]", lambda match: f"&#{ord(match[0])};", source)


def encode(text: str) -> str:
    """Write a text in HTML so that no renderer finds Markdown, maths or HTML in it."""
    return re.sub(
        "[^A-Za-z0-9 ]",
        lambda match: f"&#{ord(match[0])};" if ord(match[0]) < 128 else match[0],
        text,
    )
