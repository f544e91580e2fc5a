"""JSON: the whole thread as the wire has it, every branch, and its events where they are asked for.

``format`` and ``version`` say what the file is. An event or a message a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..shared.events import dumps
from .source import Source

FORMAT = "jupyter-chat-stream/thread"
VERSION = 1


def pieces(source: Source, *, events: bool = False) -> Iterator[str]:
    """Give the file, piece by piece."""
    about = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": source.at,
        "seq": source.seq,
        "thread": source.info,
    }
    yield dumps(about)[:-1]
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
