"""The subscription: the rules by which a reader applies frames. No socket, no await.

A subscription receives frames and returns actions, so that every reader shares one gap rule (L6):
accept ``seq = cursor + 1``, drop ``<= cursor``, ask again on a jump.

::

    subscribing ──events, snapshot──► subscribing ──live──► live
         ▲  ▲                                                │
         │  └── gap: subscribe again from the cursor ────────┤
         └───── cursor_ahead, misfit: drop all, from 0 ──────┘
                                               closed, error, the same misfit again: ended
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from .errors import FoldError, InvalidInput
from .events import Event, parse
from .fold import Transcript
from .records import Failure, SnapshotFrame, SubscribeFrame, WireEvent, WireFrame


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The state has changed; ``events`` is empty after a snapshot."""

    events: tuple[Event, ...]
    live: bool


@dataclass(frozen=True, kw_only=True)
class Resubscribe:
    """The reader must subscribe again, after this cursor (0: the state was dropped)."""

    after: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The server sends nothing more; ``error`` is None if the thread was deleted."""

    error: Failure | None


Action = Applied | Resubscribe | Ended

# The exceptions of Python that a malformed frame raises.
_MALFORMED = (LookupError, AttributeError, TypeError, ValueError)


class Subscription:
    """One thread as one reader follows it.

    While a new subscription is under way, a late frame of the old one requests no further one. A
    second misfit at the same seq ends the subscription: a log that cannot be folded is reported,
    not retried.
    """

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.transcript = Transcript()
        self.is_live = False
        self._is_asking = False
        self._misfit_seq = 0

    @property
    def cursor(self) -> int:
        return self.transcript.seq

    def request(self) -> SubscribeFrame:
        """Return the frame that requests the events after the cursor."""
        self.is_live = False
        self._is_asking = True
        return {"op": "subscribe", "thread": self.thread_id, "after": self.cursor}

    def receive(self, frame: WireFrame) -> Action | None:
        """Apply one frame of this thread; None if the reader has nothing to do."""
        op = frame.get("op")
        try:
            if op == "events":
                return self._receive_events(frame["events"])
            if op == "snapshot":
                self.transcript.replace(cast(SnapshotFrame, frame))  # a misfit is caught below
                self._is_asking = False
                return Applied(events=(), live=self.is_live)
            if op == "live":
                return self._receive_live(frame["seq"])
        except (FoldError, InvalidInput, *_MALFORMED) as error:
            return self._misfit(error)
        if op == "closed":
            return Ended(error=None)
        if op == "error":
            return self._receive_error(cast(Failure, frame.get("error") or {}))
        return None

    def _receive_events(self, wires: list[WireEvent]) -> Action:
        events = []
        for wire in wires:
            event = parse(wire)
            if event.seq <= self.cursor:
                continue
            if event.seq != self.cursor + 1:
                if self._is_asking:
                    break
                return self._ask("gap")
            self.transcript.apply(event)
            self._is_asking = False
            events.append(event)
        return Applied(events=tuple(events), live=self.is_live)

    def _receive_live(self, seq: int) -> Action:
        self._is_asking = False
        if seq > self.cursor:
            return self._ask("gap")
        self.is_live = True
        return Applied(events=(), live=True)

    def _receive_error(self, error: Failure) -> Action:
        if error.get("code") == "cursor_ahead":
            self.transcript = Transcript()
            return self._ask("cursor_ahead")
        return Ended(error=error)

    def _misfit(self, error: Exception) -> Action:
        seq = self.cursor + 1
        if seq <= self._misfit_seq:
            return Ended(error={"code": FoldError.code, "message": str(error)})
        self._misfit_seq = seq
        self.transcript = Transcript()
        return self._ask(f"misfit: {error}")

    def _ask(self, reason: str) -> Resubscribe:
        self.is_live = False
        self._is_asking = True
        return Resubscribe(after=self.cursor, reason=reason)
