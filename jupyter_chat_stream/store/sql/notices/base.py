"""Telling other processes that something was committed, and hearing it from them.

A notice is a hint (L9): it may come late, twice, or never, and whoever gets one reads the store.
It names threads, and whether more than text came (a run was made, ended, answered), which is what
engines want to hear at once. Each database has its own way (sqlite.py for a SQLite file,
postgres.py for Postgres); a database of this process alone needs none, which is ``Notices``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ....shared.events import Event

MAX_BYTES = 7900  # Postgres takes less than 8000
_ANY = "*"
_WORDS = re.compile(r"([0-9a-z]{1,64}) ([+.]) (\*|[0-9a-zA-Z_,-]*)")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """That something was committed: in these threads, or None for anything anywhere.

    ``moved`` says that a run may have come, ended or become due, not only grown.
    """

    threads: frozenset[str] | None
    moved: bool


ANYTHING = Notice(threads=None, moved=True)

Heard = Callable[[Notice], None]


def notice_of(events: list[Event], *, is_due: bool) -> Notice | None:
    """Return the notice of a commit; None if it changed nothing that others follow."""
    if not events and not is_due:
        return None
    return Notice(
        threads=frozenset(event.thread_id for event in events),
        moved=is_due or any(event.type != "delta" for event in events),
    )


def pack(notice: Notice, origin: str) -> str:
    """Write a notice in one line of ASCII: who tells, whether runs moved, which threads."""
    ids = _ANY if notice.threads is None else ",".join(sorted(notice.threads))
    head = f"{origin} {'+' if notice.moved else '.'} "
    is_plain = len(head) + len(ids) <= MAX_BYTES and _WORDS.fullmatch(head + ids)
    return head + (ids if is_plain else _ANY)


def unpack(words: str) -> tuple[str, Notice]:
    """Read a line as (origin, notice); what a later version may have written is anything."""
    found = _WORDS.fullmatch(words)
    if found is None:
        return "", ANYTHING
    origin, kind, ids = found.groups()
    threads = None if ids == _ANY else frozenset(filter(None, ids.split(",")))
    return origin, Notice(threads=threads, moved=kind == "+")


class Notices:
    """Tells nobody and hears nothing: for a database that no other process has."""

    def start(self, heard: Heard) -> None:
        """Call ``heard`` with what other processes tell, on a thread of its own, until ``stop``."""

    @property
    def has_others(self) -> bool:
        """Whether there may be somebody to tell."""
        return False

    def statement(self, notice: Notice) -> str:
        """Return the statement that tells the others, to be sent with the COMMIT; may be empty."""
        return ""

    def tell(self, notice: Notice) -> None:
        """Tell the others, after the commit."""

    def has_missed(self) -> bool:
        """Return whether notices may have been lost since the last call."""
        return False

    def stop(self) -> None:
        """End what ``start`` began."""
