"""Frames, each encoded once for all readers, and the sink that a reader delivers them to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from ..shared.events import Event, ThreadChanged, dumps, encode
from ..store.front import Snapshot


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame for a reader's transport: ``text`` for a socket, ``sse`` for an event stream.

    ``op`` is ``events``, ``snapshot``, ``live`` or ``closed``; ``seq`` is the cursor after it.
    """

    op: str
    thread_id: str
    seq: int
    event_texts: tuple[tuple[int, str], ...] = ()  # (seq, JSON) of each event
    snapshot: Snapshot | None = None

    @cached_property
    def text(self) -> str:
        if self.op == "events":
            return _events_text(self.thread_id, self.event_texts)
        if self.snapshot is not None:
            return self.snapshot.text
        thread = dumps(self.thread_id)
        if self.op == "live":
            return f'{{"op":"live","thread":{thread},"seq":{self.seq}}}'
        return f'{{"op":"closed","thread":{thread},"reason":"deleted"}}'

    @cached_property
    def sse(self) -> str:
        if self.op == "events":
            return "".join(f"id: {seq}\ndata: {text}\n\n" for seq, text in self.event_texts)
        if self.op == "snapshot":
            return f"id: {self.seq}\ndata: {self.text}\n\n"
        return f": {self.op}\n\n"


class Batch:
    """The events of one thread in one commit, for all its readers."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.first_seq, self.last_seq = events[0].seq, events[-1].seq
        self.event_texts = tuple((event.seq, encode(event)) for event in events)
        self.size = sum(len(text) for _, text in self.event_texts)
        self.deletes = any(_deletes(event) for event in events)
        self._thread_id = events[0].thread_id
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The frame with all events of the batch."""
        if self._text is None:
            self._text = _events_text(self._thread_id, self.event_texts)
        return self._text


def _events_text(thread_id: str, event_texts: Sequence[tuple[int, str]]) -> str:
    events = ",".join([text for _, text in event_texts])
    return f'{{"op":"events","thread":{dumps(thread_id)},"events":[{events}]}}'


def _deletes(event: Event) -> bool:
    return isinstance(event.body, ThreadChanged) and bool(event.body.thread.get("deleted"))


class Sink(Protocol):
    """The receiver of a reader's frames: one thread on one socket."""

    def take(self, text: str) -> bool:
        """Accept a frame; False if there is no room for it now."""

    async def drained(self) -> None:
        """Wait until every accepted frame is sent."""
