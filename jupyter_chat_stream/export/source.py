"""The source of an export: one thread at one seq, read a message at a time.

JSON exports all messages. The other formats export the branch of the thread's head and the messages
for later, and state how many messages are on other branches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..shared.events import to_wire
from ..shared.records import AttachmentPart, MessageRecord, RunRecord, WireEvent
from ..store.front import CompactionRecord, MessageEntry, WholeThread

MAX_PICTURE_BYTES = 1_000_000  # of one image in a document
MAX_PICTURES_BYTES = 20_000_000  # of all images in one document


class Source:
    """One thread to export; ``at`` is the time of the export."""

    def __init__(self, thread: WholeThread, *, at: str) -> None:
        self.seq = thread.seq
        self.info = thread.info
        self.at = at
        self._thread = thread
        self._pictures_left = MAX_PICTURES_BYTES
        self._shown_entries = shown_entries(thread.entries, self.info["head"])

    @property
    def title(self) -> str:
        """The title or name of the thread."""
        return self.info["title"] or self.info["name"] or "Chat"

    @property
    def other_count(self) -> int:
        """The number of messages on other branches."""
        return len(self._thread.entries) - len(self._shown_entries)

    def shown_messages(self) -> Iterator[MessageRecord]:
        """Yield the messages of the shown branch, then the messages for later."""
        return self._thread.messages(self._shown_entries)

    def messages(self) -> Iterator[MessageRecord]:
        """Yield all messages, oldest first."""
        return self._thread.messages(self._thread.entries)

    def runs(self) -> Iterator[RunRecord]:
        """Yield all runs, oldest first."""
        return self._thread.runs()

    def events(self) -> Iterator[WireEvent]:
        """Yield all events that are still stored, in their wire form."""
        return (to_wire(event) for event in self._thread.events())

    def picture(self, part: AttachmentPart) -> bytes | None:
        """Read an attached image; None if the image is too large, or cannot be read."""
        size = part.get("size", 0)
        if size > min(MAX_PICTURE_BYTES, self._pictures_left):
            return None
        data = self._thread.attachment(part.get("attachment_id", ""))
        self._pictures_left -= 0 if data is None else len(data)
        return data

    def compactions(self) -> list[CompactionRecord]:
        """Return the hashes and counts of the compacted deltas."""
        return self._thread.compactions()


def shown_entries(entries: Sequence[MessageEntry], head: str | None) -> list[MessageEntry]:
    """Return the messages from the root to the head, then the messages for later.

    A damaged row may name a missing head or parent. The newest message then replaces the head, and
    the previously created message replaces the parent.
    """
    indexes = {entry.id: index for index, entry in enumerate(entries)}
    branch: list[MessageEntry] = []
    entry_id, default_index = head, len(entries) - 1
    while entry_id is not None and len(branch) < len(entries):
        index = indexes.get(entry_id, default_index)
        if index < 0:
            break
        branch.append(entries[index])
        entry_id, default_index = entries[index].parent_id, index - 1
    branch.reverse()
    later = {e.id for e in entries if e.role == "user" and e.status == "waiting"}
    on_branch = {e.id for e in branch}
    return [
        *branch,
        *(e for e in entries if e.id not in on_branch and (e.id in later or e.parent_id in later)),
    ]
