"""Write a thread as JSON: all records in their wire form, and on request the events.

The fields ``format`` and ``version`` identify the file. Each record is on its own line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..shared.events import dumps
from .source import Source

FORMAT = "jupyter-chat-stream/thread"
VERSION = 1


def pieces(source: Source, *, events: bool = False) -> Iterator[str]:
    """Yield the text of the file, piece by piece."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": source.at,
        "seq": source.seq,
        "thread": source.info,
    }
    yield dumps(header)[:-1]
    yield from _list("messages", source.messages())
    yield from _list("runs", source.runs())
    if events:
        yield from _list("compacted", source.compactions())
        yield from _list("events", source.events())
    yield "}\n"


def _list(name: str, items: Iterable[Any]) -> Iterator[str]:
    yield f',\n"{name}":['
    between = "\n"
    for item in items:
        yield between + dumps(item)
        between = ",\n"
    yield "\n]"
