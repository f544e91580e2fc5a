"""The formats of an export, and the names of its files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from ..shared.errors import InvalidInput
from ..shared.records import ThreadRecord
from . import json, markdown, notebook
from .source import Source

MAX_STEM_LETTERS = 80
_NOT_IN_QUOTES = str.maketrans({'"': "'", "\\": "_"})
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
# Windows reserves these names for devices, even with an ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def _html(source: Source) -> Iterator[str]:
    from . import html  # imports markdown-it-py

    return html.pieces(source)


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of exported files."""

    suffix: str
    """The ending of the file's name, with the dot."""
    media_type: str
    pieces: Callable[[Source], Iterator[str]]
    """Yields the text of the file, piece by piece."""


FORMATS = {
    "md": Format(suffix=".md", media_type="text/markdown; charset=utf-8", pieces=markdown.pieces),
    "json": Format(suffix=".json", media_type="application/json", pieces=json.pieces),
    "ipynb": Format(suffix=".ipynb", media_type="application/x-ipynb+json", pieces=notebook.pieces),
    "html": Format(suffix=".html", media_type="text/html; charset=utf-8", pieces=_html),
}


def find_format(name: str | None, *, events: bool = False) -> Format:
    """Return the format with a name; None means Markdown.

    Raises:
        InvalidInput: the format does not exist, or cannot contain ``events``.
    """
    document_format = FORMATS.get(name or "md")
    if document_format is None:
        raise InvalidInput(f"'format' must be one of {', '.join(FORMATS)}.", field="format")
    if events and document_format is not FORMATS["json"]:
        raise InvalidInput("Events are exported as format=json only.", field="events")
    if events:
        return Format(
            suffix=document_format.suffix,
            media_type=document_format.media_type,
            pieces=lambda source: json.pieces(source, events=True),
        )
    return document_format


def file_name(info: ThreadRecord, suffix: str, *, is_one_of_many: bool = False) -> str:
    """Make a file name from the thread's title or name, valid on every file system."""
    text = unicodedata.normalize("NFC", info["title"] or info["name"] or "")
    stem = _NOT_IN_NAMES.sub("-", text)[:MAX_STEM_LETTERS].strip("-._")
    if not stem or _DEVICES.match(stem):
        stem = f"chat-{stem}".rstrip("-")
    unique = not (info["title"] or info["name"]) or is_one_of_many
    return f"{stem}-{info['id']}{suffix}" if unique else f"{stem}{suffix}"


def disposition(name: str, mode: str = "attachment") -> str:
    """Return the Content-Disposition header of a file (RFC 6266).

    Old clients use its plain ASCII name.

    Args:
        mode: ``attachment`` for a download, ``inline`` for showing the file in the browser.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, dot, suffix = plain.rpartition(".")
    plain = f"{stem.strip('-._') or 'chat'}{dot}{suffix}".translate(_NOT_IN_QUOTES)
    return f"{mode}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
