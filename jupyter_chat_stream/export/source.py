"""The source of an export: one thread at one seq, read a message at a time.

JSON exports all messages. The formats for reading export the branch of the thread's head and the
messages for later; they state how many messages stand on other branches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..shared.events import to_wire
from ..shared.records import MessageRecord, RunRecord
from ..store import exporting
from ..store.chat import threads
from ..store.exporting import Entry
from ..store.log import reading
from ..store.log.transaction import Connection, ThreadRef


class Source:
    """One thread, within the read transaction of ``conn``; ``at`` is the time of the export."""

    def __init__(self, conn: Connection, thread: ThreadRef, *, at: str) -> None:
        self.seq = reading.head_of(conn, thread)  # first: it fixes the moment of the read
        self.info = threads.read_thread(conn, thread)
        self.at = at
        self._conn = conn
        self._thread = thread
        self._entries = exporting.read_entries(conn, thread)
        self._shown = shown(self._entries, self.info["head"])

    @property
    def title(self) -> str:
        """The title or name of the thread."""
        return self.info["title"] or self.info["name"] or "Chat"

    @property
    def others(self) -> int:
        """How many messages stand on branches that are not shown."""
        return len(self._entries) - len(self._shown)

    def shown_messages(self) -> Iterator[MessageRecord]:
        """Yield the messages of the shown branch, then those for later."""
        return self._messages(self._shown)

    def messages(self) -> Iterator[MessageRecord]:
        """Yield all messages, oldest first."""
        return self._messages(self._entries)

    def _messages(self, entries: Sequence[Entry]) -> Iterator[MessageRecord]:
        keys = [entry.pk for entry in entries]
        return exporting.each_message(self._conn, self._thread, keys, self.seq)

    def runs(self) -> Iterator[RunRecord]:
        """Yield all runs, oldest first."""
        return exporting.each_run(self._conn, self._thread)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield all events that are still stored, as on the wire."""
        return (to_wire(event) for event in exporting.each_event(self._conn, self._thread))

    def compactions(self) -> list[dict[str, Any]]:
        """Return what compaction removed: its hashes and counts."""
        return exporting.read_compactions(self._conn, self._thread)


def shown(entries: Sequence[Entry], head: str | None) -> list[Entry]:
    """Return the messages from the root to the head, then those for later.

    A damaged row may name a missing head or parent: the newest message stands for the head, the
    message that was created before for the parent.
    """
    places = {entry.id: place for place, entry in enumerate(entries)}
    branch: list[Entry] = []
    named, instead = head, len(entries) - 1
    while named is not None and len(branch) < len(entries):
        place = places.get(named, instead)
        if place < 0:
            break
        branch.append(entries[place])
        named, instead = entries[place].parent_id, place - 1
    branch.reverse()
    later = {e.id for e in entries if e.role == "user" and e.status == "waiting"}
    on_branch = {e.id for e in branch}
    return [
        *branch,
        *(e for e in entries if e.id not in on_branch and (e.id in later or e.parent_id in later)),
    ]
