"""The saved copy of a thread for a notebook file: which messages it shows, read newest first.

``shared/saved_copy.py`` writes the text. A long thread is read only as far as its copy goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import tee

from ..shared.errors import RunNotFound
from ..shared.records import CopyExtent, MessageRecord, SavedCopy
from ..shared.saved_copy import join_newest
from ..store.front import MessageEntry, WholeThread

PAGE_MESSAGES = 4  # a few long messages fill a copy


def saved_copy(thread: WholeThread, extent: CopyExtent, run_id: str | None = None) -> SavedCopy:
    """Write the copy of all messages or of the last exchange.

    With ``run_id``, ``extent`` has no effect: the copy has the question and the answer of this run,
    and the replies of its builds.

    Raises:
        RunNotFound: the thread has no such run.
    """
    if run_id is not None:
        entries = exchange(thread, run_id)
    else:
        unsent = {entry.id for entry in thread.entries if _is_unsent(entry)}
        sent = [entry for entry in thread.entries if entry.parent_id not in unsent]
        entries = sent if extent == "all" else _last_exchange(thread, sent)
    messages = thread.messages(entries[::-1], page_messages=PAGE_MESSAGES)
    for_markdown, for_plain = tee(messages)  # each message is read once
    return {
        "seq": thread.seq,
        "markdown": join_newest(for_markdown),
        "plain": join_newest(for_plain, markdown=False),
    }


def exchange(thread: WholeThread, run_id: str) -> list[MessageEntry]:
    """Return the question and the answer of one run, as the page shows them.

    If the answer is not whole and was retried, the first whole reply to the same question takes
    its place; until there is one, the newest does. The replies of the builds that it has begun
    follow. A question that was not sent stands alone.
    The twin of ``exchange`` in ``labextension/src/fold/branch.ts``; both run
    ``tests/vectors/exchanges``.

    Raises:
        RunNotFound: the thread has no such run.
    """
    entries = thread.entries
    index = next((at for at, entry in enumerate(entries) if entry.run_id == run_id), None)
    if index is None:
        raise RunNotFound(run_id)
    parent_id = entries[index].parent_id
    question = [entry for entry in entries if entry.id == parent_id]
    if any(map(_is_unsent, question)):
        return question
    tries = [
        entry
        for entry in entries[index:]
        if entry.role == "assistant" and entry.parent_id == parent_id
    ]
    # The role of a damaged row may be unknown: then the run's own message is shown.
    reply, message = _shown_try(thread, tries or [entries[index]])
    by_run = {entry.run_id: entry for entry in entries if entry.run_id is not None}
    builds = [by_run[build] for build in _builds_of(message) if build in by_run]
    return [*question, reply, *builds]


def _shown_try(
    thread: WholeThread, tries: Sequence[MessageEntry]
) -> tuple[MessageEntry, MessageRecord]:
    """Return the first whole reply of several; the newest if none is whole."""
    for entry, message in zip(tries, thread.messages(tries), strict=True):
        if message["status"] == "completed" and message["incomplete"] is None:
            return entry, message
    return entry, message


def _last_exchange(thread: WholeThread, entries: Sequence[MessageEntry]) -> list[MessageEntry]:
    """Return the newest reply and its question; without a reply, the newest message.

    The reply of a build is below another reply: then the replies up to the question are shown, too.
    The other builds of the answer to the question may stand beside them, and are shown as well.
    """
    by_id = {entry.id: entry for entry in entries}
    replies = (entry for entry in reversed(entries) if entry.role == "assistant")
    entry = next(replies, entries[-1] if entries else None)
    path: dict[str, MessageEntry] = {}
    while entry is not None and entry.id not in path:
        path[entry.id] = entry
        entry = by_id.get(entry.parent_id or "") if entry.role == "assistant" else None
    answers = [entry for entry in path.values() if entry.role == "assistant"]
    builds = {build for answer in thread.messages(answers[-1:]) for build in _builds_of(answer)}
    return [entry for entry in entries if entry.id in path or entry.run_id in builds]


def _is_unsent(entry: MessageEntry) -> bool:
    return entry.role == "user" and entry.status != "completed"


def _builds_of(reply: MessageRecord) -> dict[str, None]:
    """Return the ids of the builds that the calls of a reply have begun, each once, in order."""
    parts = [p for p in reply["parts"] if p["kind"] == "tool_call" or p["kind"] == "tool_result"]
    return {part["job_id"]: None for part in parts if "job_id" in part}
