"""Writes the events of an attempt: one append at a time, while it collects the next chunks.

The next append starts when the last one is committed, so its size follows the load: a slow model
gets one event for each chunk, a fast model gets larger deltas. While more than
``MAX_PENDING_CHARS`` wait, for example because the database is away, the provider is not read.
``Saving`` decides when the message's row is saved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..providers.base import Chunk, ToolCallChunk, ToolResultChunk, UpstreamChunk
from ..providers.registry import split_model
from ..shared.backoff import Backoff
from ..shared.errors import DatabaseGone, DatabaseUnreachable, StoreError
from ..shared.events import (
    Body,
    Delta,
    Event,
    NoteAdded,
    StatusChanged,
    ToolReturned,
    ToolStarted,
)
from ..shared.parts import PART_BY_KIND, text_part
from ..shared.records import Part, Usage
from ..store.front import PAGE_BYTES, Append, ChatStore, Claimed, ProviderData, UpstreamPlace
from .coalesce import Coalescer, EventBatch
from .toolset import ToolBook

MAX_PENDING_CHARS = 256 * 1024  # at most 1 MB in UTF-8
SAVE_GROWTH = 0.25
COMMIT_BYTES = PAGE_BYTES  # A commit writes at least one page.
ROW_BYTES = 2 * PAGE_BYTES  # Saving a row writes its text, its page and a page of its index.
# An append that the database refuses (full, locked) is retried six times, for 14 s in all.
MAX_STORE_RETRIES = 6
STORE_BACKOFF = Backoff(first_s=0.05, factor=3.0, max_s=8.0)


class Saving:
    """Decides when to save the row of an unfinished message: at most once an interval.

    A row is saved when its text has grown by a quarter, or when the commits since the last save
    have written four times the size of the row. So saves add at most a quarter to all writes, and
    a reader who opens the thread folds at most about two events for each kB of text.
    """

    def __init__(self, *, interval_s: float, now_s: float, chars: int = 0) -> None:
        self._interval_s = interval_s
        self._saved_at = now_s
        self._saved_chars = chars
        self._commits = 0

    def is_due(self, chars: int, now_s: float) -> bool:
        """Count one more commit, after which the message has ``chars`` characters."""
        self._commits += 1
        if now_s - self._saved_at < self._interval_s or chars == self._saved_chars:
            return False
        has_grown = chars > self._saved_chars * (1 + SAVE_GROWTH)
        row_bytes = chars + ROW_BYTES
        if not has_grown and self._commits * COMMIT_BYTES * SAVE_GROWTH < row_bytes:
            return False
        self._saved_at, self._saved_chars, self._commits = now_s, chars, 0
        return True


class Appender:
    """Writes the chunks of one attempt. Must be used on the event loop only."""

    def __init__(
        self,
        store: ChatStore,
        claimed: Claimed,
        *,
        parts: int,
        max_chars: int,
        max_delay_s: float,
        save_interval_s: float,
        book: ToolBook,
        kept_chars: int = 0,
        is_joined: bool = False,
    ) -> None:
        self._store = store
        self._claimed = claimed
        self._endpoint = split_model(claimed.model)[0]
        self._coalescer = Coalescer(
            parts=parts, max_chars=max_chars, is_joined=is_joined, facts_of=book.facts_of
        )
        self._book = book
        self._max_delay_s = max_delay_s
        self._loop = asyncio.get_running_loop()
        self._saving = Saving(interval_s=save_interval_s, now_s=self._loop.time(), chars=kept_chars)
        self._kept_chars = kept_chars  # text of earlier attempts in the row
        self._is_appending = False
        self._timer: asyncio.TimerHandle | None = None
        self._append_ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._failures = 0
        self._chars = 0
        self._has_tools = False
        self._calls: set[str] = set()  # ids of this attempt's calls for executors
        self._parts: list[Part] = []
        self.is_joined = is_joined  # whether the upstream can be joined again
        self.cursor: int | None = None  # the last cursor that this attempt has written

    @property
    def parts(self) -> Sequence[Part]:
        """The parts of this attempt, with the fields that ``content_of`` needs."""
        return self._parts

    @property
    def next_part(self) -> int:
        """The index after the last part of this attempt."""
        return self._coalescer.parts

    @property
    def has_written(self) -> bool:
        """Whether the model has sent anything in this attempt."""
        return self._chars > 0 or self._has_tools

    def add(self, chunk: Chunk, status: StatusChanged | None = None) -> None:
        """Add a chunk; if it begins a new status, the status comes first.

        The chunk is committed after the append that is under way.
        """
        if status is not None:
            self._coalescer.add_body(status)
        self._coalescer.add(chunk)
        self._note_call(chunk)
        self._schedule()

    @property
    def has_calls(self) -> bool:
        """Whether the model has made calls for executors in this attempt."""
        return bool(self._calls)

    def _note_call(self, chunk: Chunk) -> None:
        if isinstance(chunk, ToolCallChunk):
            if self._book.facts_of(chunk) is not None:
                self._calls.add(chunk.tool_call_id)
        elif isinstance(chunk, ToolResultChunk):
            self._calls.discard(chunk.tool_call_id)

    def note(self, text: str) -> None:
        """Add a note to the answer."""
        self._coalescer.add_body(NoteAdded(text=text))
        self._schedule()

    def drop_uncovered(self) -> None:
        """Drop the chunks after the last cursor, which the next attempt gets again (L15)."""
        self._coalescer.drop_uncovered()

    async def wait_for_space(self) -> None:
        """Wait until few enough characters are pending to read the provider again.

        Raises:
            StaleAttempt: this attempt was fenced.
        """
        self._raise_failure()
        while self._coalescer.pending_chars > MAX_PENDING_CHARS:
            await self._wait()
            self._raise_failure()

    async def finish(
        self,
        bodies: Sequence[Body] | Callable[[], Sequence[Body]],
        *,
        release: bool = True,
        rounds_usage: Usage | None = None,
        usage_by_run: Mapping[str, Usage] | None = None,
    ) -> None:
        """Write all pending events and then ``bodies`` in one transaction; wait for the commit.

        If a body is a function, it is called when ``parts`` is complete.

        Args:
            rounds_usage: the usage of all rounds, if these events end a round.
            usage_by_run: the tokens of the thread's runs that may end with this one, by run id.

        Raises:
            StaleAttempt: another attempt or an end came first.
        """
        await self._idle()
        self._cancel_timer()
        pending = self._coalescer.finish()
        self._count(pending.bodies)
        last_bodies = bodies() if callable(bodies) else bodies
        batch = replace(pending, bodies=[*pending.bodies, *last_bodies])
        self._append(batch, release=release, rounds_usage=rounds_usage, usage_by_run=usage_by_run)
        await self._idle()

    async def recover(self) -> None:
        """Drop the events that the log has refused, so that the run's end can be written."""
        while self._is_appending:
            await self._wait()
        if self._failure is not None:
            self._failure = None
            self._coalescer.finish()

    def close(self) -> None:
        """Stop the timer, and drop the chunks that are not committed."""
        self._cancel_timer()

    def _schedule(self) -> None:
        if self._is_appending or self._timer is not None or self._failure is not None:
            return
        if self._max_delay_s:
            self._timer = self._loop.call_later(self._max_delay_s, self._flush)
        else:
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        if not self._coalescer.is_empty:
            batch = self._coalescer.take()
            self._count(batch.bodies)
            self._append(batch, release=False)

    def _count(self, bodies: Sequence[Body]) -> None:
        for body in bodies:
            if isinstance(body, Delta):
                self._chars += len(body.text)
                self._parts.append(text_part(PART_BY_KIND[body.kind], body.text))
            elif isinstance(body, (ToolStarted, ToolReturned)):
                self._has_tools = True
                self._parts.append({"kind": "tool_call"})

    def _append(
        self,
        batch: EventBatch,
        *,
        release: bool,
        rounds_usage: Usage | None = None,
        usage_by_run: Mapping[str, Usage] | None = None,
    ) -> None:
        append = Append(
            run=self._claimed.run,
            attempt=self._claimed.attempt,
            bodies=batch.bodies,
            upstream=self._place_of(batch.upstream),
            provider_data=[
                ProviderData(endpoint=self._endpoint, part=part, data=data)
                for part, data in batch.data
            ],
            settle=self._saving.is_due(self._kept_chars + self._chars, self._loop.time()),
            release=release,
            spent=rounds_usage,
            live_usage=usage_by_run,
            on_outcome=self.on_appended,
        )
        self._is_appending = True
        self._send(append)

    def _place_of(self, chunk: UpstreamChunk | None) -> UpstreamPlace | None:
        if chunk is None:
            return None
        self.is_joined, self.cursor = True, chunk.cursor
        return UpstreamPlace(endpoint=self._endpoint, handle=chunk.handle, cursor=chunk.cursor)

    def _send(self, append: Append) -> None:
        self._timer = None
        try:
            self._store.events.append(append)
        except StoreError as error:
            self._end_append(error)

    def on_appended(self, append: Append, _: list[Event], error: BaseException | None) -> None:
        # The writer has already waited minutes for the database. A file that was moved away and
        # back may already contain these events, so the next attempt reads it.
        lasting_errors = (DatabaseGone, DatabaseUnreachable)
        is_final = not isinstance(error, StoreError) or isinstance(error, lasting_errors)
        if is_final or self._failures >= MAX_STORE_RETRIES:
            self._end_append(error)
            return
        # The database has refused the append (full, locked) and written nothing, so try it again.
        delay_s = STORE_BACKOFF.pause_s(self._failures)
        self._failures += 1
        retry = replace(append, on_outcome=self.on_appended)
        self._timer = self._loop.call_later(delay_s, self._send, retry)

    def _end_append(self, failure: BaseException | None) -> None:
        self._is_appending = False
        self._failures = 0
        self._failure = failure
        self._append_ended.set()
        if failure is None and not self._coalescer.is_empty:
            self._schedule()

    async def _idle(self) -> None:
        while self._is_appending:
            await self._wait()
        self._raise_failure()

    async def _wait(self) -> None:
        self._append_ended.clear()
        await self._append_ended.wait()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
