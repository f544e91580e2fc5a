"""The bound on the marks of a paragraph in a harmless copy (see ``copies``). Pure."""

from __future__ import annotations

import re

from .copied_texts import encode

# The most marks of one paragraph, item or cell. JupyterLab's table of contents compares each mark
# with all that follow: 5,000 of them take it 13 seconds.
MAX_MARKS = 500
_MARK = re.compile(r"[*_~]|<span>")


def as_code(text: str) -> str:
    """Write a text as code in which no renderer finds a mark."""
    return f"<code>{encode(text)}</code>"


def count_emphasis(text: str) -> int:
    """Count what a renderer compares with the rest of its paragraph: marks and our own tags."""
    return len(_MARK.findall(text))
