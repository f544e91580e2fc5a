"""Delivery: which frame one reader gets next (L6, L8). No event loop, no socket, no store.

::

        ┌──── gap, buffer full, frame refused, foreign commit ◄────────┬─────────┐
        ▼                                                              │         │
      BEHIND ──begin_read──► READING ──page up to the head──► LEVEL ──────────► IDLE
        ▲                       │                               ▲   nothing      │
        └─ read failed, page ───┘                               │   is left      │
           ends before the head                                 └─ event buffered, woken
      any of them ──the thread's deletion was delivered──► ENDED, where only ``closed`` is left

==========  ============================================  ==================================
state       the next frame comes from                     an event that is published now is
==========  ============================================  ==================================
BEHIND      the store                                     ignored: the store has it
READING     the page that the store is being asked for    buffered
LEVEL       the buffer, then ``live`` once                buffered
IDLE        the next published event                      handed to the sink at once; without
                                                          a sink it is buffered
ENDED       nowhere: ``closed``                           ignored
==========  ============================================  ==================================

If the sink refuses a frame, the frame is made again: the cursor returns to its value before that
frame, and the state to BEHIND. The buffer holds at most ``BUFFER_BYTES``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from ..shared.events import encode
from ..store.front import Replay, Snapshot
from .frames import Batch, Frame, Sink

BUFFER_BYTES = 64 * 1024


class DeliveryState(Enum):
    """Where a reader stands; the table above says what each state means."""

    BEHIND = auto()
    READING = auto()
    LEVEL = auto()
    IDLE = auto()
    ENDED = auto()


class Need(Enum):
    """The step that must come before the next frame."""

    READ = auto()  # read the store after the cursor, and call ``receive``
    EVENTS = auto()  # wait until ``wake`` is called


BEHIND, READING, LEVEL, IDLE, ENDED = DeliveryState


class Delivery:
    """The cursor, the state and the buffer of one reader of one thread.

    Args:
        after: the cursor: the seq of the last event that the reader has.
        wake: called when the receiver of ``Need.EVENTS`` has work.
        count_slow: called each time the reader falls behind because it is too slow.
    """

    def __init__(
        self,
        thread_id: str,
        after: int,
        *,
        wake: Callable[[], None],
        count_slow: Callable[[], None],
    ) -> None:
        self.state = BEHIND
        self.cursor = after
        self.sink: Sink | None = None  # takes events in the commit's iteration of the event loop
        self.buffered_bytes = 0
        self._thread_id = thread_id
        self._buffer: list[Batch] = []
        self._cursor_before = after  # the cursor before the last frame
        self._is_announced = False  # ``live`` was delivered
        self._wake = wake
        self._count_slow = count_slow

    @property
    def last_seq(self) -> int:
        """The last seq that reached this reader: delivered, or in its buffer."""
        return self._buffer[-1].last_seq if self._buffer else self.cursor

    # ------------------------------------------------------------------ frames

    def next(self) -> Frame | Need:
        """Make the next frame, or return the step that must come first."""
        self._cursor_before = self.cursor
        if self.state in (LEVEL, IDLE):
            frame = self._take_buffer()
            if frame is not None:
                return frame
        if self.state is ENDED:
            return self._frame("closed")
        if self.state is BEHIND:
            return Need.READ
        if not self._is_announced:
            self._is_announced = True
            return self._frame("live")
        self.state = IDLE
        return Need.EVENTS

    def stop_waiting(self) -> None:
        """Buffer published events from now on, because no caller waits for them."""
        if self.state is IDLE:
            self.state = LEVEL

    def refuse(self, frame: Frame) -> None:
        """Return to the cursor before the last frame, because the sink is full."""
        self.cursor = self._cursor_before
        if frame.op == "live":
            self._is_announced = False
        self.state = LEVEL  # also if the frame was the last of a deleted thread
        self._fall_behind_too_slow()

    # ------------------------------------------------------------------ the store

    def begin_read(self) -> None:
        """Buffer published events from now on, because the store is read next.

        After a read that failed, call ``fall_behind``.
        """
        self.state = READING

    def receive(self, replay: Replay) -> Frame | None:
        """Take what the store replays after the cursor; None if that is nothing new."""
        if isinstance(replay, Snapshot):
            self.cursor = replay.seq
            self._end_read(is_deleted=replay.deleted)
            return self._frame("snapshot", snapshot=replay)
        if not replay.events:
            self._end_read(is_deleted=replay.deleted)
            return None
        self.cursor = replay.events[-1].seq
        if self.cursor < replay.head:
            self.fall_behind()
        else:
            self._end_read(is_deleted=replay.deleted)
        return self._events(tuple((event.seq, encode(event)) for event in replay.events))

    def _end_read(self, *, is_deleted: bool) -> None:
        if is_deleted:
            self.state = ENDED
        elif self.state is READING:  # the reader may have fallen BEHIND since the read began
            self.state = LEVEL

    # ------------------------------------------------------------------ published events

    def offer(self, batch: Batch) -> None:
        """Take events that were just published; fall behind if the buffer has no room for them."""
        state = self.state
        if state is BEHIND or state is ENDED:
            return
        if self.buffered_bytes + batch.size > BUFFER_BYTES:
            self._fall_behind_too_slow()
        elif state is IDLE and self.sink is not None and batch.first_seq == self.cursor + 1:
            self._pass_on(batch, self.sink)
        else:
            self._buffer.append(batch)
            self.buffered_bytes += batch.size
            if state is IDLE:
                self.state = LEVEL
            self._wake()

    def fall_behind(self) -> None:
        """Read from the store next. A reader that has ended stays ended."""
        self._buffer, self.buffered_bytes = [], 0
        if self.state is not ENDED:
            self.state = BEHIND
        self._wake()

    def _pass_on(self, batch: Batch, sink: Sink) -> None:
        if not sink.take(batch.text):
            self._fall_behind_too_slow()
            return
        self.cursor = batch.last_seq
        if batch.deletes:
            self.state = ENDED
            self._wake()

    def _fall_behind_too_slow(self) -> None:
        self._count_slow()
        self.fall_behind()

    def _take_buffer(self) -> Frame | None:
        """Make a frame of the buffered events up to the first gap; None if there are none."""
        batches, self._buffer, self.buffered_bytes = self._buffer, [], 0
        event_texts: list[tuple[int, str]] = []
        for batch in batches:
            for seq, text in batch.event_texts:
                if seq <= self.cursor:
                    continue
                if seq != self.cursor + 1:
                    self.fall_behind()
                    return self._events(tuple(event_texts)) if event_texts else None
                event_texts.append((seq, text))
                self.cursor = seq
            if batch.deletes:
                self.state = ENDED
        return self._events(tuple(event_texts)) if event_texts else None

    def _events(self, event_texts: tuple[tuple[int, str], ...]) -> Frame:
        return Frame(
            op="events", thread_id=self._thread_id, seq=self.cursor, event_texts=event_texts
        )

    def _frame(self, op: str, snapshot: Snapshot | None = None) -> Frame:
        return Frame(op=op, thread_id=self._thread_id, seq=self.cursor, snapshot=snapshot)
