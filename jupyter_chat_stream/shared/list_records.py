"""Records of the list of threads (docs/protocol.md, "The list of threads")."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from .records import ThreadRecord

MAX_UNREAD = 99


class ThreadMatch(TypedDict):
    """A text of a thread in which all words of a search are."""

    message_id: str | None
    """The message; null for a match in the thread's title or name."""
    snippet: str
    """The text around the match, in one line; about 160 characters."""
    ranges: list[list[int]]
    """What matched in the snippet: pairs of first and end, in UTF-16 code units."""


class ListedThread(ThreadRecord):
    """A row of the list: a thread, its state, and the marks of the person who asks."""

    seq: int
    """The last seq of the thread's log."""
    unread: int
    """The number of answers that ended after this person read; ``MAX_UNREAD`` means at least that
    many. Answers that somebody stopped are not counted."""
    busy: bool
    """Whether a run is pending, processing or retrying."""
    asks: bool
    """Whether a run waits for a person's answer to its question."""
    pinned: bool
    """Whether this person has pinned the thread."""
    matches: NotRequired[list[ThreadMatch]]
    """Where a search found its words, at most three; absent without a search."""


class ThreadList(TypedDict):
    """A page of threads, newest first."""

    threads: list[ListedThread]
    is_complete: NotRequired[bool]
    """Whether a search has looked at every text; absent without a search."""


class ProjectRecord(TypedDict):
    """A project with the person's threads in it."""

    project: str
    """The absolute path of a folder; empty for threads without one."""
    threads: int
    """Their number."""
    updated_at: str
    """When the newest of them changed."""


class ProjectList(TypedDict):
    """The projects of a person's threads, newest first."""

    projects: list[ProjectRecord]
