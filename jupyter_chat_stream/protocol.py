"""The subscription: what a reader does with what it receives. No socket, no await.

It is fed frames and gives back actions, so that the kernel's link, the tests and any other reader
share one gap rule (L6): accept ``seq = cursor + 1``, drop ``<= cursor``, ask again on a jump.

::

    subscribing ──events, snapshot──► subscribing ──live──► live
         ▲  ▲                                                │
         │  └── gap: subscribe again from the cursor ────────┤
         └───── cursor_ahead, misfit: drop all, from 0 ──────┘      closed, error: ended
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import FoldError, InvalidInput
from .events import Event, parse
from .messages import Transcript


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The state moved on; ``events`` is empty where a snapshot moved it."""

    events: tuple[Event, ...]
    live: bool


@dataclass(frozen=True, kw_only=True)
class Resubscribe:
    """Ask again: ``after`` is the cursor to ask from (0: the state was dropped)."""

    after: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Nothing more will come; ``error`` is the wire's error object, or None when deleted."""

    error: Mapping[str, Any] | None


Action = Applied | Resubscribe | Ended


class Subscription:
    """One thread as one reader follows it."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.transcript = Transcript()
        self.is_live = False

    @property
    def cursor(self) -> int:
        return self.transcript.seq

    def request(self) -> dict[str, Any]:
        """Give the frame that asks for what comes after the cursor."""
        self.is_live = False
        return {"op": "subscribe", "thread": self.thread_id, "after": self.cursor}

    def receive(self, frame: Mapping[str, Any]) -> Action | None:
        """Take one frame of this thread; None where there is nothing to do."""
        op = frame.get("op")
        try:
            if op == "events":
                return self._receive_events(frame["events"])
            if op == "snapshot":
                self.transcript.replace(frame)
                return Applied(events=(), live=self.is_live)
        except (FoldError, InvalidInput, KeyError, TypeError) as error:
            self.transcript = Transcript()
            return Resubscribe(after=0, reason=f"misfit: {error}")
        if op == "live":
            self.is_live = True
            return Applied(events=(), live=True)
        if op == "closed":
            return Ended(error=None)
        if op == "error":
            return self._receive_error(frame["error"])
        return None

    def _receive_events(self, wires: list[Mapping[str, Any]]) -> Action:
        taken = []
        for wire in wires:
            event = parse(wire)
            if event.seq <= self.cursor:
                continue
            if event.seq != self.cursor + 1:
                return Resubscribe(after=self.cursor, reason="gap")
            self.transcript.apply(event)
            taken.append(event)
        return Applied(events=tuple(taken), live=self.is_live)

    def _receive_error(self, error: Mapping[str, Any]) -> Action:
        if error.get("code") == "cursor_ahead":
            self.transcript = Transcript()
            return Resubscribe(after=0, reason="cursor_ahead")
        return Ended(error=error)
