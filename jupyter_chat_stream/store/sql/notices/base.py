"""Notices: telling other processes of commits, and hearing of theirs.

A notice is a hint (L9): it may come late, twice or never, and its receiver reads the store. It
names threads, and whether a run was made, ended or answered: engines react to that at once. It also
tells whether a row of the list of threads may have changed. SQLite files and Postgres send notices
in different ways (sqlite.py, postgres.py). A database of one process has none: ``Notices``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ....shared.events import Event

MAX_BYTES = 7900  # Postgres takes less than 8000
_ANY = "*"
_WORDS = re.compile(r"([0-9a-z]{1,64}) ([+=.]) (\*|[0-9a-zA-Z_,-]*)")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The threads that a commit has changed; None: any of them may have changed.

    ``is_run_change``: a run may have been made, have ended or become due. ``is_mark_change``: a
    person's mark on a thread has changed. If neither, only text was added.
    """

    threads: frozenset[str] | None
    is_run_change: bool
    is_mark_change: bool = False

    @property
    def is_listed(self) -> bool:
        """Whether a row of the list of threads may have changed."""
        return self.is_run_change or self.is_mark_change


ANYTHING = Notice(threads=None, is_run_change=True)

OnNotice = Callable[[Notice], None]


def notice_of(
    events: list[Event], *, is_due: bool, marked_ids: frozenset[str] = frozenset()
) -> Notice | None:
    """Return the notice of a commit; None if the commit concerns no other process."""
    if not events and not is_due and not marked_ids:
        return None
    is_run_change = is_due or any(event.type != "delta" for event in events)
    return Notice(
        threads=frozenset(event.thread_id for event in events) | marked_ids,
        is_run_change=is_run_change,
        is_mark_change=bool(marked_ids) and not is_run_change,
    )


def pack(notice: Notice, origin: str) -> str:
    """Write a notice as one line of ASCII: its sender, its kind, and the threads.

    The kind is ``+`` (a run), ``=`` (a mark) or ``.`` (text). For older code, ``=`` is any change.
    """
    ids = _ANY if notice.threads is None else ",".join(sorted(notice.threads))
    head = f"{origin} {'+' if notice.is_run_change else '=' if notice.is_mark_change else '.'} "
    is_plain = len(head) + len(ids) <= MAX_BYTES and _WORDS.fullmatch(head + ids)
    return head + (ids if is_plain else _ANY)


def unpack(words: str) -> tuple[str, Notice]:
    """Read a line as (sender, notice). An unknown line, of a later version, means any change."""
    match = _WORDS.fullmatch(words)
    if match is None:
        return "", ANYTHING
    origin, kind, ids = match.groups()
    threads = None if ids == _ANY else frozenset(filter(None, ids.split(",")))
    return origin, Notice(threads=threads, is_run_change=kind == "+", is_mark_change=kind == "=")


class Notices:
    """Sends and hears nothing: for a database that no other process uses."""

    def start(self, on_notice: OnNotice) -> None:
        """Call ``on_notice`` with other processes' notices, on another thread, until ``stop``."""

    @property
    def has_others(self) -> bool:
        """Whether there may be other processes."""
        return False

    def statement(self, notice: Notice) -> str:
        """Return the statement that sends a notice with the COMMIT; may be empty."""
        return ""

    def tell(self, notice: Notice) -> None:
        """Send a notice after the commit."""

    def has_missed(self) -> bool:
        """Return whether notices may have been lost since the last call."""
        return False

    def stop(self) -> None:
        """End what ``start`` began."""
