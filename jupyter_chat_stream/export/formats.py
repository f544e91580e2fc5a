"""Which formats there are, and the names of files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..shared.errors import InvalidInput
from . import json, markdown, notebook
from .source import Source

MOST_LETTERS = 80
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
# Windows keeps these for devices, with any ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def _html(source: Source) -> Iterator[str]:
    from . import html  # brings markdown-it-py

    return html.pieces(source)


@dataclass(frozen=True, kw_only=True)
class Format:
    """One form of file: its name's ending, its media type, and what writes it."""

    suffix: str
    media_type: str
    pieces: Callable[[Source], Iterator[str]]


FORMATS = {
    "md": Format(suffix=".md", media_type="text/markdown; charset=utf-8", pieces=markdown.pieces),
    "json": Format(suffix=".json", media_type="application/json", pieces=json.pieces),
    "ipynb": Format(suffix=".ipynb", media_type="application/x-ipynb+json", pieces=notebook.pieces),
    "html": Format(suffix=".html", media_type="text/html; charset=utf-8", pieces=_html),
}


def find_format(name: str | None, *, events: bool = False) -> Format:
    """Give the format of that name, Markdown where none is named.

    Raises:
        InvalidInput: there is none, or events are asked for in one that has none.
    """
    found = FORMATS.get(name or "md")
    if found is None:
        raise InvalidInput(f"'format' must be one of {', '.join(FORMATS)}.", field="format")
    if events and found is not FORMATS["json"]:
        raise InvalidInput("Events are exported as format=json only.", field="events")
    if events:
        return Format(
            suffix=found.suffix,
            media_type=found.media_type,
            pieces=lambda source: json.pieces(source, events=True),
        )
    return found


def file_name(info: dict[str, Any], suffix: str, *, is_one_of_many: bool = False) -> str:
    """Give a name that every file system takes, after the thread's title or name."""
    text = unicodedata.normalize("NFC", info["title"] or info["name"] or "")
    stem = _NOT_IN_NAMES.sub("-", text)[:MOST_LETTERS].strip("-._")
    if not stem or _DEVICES.match(stem):
        stem = f"chat-{stem}".rstrip("-")
    unique = not (info["title"] or info["name"]) or is_one_of_many
    return f"{stem}-{info['id']}{suffix}" if unique else f"{stem}{suffix}"


def disposition(name: str) -> str:
    """Give the header that names a download (RFC 6266), with a plain name for old clients."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, dot, suffix = plain.rpartition(".")
    plain = f"{stem.strip('-._') or 'chat'}{dot}{suffix}"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
